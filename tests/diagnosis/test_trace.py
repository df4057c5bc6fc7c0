"""The spans of one job put together: what was recorded, what follows from the journals, on one clock."""

from __future__ import annotations

from typing import Any

import pytest

from qhub_ext.diagnosis.breakdown import break_down
from qhub_ext.diagnosis.rows import ALONE, rows_of
from qhub_ext.diagnosis.spans import Facts
from qhub_ext.diagnosis.trace import NS, TraceSpan, assemble
from qhub_ext.diagnosis.trace import Trace as WholeTrace
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.telemetry.context import context_of_job
from qhub_ext.telemetry.otlp import RecordedSpan

SPEC = JobSpec(id="01kayt4w2-7qm3xd", name="a", tier="local", device="manila", created_at=100.0, owner="me")
ROOT = context_of_job(SPEC.id, "")
ATTEMPT = ROOT.below("attempt", 1)
CELL = ATTEMPT.below("cell", 1)
DONE = Attempt(1, State.COMPLETED, queued_at=101.0, started_at=110.0, running_at=112.0, ended_at=130.0)


def recorded(name: str, kind: str, begin: float, end: float, *, attempt: int = 1, ahead: float = 0.0, host: str = "node", **more: Any) -> RecordedSpan:  # fmt: skip
    resource = {"service.name": "qhub-runner" if attempt else "qhub-client", "host.name": host, "process.pid": attempt, "qhub.clock.ahead": ahead, "qhub.clock.error": 0.01}  # fmt: skip
    if attempt:
        resource["qhub.job.attempt"] = attempt
    own = more.get("id", ATTEMPT.below(name, begin).span_id)
    parent = more.get("parent", ATTEMPT.span_id if attempt else ROOT.span_id)
    begin_ns, end_ns = int((begin + ahead) * NS), int((end + ahead) * NS)
    return RecordedSpan(ROOT.trace_id, own, parent, name, begin_ns, end_ns, {"qhub.kind": kind}, resource)


def a_run(*, ahead: float = 0.0) -> list[RecordedSpan]:
    return [
        recorded("submit", "submit", 100.5, 101.0, attempt=0, host="login"),
        recorded("start kernel", "start", 111.0, 113.0, ahead=ahead),
        recorded("set the scene", "environment", 113.0, 114.0, ahead=ahead),
        recorded("cell", "classical", 114.0, 129.0, id=CELL.span_id, ahead=ahead),
        recorded("transpile", "transpile", 115.0, 118.0, parent=CELL.span_id, ahead=ahead),
        recorded("put away", "return", 129.0, 130.0, ahead=ahead),
    ]


def record(*attempts: Attempt) -> JobRecord:
    return JobRecord(SPEC, attempts[-1].state, attempts, submitted_at=101.0)


def shape(trace: WholeTrace) -> list[tuple[str, float, float | None]]:
    return [
        (s.kind, round(s.begin_ns / NS, 3), None if s.end_ns is None else round(s.end_ns / NS, 3))
        for s in trace.spans
        if s.kind != "container"
    ]


def test_what_no_process_could_record_follows_from_the_journals():
    trace = assemble(record(DONE), a_run(), {})
    assert shape(trace)[:4] == [
        ("submit", 100.5, 101.0),
        ("queue", 101.0, 110.0),
        ("start", 110.0, 111.0),
        ("start", 111.0, 113.0),
    ]
    parts = break_down(trace)
    assert parts.seconds("site queue") == 9.0
    assert parts.seconds("transpile") == 3.0
    assert parts.seconds("classical") == 12.0
    assert parts.parts_ns["unaccounted"] == 0
    assert sum(parts.parts_ns.values()) == parts.wall_ns == int(29.5 * NS)


@pytest.mark.parametrize("ahead", [90.0, -3600.0])
def test_a_node_with_another_clock_is_moved_and_said(ahead: float):
    trace = assemble(record(DONE), a_run(ahead=ahead), {})
    assert shape(trace) == shape(assemble(record(DONE), a_run(), {}))
    (clock,) = trace.clocks
    assert clock.host == "node"
    assert clock.ahead_s == pytest.approx(ahead)
    assert ("ahead of" if ahead > 0 else "behind") in clock.sentence


