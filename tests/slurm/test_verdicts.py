"""What is said of an end that only Slurm's books tell about; for those that this cluster cannot provoke, too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.sites.slurm.accounting import Ending, Memory
from qhub_ext.sites.slurm.options import DUPLICATE, NO_FOLDER, NO_ROOM
from qhub_ext.sites.slurm.verdict import Evidence, conclude

BEGUN = Evidence(launched=True, last_words="last line", time_s=600)
ENDINGS = {
    "out of memory": (("OUT_OF_MEMORY", 0, 125), BEGUN, State.FAILED, Cause.RESOURCES, "more memory", "--memory"),
    "time limit": (("TIMEOUT", 0, 0), BEGUN, State.TIMED_OUT, Cause.RESOURCES, "given 600 s", "--time"),
    "deadline": (("DEADLINE", 0, 0), BEGUN, State.TIMED_OUT, Cause.QUEUE_POLICY, "deadline passed", "later"),
    "node failure": (("NODE_FAIL", 0, 0), BEGUN, State.FAILED, Cause.INTEGRATION, "ran on failed (n1).", "Requeue"),
    "no boot": (("BOOT_FAIL", 0, 0), Evidence(), State.FAILED, Cause.INTEGRATION, "did not start", "Requeue"),
    "launch failure": (("LAUNCH_FAILED", 0, 0), Evidence(), State.FAILED, Cause.INTEGRATION, "n1", "site"),
    "preempted": (("PREEMPTED", 0, 0), BEGUN, State.CANCELLED, Cause.QUEUE_POLICY, "took its place", "profile"),
    "federation": (("REVOKED", 0, 0), Evidence(), State.CANCELLED, Cause.QUEUE_POLICY, "Another cluster", ""),
    "killed": (("FAILED", 0, 9), BEGUN, State.FAILED, Cause.UNKNOWN, "SIGKILL", "memory"),
    "killed for its memory": (("FAILED", 0, 9), replace(BEGUN, memory=Memory(10.6, 8)), State.FAILED, Cause.RESOURCES, "used 11 MiB of memory on n1, was given 8 MiB, and was killed.", "--memory"),
    "killed within its memory": (("FAILED", 0, 9), replace(BEGUN, memory=Memory(7, 8)), State.FAILED, Cause.UNKNOWN, "SIGKILL", "memory"),
    "no memory to begin with": (("FAILED", 1, 0), replace(BEGUN, last_words="MemoryError"), State.FAILED, Cause.RESOURCES, "less memory than it needs. Its last words", "--memory"),
    "no threads to begin with": (("FAILED", 0, 6), replace(BEGUN, last_words="RuntimeError: can't start new thread"), State.FAILED, Cause.RESOURCES, "by SIGABRT: the system gave it no more threads", "ulimit"),
    "killed, as the shell says it": (("FAILED", 139, 0), BEGUN, State.FAILED, Cause.UNKNOWN, "SIGSEGV", "Requeue"),
    "exit code": (("FAILED", 3, 0), BEGUN, State.FAILED, Cause.UNKNOWN, "last line", "console.log"),
    "no such command": (("FAILED", 127, 0), BEGUN, State.FAILED, Cause.ENVIRONMENT, "exit code 127", "console.log"),
    "folder not seen": (("FAILED", NO_FOLDER, 0), Evidence(), State.FAILED, Cause.INTEGRATION, "n1 does not see", "shelf"),
    "no room": (("FAILED", NO_ROOM, 0), Evidence(), State.FAILED, Cause.RESOURCES, "full file system", "room"),
    "second": (("FAILED", DUPLICATE, 0), Evidence(), State.CANCELLED, Cause.INTEGRATION, "queued twice", ""),
    "silent": (("COMPLETED", 0, 0), BEGUN, State.FAILED, Cause.INTEGRATION, "no runner sealed", "script"),
    "unknown word": (("LEVITATED", 0, 0), BEGUN, State.LOST, Cause.UNKNOWN, "LEVITATED", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDINGS)
def test_ends_are_told_apart(case: str) -> None:
    (word, code, signal), seen, state, cause, said, advice = ENDINGS[case]
    found = conclude(Ending("7", word, code, signal, nodes="n1"), seen, owner_uid=1000)
    assert (found.state, found.cause) == (state, cause)
    assert said in found.message
    assert found.message.endswith((".", seen.last_words or "."))
    assert advice in found.advice


def test_a_reservation_that_ended_is_told_from_the_jobs_own_limit() -> None:
    said = "Reservation cal, which this job was running under, has ended"
    found = conclude(Ending("7", "TIMEOUT", 0, 0, reason=said), BEGUN, owner_uid=1000)
    assert (found.state, found.cause) == (State.TIMED_OUT, Cause.QUEUE_POLICY)
    assert "It was called cal." in found.message


@pytest.mark.parametrize(
    ("reservation", "said", "advice"),
    [
        ("cal", "after 75 s, although it was given 600 s: most likely its reservation 'cal' had ended.", "outside"),
        ("", "after 75 s, although it was given 600 s: its limit was shortened while it ran.", "Ask the site"),
    ],
)
def test_a_time_limit_that_came_early_was_not_the_jobs_own(reservation: str, said: str, advice: str) -> None:
    seen = Evidence(launched=True, time_s=600, reservation=reservation)
    found = conclude(Ending("7", "TIMEOUT", 0, 0, start=1000.0, end=1075.0), seen, owner_uid=1000)
    assert (found.state, found.cause) == (State.TIMED_OUT, Cause.QUEUE_POLICY)
    assert said in found.message
    assert advice in found.advice
    late = conclude(Ending("7", "TIMEOUT", 0, 0, start=1000.0, end=1590.0), seen, owner_uid=1000)
    assert late.cause is Cause.RESOURCES, "Slurm looks at limits now and then"


@pytest.mark.parametrize(
    ("by", "reason", "seen", "cause", "said"),
    [
        (1000, "", BEGUN, Cause.USER, "It was cancelled."),
        (1001, "", BEGUN, Cause.QUEUE_POLICY, "cancelled by bob, not by its owner"),
        (1002, "", BEGUN, Cause.QUEUE_POLICY, "cancelled by uid 1002"),
        (0, "DependencyNeverSatisfied", Evidence(), Cause.QUEUE_POLICY, "dependency is never satisfied"),
        (
            0,
            "",
            Evidence(unmet="abc, which it waits for, ended as failed"),
            Cause.QUEUE_POLICY,
            "abc, which it waits for",
        ),
    ],
)
def test_a_cancelled_job_names_who_or_what_cancelled_it(
    by: int, reason: str, seen: Evidence, cause: Cause, said: str
) -> None:
    found = conclude(Ending("7", "CANCELLED", 0, 15, reason, by=by), seen, owner_uid=1000, names={1001: "bob"})
    assert (found.state, found.cause) == (State.CANCELLED, cause)
    assert said in found.message


@pytest.mark.parametrize(
    ("seen", "state", "cause"),
    [
        (Evidence(launched=True), State.LOST, Cause.INTEGRATION),
        (Evidence(stop_why="cancel"), State.CANCELLED, Cause.USER),
        (Evidence(element=True), State.CANCELLED, Cause.UNKNOWN),
    ],
)
def test_a_job_of_which_slurm_knows_nothing_is_lost_unless_the_folder_knows_better(
    seen: Evidence, state: State, cause: Cause
) -> None:
    found = conclude(None, seen, owner_uid=1000)
    assert (found.state, found.cause) == (state, cause)
    assert "." in found.message


def test_an_attempt_before_another_was_stopped_as_asked_or_by_the_site() -> None:
    asked = conclude(Ending("7", "REQUEUED", 0, 0), Evidence(stop_why="requeue", again=True), owner_uid=1000)
    other = conclude(Ending("7", "CANCELLED", 0, 0), Evidence(again=True), owner_uid=1000)
    assert (asked.cause, other.cause) == (Cause.USER, Cause.QUEUE_POLICY)


def test_a_job_that_slurm_took_back_before_its_script_began_was_not_cancelled_by_anybody() -> None:
    taken = Ending("7", "CANCELLED", 0, 0, nodes="n1", start=100.0, by=0)
    for node_says, said in (("Prolog error", "prologue failed on n1"), ("", "could not take it in")):
        found = conclude(taken, Evidence(node_says=node_says), owner_uid=1000)
        assert (found.state, found.cause) == (State.FAILED, Cause.INTEGRATION)
        assert said in found.message
        assert "n1" in found.advice
    for ending, seen in (
        (taken, BEGUN),  # root cancelled what ran
        (Ending("7", "CANCELLED", 0, 0, by=0), Evidence()),  # root cancelled what waited
        (taken, Evidence(stop_why="cancel")),
    ):
        assert conclude(ending, seen, owner_uid=1000).state is State.CANCELLED
