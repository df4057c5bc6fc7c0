"""What changed since when: every job's last known facts, each with the number of its last change. Pure; no clock, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qhub_ext.job.identity import short_id
from qhub_ext.job.state import FINAL, WAITING

if TYPE_CHECKING:
    from qhub_ext.jobfolder.summary import Summary

REMEMBERED = 1000
"""Removed jobs that are remembered; who asks for what lies before them loads anew."""


@dataclass(slots=True)
class Entry:
    """A line of the listing. `as_of` is when the site last spoke of it: that alone is no change."""

    summary: Summary
    reason: str = ""
    phase: str = ""
    phase_text: str = ""
    starts_by: float | None = None
    stale_since: float | None = None
    as_of: float | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        s = self.summary
        return {name: getattr(s, name) for name in s.__dataclass_fields__} | {
            "short_id": short_id(s.id),
            "as_of": self.as_of,
            "stale_since": self.stale_since,
            "reason": self.reason,
            "phase": self.phase,
            "phase_text": self.phase_text,
            "starts_by": self.starts_by,
        }


@dataclass(frozen=True)
class Changes:
    """Since a number: jobs newest change first, and ids that are gone."""

    jobs: list[Entry]
    removed: list[str]


class Feed:
    """`epoch` names this numbering: numbers of another one mean nothing here."""

    def __init__(self, epoch: str, entries: Iterable[Entry] = ()) -> None:
        self.epoch = epoch
        self.seq = 1
        self._floor = 1
        # in the order of their last change, so that what is new lies at the end
        self._entries: dict[str, Entry] = {}
        self._changed: dict[str, int] = {}
        self._removed: dict[str, int] = {}
        self._states: Counter[str] = Counter()
        self._order: list[str] | None = None
        for entry in entries:
            self._put(entry)

    def update(self, entries: Iterable[Entry], removed: Iterable[str] = ()) -> list[str]:
        """Takes newer facts in; returns the ids of what differs from before, and of what is gone."""
        different = [e for e in entries if (old := self._entries.get(e.summary.id)) is None or not _same(old, e)]
        gone = [i for i in removed if i in self._entries]
        if not different and not gone:
            return []
        self.seq += 1
        for entry in different:
            self._put(entry)
        for job_id in gone:
            self._drop(job_id)
        return [e.summary.id for e in different] + gone

    def since(self, epoch: str, after: int) -> Changes | None:
        """None where that cannot be told: load the listing anew."""
        if epoch != self.epoch or not self._floor <= after <= self.seq:
            return None
        changed = []
        for job_id in reversed(self._changed):
            if self._changed[job_id] <= after:
                break
            changed.append(self._entries[job_id])
        return Changes(changed, [i for i, seq in self._removed.items() if seq > after])

    def get(self, job_id: str) -> Entry | None:
        return self._entries.get(job_id)

    def entries(self) -> list[Entry]:
        """Newest job first."""
        if self._order is None:
            self._order = sorted(self._entries, reverse=True)
        return [self._entries[job_id] for job_id in self._order]

    @property
    def counts(self) -> dict[str, int]:
        return {state: n for state, n in sorted(self._states.items()) if n}

    @property
    def running(self) -> int:
        return sum(n for state, n in self._states.items() if state not in FINAL and state not in WAITING)

    @property
    def waiting(self) -> int:
        return sum(n for state, n in self._states.items() if state in WAITING)

    def _put(self, entry: Entry) -> None:
        job_id = entry.summary.id
        old = self._entries.get(job_id)
        if old is None:
            self._order = None
        else:
            self._states[old.summary.state] -= 1
        self._states[entry.summary.state] += 1
        self._entries[job_id] = entry
        self._changed.pop(job_id, None)
        self._changed[job_id] = self.seq
        self._removed.pop(job_id, None)

    def _drop(self, job_id: str) -> None:
        self._states[self._entries.pop(job_id).summary.state] -= 1
        self._order = None
        del self._changed[job_id]
        self._removed[job_id] = self.seq
        while len(self._removed) > REMEMBERED:
            oldest = next(iter(self._removed))
            self._floor = self._removed.pop(oldest)


def _same(old: Entry, new: Entry) -> bool:
    if old == new:
        old.as_of = new.as_of
        return True
    return False


def matches(entry: Entry, states: Iterable[str], tiers: Iterable[str], text: str) -> bool:
    """`text` in lower case, looked for in ids, names, devices and messages."""
    s = entry.summary
    return (
        (not states or s.state in states)
        and (not tiers or s.tier in tiers)
        and (not text or text in f"{s.id} {s.name} {s.device} {s.message}".lower())
    )


def page(
    feed: Feed, states: Iterable[str], tiers: Iterable[str], text: str, offset: int, limit: int
) -> Mapping[str, Any]:
    found = feed.entries()
    if states or tiers or text:
        low = text.lower()
        found = [e for e in found if matches(e, states, tiers, low)]
    return {
        "jobs": [e.to_json() for e in found[offset : offset + limit]],
        "total": len(found),
        "counts": feed.counts,
        "epoch": feed.epoch,
        "seq": feed.seq,
    }