def test_clocks_that_differ_by_less_than_can_be_told_are_left_alone():
    assert assemble(record(DONE), a_run(ahead=0.02), {}).clocks == ()


def test_a_running_job_has_a_cell_that_goes_on_with_what_it_does_below_it():
    running = Attempt(1, State.RUNNING, queued_at=101.0, started_at=110.0, running_at=112.0)
    some = [span for span in a_run() if span.name not in ("cell", "put away")]
    trace = assemble(record(running), some, {})
    rows = rows_of(trace, 140 * NS)
    names = [(row.name, row.depth, row.end is None) for row in rows]
    assert ("cell", 0, True) in names
    assert ("transpile", 1, False) in names
    assert trace.end_ns is None
    assert trace.notes
    assert break_down(trace.until(140 * NS)).seconds("classical") == pytest.approx(23.0)


def test_an_attempt_that_recorded_nothing_is_told_by_its_record():
    killed = Attempt(1, State.FAILED, queued_at=101.0, started_at=102.0, running_at=103.0, ended_at=104.0)
    trace = assemble(record(killed), [], {1: Facts()})
    assert [kind for kind, _, _ in shape(trace)] == ["submit", "queue", "start", "classical"]


def test_a_later_attempt_that_only_waits_is_told_beside_one_that_recorded():
    first = Attempt(1, State.CANCELLED, queued_at=101.0, started_at=110.0, running_at=112.0, ended_at=130.0)
    second = Attempt(2, State.QUEUED, queued_at=131.0)
    trace = assemble(record(first, second), a_run(), {})
    assert shape(trace)[-1] == ("queue", 131.0, None)
    assert trace.spans[-1].attempt == 2


def test_spans_of_another_trace_and_a_span_twice_are_left_out():
    stranger = RecordedSpan("f" * 32, "1" * 16, "", "x", NS, 2 * NS, {}, {"qhub.job.attempt": 1})
    trace = assemble(record(DONE), [*a_run(), *a_run(), stranger], {})
    assert len(trace.spans) == len(assemble(record(DONE), a_run(), {}).spans)


def test_nothing_recorded_is_an_empty_trace():
    empty = JobRecord(SPEC, State.CREATED, (Attempt(),))
    trace = assemble(empty, [], {})
    assert trace.spans == ()
    assert rows_of(trace, NS) == []
    assert break_down(trace).wall_ns == 0


def many(count: int) -> WholeTrace:
    spans = [TraceSpan("cell", "classical", 0, count * 1000, "cell")]
    for n in range(count):
        begin = n * 1000
        spans.append(TraceSpan("sampler", "classical", begin, begin + 900, f"s{n}", "cell"))
        spans.append(TraceSpan("simulate", "quantum", begin + 100, begin + 800, f"q{n}", f"s{n}"))
    return WholeTrace("t", tuple(spans))


def test_thousands_of_spans_become_a_few_rows_and_no_time_is_lost():
    rows = rows_of(many(5000), 0)
    assert [(row.name, row.count, row.depth) for row in rows] == [("cell", 1, 0), ("sampler", 5000, 1), ("simulate", 5000, 2)]  # fmt: skip
    assert rows[2].busy == pytest.approx(5000 * 700 / NS)
    assert len(rows[2].segments) < 1000


def test_a_few_siblings_have_a_row_each():
    rows = rows_of(many(ALONE), 0)
    assert [row.name for row in rows] == ["cell", *["sampler", "simulate"] * ALONE]


def test_names_that_are_all_different_share_a_row_beyond_the_first():
    spans = tuple(TraceSpan(f"step {n}", "classical", n, n + 1, str(n)) for n in range(1000))
    rows = rows_of(WholeTrace("t", spans), 0)
    assert len(rows) < 30
    assert sum(row.count for row in rows) == 1000
    assert any("other names" in row.name for row in rows)


def test_spans_that_name_each_other_as_parents_are_drawn_or_left_out_but_never_loop():
    spans = (TraceSpan("a", "classical", 0, 1, "a", "b"), TraceSpan("b", "classical", 0, 1, "b", "a"))
    assert len(rows_of(WholeTrace("t", spans), 0)) <= 2
