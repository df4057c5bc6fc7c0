"""How much a job gets: by its line, by its tier on Slurm, by the settings; and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import InvalidOptionError
from qhub_ext.service.measure import measure
from qhub_ext.settings import LimitSettings, Settings, Share, SlurmSettings, SlurmTierSettings
from qhub_ext.tiers.memory import machine_memory_mb

TIERS = {
    "emulation": SlurmTierSettings(
        time_s=600, time_max_s=1800, cpus=4, cpus_max=16, memory_mb=8000, memory_max_mb=64000
    ),
    "qpu": SlurmTierSettings(time_max_s=1800),
}
SETTINGS = Settings(limits=LimitSettings(time_s=3600, time_max_s=7200), slurm=SlurmSettings(tiers=TIERS))


@pytest.mark.parametrize(
    ("tier", "site", "asked", "given"),
    [
        ("emulation", "slurm", {}, Share(600, 4, 8000)),
        ("emulation", "slurm", {"time_s": 1800, "cpus": 16, "memory_mb": 100}, Share(1800, 16, 100)),
        ("qpu", "slurm", {}, Share(1800, 1, None)),  # the usual hour is more than the tier has
        ("local", "slurm", {}, Share(3600, 1, None)),
    ],
)
def test_the_line_stands_above_the_tier_and_the_tier_above_the_settings(
    tier: str, site: str, asked: dict[str, Any], given: Share
) -> None:
    assert measure(Request(**asked), tier, site, SETTINGS) == given


def test_a_tier_of_slurm_says_nothing_about_other_sites() -> None:
    found = measure(Request(), "emulation", "embedded", SETTINGS)
    assert (found.time_s, found.cpus) == (3600, 1)
    assert found.memory_mb is not None
    assert found.memory_mb <= machine_memory_mb()


@pytest.mark.parametrize(
    ("asked", "said", "advice"),
    [
        ({"time_s": 1801}, "--time asks for 30 min 01 s; slurm.tiers.emulation allows 30 min at most.", "time_max_s"),
        ({"time_s": 9999}, "--time asks for 2 h 46 min; this site allows 2 h at most.", "limits.time_max_s"),
        ({"cpus": 17}, "--cpus asks for 17; slurm.tiers.emulation allows 16 at most.", "cpus_max"),
        ({"memory_mb": 65000}, "--memory asks for 65000 MiB; slurm.tiers.emulation allows 64000 MiB", "memory_max_mb"),
    ],
)
def test_more_than_the_tier_allows_is_refused_with_the_setting_that_says_so(
    asked: dict[str, Any], said: str, advice: str
) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        measure(Request(**asked), "emulation", "slurm", SETTINGS)
    assert caught.value.message.startswith(said)
    assert advice in caught.value.advice
