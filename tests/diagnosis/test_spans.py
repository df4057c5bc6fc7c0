"""Where the time went: spans that follow each other, whatever the records leave out."""

from __future__ import annotations

from qhub_ext.diagnosis.spans import Facts, spans_of
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State

SPEC = JobSpec(id="01kayt4w2-7qm3xd", name="a", tier="emulation", device="manila", created_at=100.0, owner="me")


def record(*attempts: Attempt, submitted_at: float | None = 101.0) -> JobRecord:
    return JobRecord(SPEC, attempts[-1].state, attempts, submitted_at=submitted_at)


def shape(spans):
    return [(s.kind, s.begin, s.end) for s in spans]


def task(begin: str, end: str) -> dict:
    return {"primitive": "sampler", "executions": 2, "tier": "emulation", "started_at": begin, "ended_at": end}


def test_a_whole_job_is_told_without_a_gap():
    one = Attempt(1, State.COMPLETED, queued_at=101.0, started_at=110.0, running_at=112.0, ended_at=130.0)
    tasks = [task("1970-01-01T00:02:02Z", "1970-01-01T00:02:05Z")]
    spans = spans_of(record(one), {1: Facts(tasks, {"boot_s": 1.0, "environment_s": 1.0, "seal_s": 0.5})})
    assert shape(spans) == [
        ("submit", 100.0, 101.0),
        ("queue", 101.0, 110.0),
        ("start", 110.0, 114.0),
        ("classical", 114.0, 122.0),
        ("quantum", 122.0, 125.0),
        ("classical", 125.0, 129.5),
        ("return", 129.5, 130.0),
    ]
    assert spans[4].name == "sampler: 2 circuits simulated"


def test_a_waiting_job_has_a_last_span_without_an_end():
    assert shape(spans_of(record(Attempt(1, State.QUEUED, queued_at=101.0)), {}))[-1] == ("queue", 101.0, None)


def test_a_job_that_was_cancelled_while_it_waited_only_waited():
    one = Attempt(1, State.CANCELLED, queued_at=101.0, ended_at=105.0)
    assert shape(spans_of(record(one), {})) == [("submit", 100.0, 101.0), ("queue", 101.0, 105.0)]


def test_each_attempt_has_spans_of_its_own():
    first = Attempt(1, State.FAILED, queued_at=101.0, started_at=102.0, running_at=103.0, ended_at=104.0)
    second = Attempt(2, State.RUNNING, queued_at=110.0, started_at=111.0, running_at=112.0)
    spans = spans_of(record(first, second), {})
    assert [s.attempt for s in spans if s.kind == "queue"] == [1, 2]
    assert shape(spans)[-1] == ("classical", 112.0, None)


def test_tasks_that_ran_side_by_side_are_told_once():
    one = Attempt(1, State.COMPLETED, started_at=101.0, running_at=101.0, ended_at=130.0)
    tasks = [
        task("1970-01-01T00:01:50Z", "1970-01-01T00:02:00Z"),
        task("1970-01-01T00:01:55Z", "1970-01-01T00:01:58Z"),
        {"started_at": None},
    ]
    kinds = [s.kind for s in spans_of(record(one), {1: Facts(tasks)})]
    assert kinds.count("quantum") == 1


def test_an_empty_record_has_no_spans():
    assert spans_of(record(Attempt(), submitted_at=None), {}) == []
