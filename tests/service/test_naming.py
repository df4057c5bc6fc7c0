"""What a draft makes of names that a person gives, or does not; how moments, durations and hostile text are told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from qhub_ext.display.words import age, duration, minute, plain
from qhub_ext.errors import UnknownNameError
from qhub_ext.service.profiles import check_profile
from qhub_ext.service.specification import job_name
from qhub_ext.settings import BrokerSettings, ProfileSettings, Settings, SlurmSettings, SlurmTierSettings

NOW = time.mktime((2026, 3, 4, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("x = 1", "x = 1"),
        ("import numpy\n\n# a heading\nx", "a heading"),
        ("a" * 40, "a" * 40),
        ("a" * 41, "a" * 39 + "…"),
        ("import numpy", "cell"),
    ],
)
def test_a_job_is_called_after_the_first_line_that_says_something_and_a_cut_shows(cell: str, name: str) -> None:
    assert job_name(None, cell) == name


def test_a_name_that_was_given_is_kept_whole() -> None:
    assert job_name("b" * 90, "x") == "b" * 90


def test_a_profile_that_nothing_knows_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    slurm = SlurmSettings(tiers={"qpu": SlurmTierSettings(qos={"urgent": "high"})})
    settings = Settings(slurm=slurm, profiles={"teaching": ProfileSettings()})
    for name in ("development", "test", "production", "urgent", "teaching"):
        check_profile(name, settings)
    with pytest.raises(UnknownNameError, match="There is no profile 'prodction'") as caught:
        check_profile("prodction", settings)
    assert "Did you mean 'production'?" in caught.value.advice
    check_profile("anything", Settings(broker=BrokerSettings(socket=tmp_path / "socket")))  # the broker has its own


@pytest.mark.parametrize(
    ("at", "told"),
    [(0, "now"), (29, "now"), (40, "12:01"), (95, "12:02"), (3600, "13:00"), (86400, "2026-03-05 12:00")],
)
def test_a_guessed_moment_is_told_no_more_exactly_than_it_is_known(at: float, told: str) -> None:
    assert minute(NOW + at, NOW) == told


DURATIONS = Path(__file__).parents[2] / "labextension" / "src" / "__tests__" / "durations.json"


@pytest.mark.parametrize(("seconds", "told"), [*json.loads(DURATIONS.read_text("utf-8")), (float("nan"), "–")])
def test_a_duration_is_told_as_the_front_end_tells_it(seconds: float | None, told: str) -> None:
    assert duration(seconds) == told


def test_what_goes_on_is_told_in_whole_seconds_even_when_clocks_differ() -> None:
    assert [age(seconds) for seconds in (-0.4, 0.0055, 4.9, 62.9, 250)] == ["0 s", "0 s", "4 s", "62 s", "4 min 10 s"]


def test_what_would_steer_a_terminal_is_shown_and_joined_emoji_stay_whole() -> None:
    assert plain("a\nb\tc\x1b[31m\u202e 👩\u200d🔬") == "a⏎b c�[31m� 👩\u200d🔬"
