"""An end whose reason only the site can tell is none until the site was asked, or had its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.job.unexplained import AWAITED_S, is_unexplained, without_open_ends

SPEC = JobSpec(id="1m8hvprbh-jcfd15", name="a job", tier="local", device="kingston", created_at=1000.0, owner="me")
VAGUE = Attempt(1, State.CANCELLED, running_at=1000.0, ended_at=1010.0, cause="unknown", message="no word why")


def shown(*attempts: Attempt, now: float) -> JobRecord:
    return without_open_ends(JobRecord(SPEC, attempts[-1].state, attempts), now)


def test_an_end_that_the_site_may_still_explain_is_shown_as_finishing_for_a_while() -> None:
    record = shown(VAGUE, now=1011.0)
    assert (record.state, record.attempt.state, record.attempt.cause) == (State.FINISHING, State.FINISHING, None)
    assert "is asked of the site" in record.attempt.message
    assert record.attempt.ended_at == 1010.0
    assert shown(VAGUE, now=1010.0 + AWAITED_S).attempt == VAGUE


@pytest.mark.parametrize(
    "known",
    [
        replace(VAGUE, word="FAILED"),
        replace(VAGUE, cause="user"),
        replace(VAGUE, state=State.TIMED_OUT, cause="queue policy"),
        replace(VAGUE, state=State.FAILED),
        replace(VAGUE, ended_at=None),
    ],
)
def test_an_end_of_which_somebody_has_spoken_is_shown_as_it_is(known: Attempt) -> None:
    assert shown(known, now=1011.0).attempt == known


def test_an_end_that_nobody_looked_at_for_days_is_final_at_the_first_look() -> None:
    assert shown(VAGUE, now=1010.0 + 3 * 86400).state is State.CANCELLED


def test_a_node_whose_clock_is_ahead_makes_nobody_wait_longer() -> None:
    assert shown(replace(VAGUE, ended_at=5000.0), now=1011.0).state is State.CANCELLED


def test_of_an_earlier_attempt_it_is_the_same_and_the_job_is_where_its_latest_one_is() -> None:
    record = shown(VAGUE, Attempt(2, State.QUEUED, queued_at=1010.5), now=1011.0)
    assert [a.state for a in record.attempts] == [State.FINISHING, State.QUEUED]
    assert record.state is State.QUEUED
    assert is_unexplained(VAGUE)
    assert not is_unexplained(record.attempts[0])
