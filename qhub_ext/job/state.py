"""States of a job, in the only direction in which they move.

A state says what happened; the cause (`qhub_ext.errors.Cause`) says why. A requeue does not move a state back: it begins a
new attempt, whose states start over.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    CREATED = "created"
    """The job folder is complete; the site has not been asked yet."""
    SUBMITTED = "submitted"
    """The site was asked; whether it accepted is not known yet."""
    QUEUED = "queued"
    """The site has it and will start it when its turn comes."""
    HELD = "held"
    """The site has it and will not start it until it is released."""
    STARTING = "starting"
    """Resources are granted; the runner is not there yet."""
    RUNNING = "running"
    """The cell is executing."""
    FINISHING = "finishing"
    """The cell has ended; outputs and results are being sealed, or the site is asked why it was stopped."""
    COMPLETED = "completed"
    """The cell ran to its end without an error."""
    FAILED = "failed"
    """The cell raised, crashed, or could not be started."""
    TIMED_OUT = "timed_out"
    """The granted time ran out first."""
    CANCELLED = "cancelled"
    """Somebody asked for its end."""
    LOST = "lost"
    """Neither the site nor the job folder can say what became of it."""

    @property
    def final(self) -> bool:
        return self in FINAL

    @property
    def waiting(self) -> bool:
        return self in WAITING


FINAL = frozenset({State.COMPLETED, State.FAILED, State.TIMED_OUT, State.CANCELLED, State.LOST})
WAITING = frozenset({State.CREATED, State.SUBMITTED, State.QUEUED, State.HELD})
ACTIVE = frozenset(State) - FINAL

# queued and held share a rank: a job may go back and forth between them before it starts
_RANK = {
    State.CREATED: 0,
    State.SUBMITTED: 1,
    State.QUEUED: 2,
    State.HELD: 2,
    State.STARTING: 3,
    State.RUNNING: 4,
    State.FINISHING: 5,
    # lost is the weakest of the ends: whoever knows better overrules it
    State.LOST: 6,
    State.COMPLETED: 7,
    State.FAILED: 7,
    State.TIMED_OUT: 7,
    State.CANCELLED: 7,
}


def advance(known: State, heard: State) -> State:
    """The later of two words about one attempt; a late or repeated word changes nothing, and the first end stands."""
    if _RANK[heard] > _RANK[known]:
        return heard
    if _RANK[heard] == _RANK[known] and known in WAITING:
        return heard
    return known


def verbs_for(state: State) -> tuple[str, ...]:
    """What may be asked for now, in the order in which people want it."""
    if state.final:
        return ("rerun", "requeue")
    if state is State.HELD:
        return ("release", "cancel")
    if state in (State.CREATED, State.SUBMITTED):
        return ("cancel", "requeue")
    return ("cancel", "hold") if state is State.QUEUED else ("cancel", "requeue")
