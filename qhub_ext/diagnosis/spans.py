"""Where the time of a job went, as its records tell: spans of one kind each, one after the other. Pure.

| kind | what passed |
|---|---|
| submit | from the cell to the site's queue |
| queue | waiting for the site |
| start | resources are there; kernel and inputs are being made ready |
| classical | the cell's own Python |
| quantum | a task: on the device, or simulated |
| return | outputs and variables are put away |
| element | all of one element of an array |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qhub_ext.job.identity import short_id
from qhub_ext.job.record import Attempt, JobRecord


@dataclass(frozen=True)
class Span:
    """Moments in s since 1970 UTC; `end` is None while it lasts."""

    name: str
    kind: str
    begin: float
    end: float | None
    attempt: int = 1


@dataclass(frozen=True)
class Facts:
    """What is known of one attempt beside its record: the tasks' records, and the seconds that the runner took for each step."""

    tasks: Sequence[Mapping[str, Any]] = ()
    timings_s: Mapping[str, float] | None = None


def spans_of(record: JobRecord, facts: Mapping[int, Facts]) -> list[Span]:
    """In the order in which they began. `facts` by the number of the attempt."""
    found: list[Span] = []
    if record.submitted_at is not None:
        found += _span("submission", "submit", record.spec.created_at, record.submitted_at)
    for attempt in record.attempts:
        queued_at = record.asked_at if attempt.number == 1 else attempt.queued_at
        found += _attempt(attempt, queued_at, facts.get(attempt.number, Facts()))
    return sorted(found, key=lambda span: span.begin)


def element_spans(records: Iterable[JobRecord]) -> list[Span]:
    found: list[Span] = []
    for record in records:
        begin = record.attempt.started_at or record.attempt.running_at
        found += _span(short_id(record.id), "element", begin, record.attempt.ended_at, record.attempt.number)
    return sorted(found, key=lambda span: span.begin)


def _attempt(attempt: Attempt, queued_at: float | None, facts: Facts) -> list[Span]:
    number, ended_at, running_at = attempt.number, attempt.ended_at, attempt.running_at
    granted_at = attempt.started_at or running_at
    found = _span("waiting for the site", "queue", queued_at, granted_at or ended_at, number)
    if granted_at is None:
        return found
    timings = facts.timings_s or {}
    ready_s = timings.get("boot_s", 0.0) + timings.get("environment_s", 0.0)
    ready_at = None if running_at is None else running_at + ready_s
    found += _span("kernel and inputs", "start", granted_at, ready_at or ended_at, number)
    if ready_at is None:
        return found
    away_at = None if ended_at is None else max(ready_at, ended_at - timings.get("seal_s", 0.0))
    at = ready_at
    for task in sorted(facts.tasks, key=lambda task: str(task.get("started_at"))):
        begin, end = _seconds(task.get("started_at")), _seconds(task.get("ended_at"))
        if begin is None or end is None or begin < at:
            continue  # within another one: a task from a thread of its own
        found += [*_span("the cell", "classical", at, begin, number), Span(_title(task), "quantum", begin, end, number)]
        at = end
    found += _span("the cell", "classical", at, away_at, number)
    if ended_at is not None and away_at is not None and away_at < ended_at:
        found.append(Span("putting away", "return", away_at, ended_at, number))
    return found


def _span(name: str, kind: str, begin: float | None, end: float | None, attempt: int = 1) -> list[Span]:
    """None where it never began or took no time."""
    if begin is None or (end is not None and end <= begin):
        return []
    return [Span(name, kind, begin, end, attempt)]


def _title(task: Mapping[str, Any]) -> str:
    count = int(task.get("executions") or 0)
    where = f"on {task.get('device')}" if task.get("tier") == "qpu" else "simulated"
    return f"{task.get('primitive', 'task')}: {count} circuit{'' if count == 1 else 's'} {where}"


def _seconds(moment: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return None
