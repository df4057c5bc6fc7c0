"""One good guess is worth more than three."""

import pytest

from qhub_ext.capture.options import OPTIONS, OTHER_OPTIONS
from qhub_ext.cli import verbs
from qhub_ext.errors import UnknownNameError
from qhub_ext.job.context import unknown_tier
from qhub_ext.nearest import nearest
from qhub_ext.verbs.group import OTHER_VERBS

VERBS = sorted(verbs.commands)
FLAGS = [option.flag for option in OPTIONS]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("jbos", ["jobs"]), ("JOBS", ["jobs"]), ("cancle", ["cancel"]), ("explan", ["explain"]), ("trcae", ["trace"]), ("qeue", ["queue"]),
        ("calib", ["calibration"]), ("re", ["rerun", "release", "requeue"]), ("qqqqq", []), ("status", ["job", "jobs"]), ("scancel", ["cancel"]),
        ("restart", ["rerun", "requeue"]),
    ],
)  # fmt: skip
def test_the_verb_that_was_meant_is_guessed_alone(given: str, expected: list[str]) -> None:
    assert nearest(given, VERBS, OTHER_VERBS) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [("--teir", ["--tier"]), ("--tim", ["--time"]), ("--walltime", ["--time"]), ("--mem", ["--memory"]), ("--dryrun", ["--dry-run"]), ("--queue", ["--partition"])],
)  # fmt: skip
def test_the_option_that_was_meant_is_guessed_alone(given: str, expected: list[str]) -> None:
    assert nearest(given, FLAGS, OTHER_OPTIONS) == expected


def test_words_of_other_programs_lead_to_names_that_there_are() -> None:
    for words, known in ((OTHER_VERBS, VERBS), (OTHER_OPTIONS, [flag[2:] for flag in FLAGS])):
        assert {one for many in words.values() for one in many.split()} <= set(known)
        assert not set(words) & set(known)
    assert "Did you mean 'qpu'?" in str(unknown_tier("hardware"))
    assert "Did you mean 'emulation' or 'local'?" in str(unknown_tier("simulator"))


def test_what_is_like_nothing_is_answered_with_what_there_is() -> None:
    assert "Known: berlin, fez." in str(UnknownNameError.among("device", "heron", ["berlin", "fez"]))
