"""A site that stops a job writes why, sends TERM, and kills after the grace. The cell gets an interrupt out of it."""

from __future__ import annotations

import signal

import pytest

from tests.runner.conftest import Workshop

WITH_FINALLY = """
import time
try:
    print("begun", flush=True)
    time.sleep(600)
finally:
    saved = "checkpoint"
    print("tidied up")
"""


@pytest.mark.parametrize(
    ("why", "number", "state", "cause", "words"),
    [
        ("time", signal.SIGTERM, "timed_out", "resources", "wall time of 60 s"),
        ("cancel", signal.SIGINT, "cancelled", "user", "cancelled"),
        ("preempt", signal.SIGUSR1, "cancelled", "queue policy", "for another job"),
        (None, signal.SIGTERM, "cancelled", "unknown", "SIGTERM"),
    ],
)
def test_a_stop_becomes_an_interrupt_and_the_finally_runs(
    workshop: Workshop, why: str | None, number: int, state: str, cause: str, words: str
) -> None:
    run = workshop.start(WITH_FINALLY, time_s=60, grace_s=30).until_it_prints("begun").stop(why, number).wait()
    assert (run.outcome["state"], run.outcome["cause"]) == (state, cause)
    assert words in run.outcome["message"]
    assert "tidied up" in run.text
    assert run.outcome["error"]["ename"] == "KeyboardInterrupt"
    assert run.outcome["variables"] == ["saved"]


def test_a_stop_without_a_word_at_the_end_of_the_time_is_a_time_out(workshop: Workshop) -> None:
    run = workshop.start(WITH_FINALLY, time_s=3, grace_s=30).until_it_prints("begun").stop().wait()
    assert run.outcome["state"] == "timed_out"


def test_an_interrupt_reaches_an_awaiting_cell_and_its_children(workshop: Workshop) -> None:
    cell = """
import asyncio, subprocess
child = subprocess.Popen(["sleep", "600"])
try:
    print("begun", flush=True)
    await asyncio.sleep(600)
finally:
    print("child ended with", child.wait())
"""
    run = workshop.start(cell, grace_s=60).until_it_prints("begun").stop("cancel").wait()
    assert run.outcome["state"] == "cancelled"
    assert "child ended with -2" in run.text


def test_a_cell_that_swallows_interrupts_is_killed_before_the_grace_ends_and_sealed(workshop: Workshop) -> None:
    cell = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: print("not me", flush=True))
print("begun", flush=True)
time.sleep(600)
"""
    run = workshop.start(cell, grace_s=6).until_it_prints("begun").stop("cancel").wait()
    assert run.outcome["state"] == "cancelled"
    assert "did not end within 6 s" in run.outcome["message"]
    assert run.text.count("not me") >= 2
    assert run.attempt.notebook.exists()


def test_a_second_stop_interrupts_again_at_once(workshop: Workshop) -> None:
    cell = """
import time
try:
    print("begun", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("once", flush=True)
    time.sleep(600)
"""
    run = (
        workshop.start(cell, grace_s=100).until_it_prints("begun").stop("cancel").until_it_prints("once").stop().wait()
    )
    assert run.outcome["state"] == "cancelled"
    assert run.outcome["error"]["ename"] == "KeyboardInterrupt"


def test_a_stop_before_the_cell_began_is_sealed_too(workshop: Workshop) -> None:
    folder = workshop.folder("import time\ntime.sleep(600)\nprint('never')\n")
    run = workshop.start(folder)
    run.stop("cancel").wait()
    if run.attempt.outcome.exists():  # else the signal came before Python could hear it, and the site seals
        assert run.outcome["state"] == "cancelled"
        assert "never" not in run.text


def test_a_cell_that_has_ended_is_not_called_stopped(workshop: Workshop) -> None:
    cell = """
import atexit, time
atexit.register(time.sleep, 1)
atexit.register(print, "leaving", flush=True)
"""
    run = workshop.start(cell, grace_s=60).until_it_prints("leaving").stop("cancel").wait()
    assert run.outcome["state"] == "completed", run.outcome
