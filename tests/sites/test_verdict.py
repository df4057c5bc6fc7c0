"""What is said of an attempt that ended without an outcome of its own."""

from __future__ import annotations

import pytest

from qhub_ext.sites.embedded.verdict import Evidence, conclude

LAUNCH = {"pid": 1, "at": 1.0, "oom_kills": 3}
CASES = {
    "exit code": Evidence(LAUNCH, {"returncode": 3, "at": 2.0}, last_words="ValueError: shots"),
    "exit code zero": Evidence(LAUNCH, {"returncode": 0, "at": 2.0}),
    "no such module": Evidence(LAUNCH, {"returncode": 1, "at": 2.0}, last_words="No module named qhub_ext.runner"),
    "no such python": Evidence(LAUNCH, {"returncode": 127, "at": 2.0}, last_words="script: /x/python: not found"),
    "no memory": Evidence(LAUNCH, {"returncode": 1, "at": 2.0}, last_words="MemoryError"),
    "no threads": Evidence(
        LAUNCH, {"signal": 6, "at": 2.0}, last_words="Resource temporarily unavailable (thread.cpp)"
    ),
    "segfault": Evidence(LAUNCH, {"signal": 11, "at": 2.0}),
    "a shell's word for a segfault": Evidence(LAUNCH, {"returncode": 139, "at": 2.0}),
    "a real-time signal": Evidence(LAUNCH, {"signal": 63, "at": 2.0}),
    "kill without evidence of memory": Evidence(LAUNCH, {"signal": 9, "at": 2.0, "oom_kills": 3}),
    "kill with evidence of memory": Evidence(LAUNCH, {"signal": 9, "at": 2.0, "oom_kills": 4}),
    "wall time": Evidence(LAUNCH, {"signal": 15, "at": 2.0}, stop_why="time", time_s=60),
    "cancelled": Evidence(LAUNCH, {"signal": 9, "at": 2.0, "oom_kills": 4}, stop_why="cancel"),
    "requeued": Evidence(LAUNCH, None, stop_why="requeue"),
    "launcher and runner killed": Evidence(LAUNCH, None),
    "launcher killed before the script": Evidence(LAUNCH, None, never_ran=True),
    "reboot": Evidence(LAUNCH, None, rebooted=True),
    "never started": Evidence(None, None),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_more_is_said_than_is_known(case: str, snapshot: object) -> None:
    outcome = conclude(CASES[case], started_at=1.0, now=5.0)
    assert (outcome.state, outcome.cause, outcome.message, outcome.advice) == snapshot
    assert outcome.sealed_by == "site"
