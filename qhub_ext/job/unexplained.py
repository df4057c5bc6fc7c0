"""An end that nobody has explained yet.

A site that stops a job sends a signal and no word. The runner seals what it saw, and a moment later the site's books know why, which may be
another end than the runner took it for: out of time, a failed node. Until then such an attempt is shown as finishing, so that nobody is told of
an end that changes.
"""

from __future__ import annotations

from dataclasses import replace

from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.state import State

AWAITED_S = 30.0
"""So long after the end the site's word is waited for, where the site itself cannot be asked."""
WHY_IS_ASKED = "It was asked to end; why, is asked of the site."


def is_unexplained(attempt: Attempt) -> bool:
    """Stopped from outside; its runner was not told why, and the site has not spoken of its end."""
    return attempt.state is State.CANCELLED and attempt.cause == "unknown" and not attempt.word


def is_awaited(attempt: Attempt, now: float) -> bool:
    """Its site may tell any moment why. A clock of a node that is ahead makes nobody wait longer."""
    ended_at = attempt.ended_at
    return is_unexplained(attempt) and ended_at is not None and abs(now - ended_at) < AWAITED_S


def as_finishing(attempt: Attempt) -> Attempt:
    return replace(attempt, state=State.FINISHING, cause=None, message=WHY_IS_ASKED, advice="")


def without_open_ends(record: JobRecord, now: float) -> JobRecord:
    """As it may be shown: each attempt that may turn out to have ended otherwise is still finishing."""
    if not any(is_awaited(attempt, now) for attempt in record.attempts):
        return record
    attempts = tuple(as_finishing(a) if is_awaited(a, now) else a for a in record.attempts)
    return replace(record, state=attempts[-1].state, attempts=attempts)
