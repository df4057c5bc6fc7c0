"""What the elements of an array add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.state import State

_WORST_FIRST = (State.FAILED, State.TIMED_OUT, State.LOST, State.CANCELLED, State.COMPLETED)


def combine(array: JobRecord, elements: Sequence[JobRecord]) -> JobRecord:
    """An array is running while any element is, waiting while any waits, then as bad as its worst element.

    Its one attempt speaks for the whole: from the first begin to the last end, with the counts of states as message.
    """
    states = [e.state for e in elements]
    latest = [e.attempt for e in elements]
    active = [s for s in states if not s.final]
    if any(s in (State.RUNNING, State.FINISHING, State.STARTING) for s in active):
        state = State.RUNNING
    elif active:
        state = State.HELD if all(s is State.HELD for s in active) else State.QUEUED
    else:
        state = next((s for s in _WORST_FIRST if s in states), State.COMPLETED)
    worst = next((a for a in latest if a.state is state), latest[0] if latest else Attempt())
    begins = [a.running_at for a in latest if a.running_at is not None]
    ends = [a.ended_at for a in latest if a.ended_at is not None]
    # what waits for the site's first look is told as waiting like the rest
    told = [State.QUEUED if s in (State.CREATED, State.SUBMITTED) else s for s in states]
    counts = {s: told.count(s) for s in dict.fromkeys(told)}
    text = ", ".join(f"{n} {s.value.replace('_', ' ')}" for s, n in counts.items())
    whole = replace(
        worst,
        number=1,
        state=state,
        running_at=min(begins, default=None),
        ended_at=max(ends, default=None) if state.final else None,
        message=f"{text}." + (f" {worst.message}" if worst.message and state is not State.COMPLETED else ""),
    )
    submitted = [e.submitted_at for e in elements if e.submitted_at is not None]
    return replace(
        array,
        state=state,
        attempts=(whole,),
        done=sum(1 for s in states if s.final),
        parts=tuple(elements),
        submitted_at=array.submitted_at if array.submitted_at is not None else min(submitted, default=None),
    )
