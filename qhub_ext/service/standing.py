"""Where a waiting job stands in the site's queue, in words: its place, and what is ahead of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from qhub_ext.job.identity import short_id
from qhub_ext.job.state import State
from qhub_ext.sites.scheduler import QueueEntry

NAMED = 3
"""So many of those ahead are named; of more, the number is told."""


def describe_standing(entries: Sequence[QueueEntry], job_id: str) -> str:
    """Of an array, where its first waiting element stands. Empty for what does not wait, or is held."""
    own = next((e for e in entries if e.state is State.QUEUED and _is_of(e, job_id)), None)
    if own is None:
        return ""
    line = [e for e in entries if e.state is State.QUEUED and e.lane == own.lane]
    ahead = line[: line.index(own)]
    lane = f" in {own.lane}" if own.lane else ""
    priority = f", by priority ({own.priority})" if own.priority is not None else ""
    place = f"{len(ahead) + 1} of {len(line)} that wait{lane}{priority}"
    if not ahead:
        return f"{place}; none is ahead"
    named = ", ".join(_name(e, own) for e in ahead[-NAMED:])
    more = f"{len(ahead) - NAMED} more and " if len(ahead) > NAMED else ""
    return f"{place}; ahead: {more}{named}"


def _is_of(entry: QueueEntry, job_id: str) -> bool:
    return entry.job_id == job_id or entry.job_id.startswith(f"{job_id}.")


def _name(entry: QueueEntry, own: QueueEntry) -> str:
    name = short_id(entry.job_id) if entry.job_id else f"{entry.site_id} of the site"
    return f"{name} (yours)" if entry.owner == own.owner else f"{name} of {entry.owner}"
