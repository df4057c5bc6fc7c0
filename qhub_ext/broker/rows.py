"""What the ledger holds, row by row. Moments in s since 1970 UTC, `qpu_s` in seconds of QPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qhub_ext.broker.work import Piece

ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Session:
    """Bound to (uid, site job, profile). `idle_s` without a word ends it, and so does `until`."""

    id: str
    uid: int
    user: str
    account: str
    profile: str
    job: str
    key: str
    created_at: float
    seen_at: float
    idle_s: float
    until: float
    ended_at: float | None = None
    on_calibration_change: str = ""
    traceparent: str = ""


@dataclass(frozen=True)
class TaskRow:
    """`pieces` is what is left; `done` of `shots` are finished (PUBs, for an estimator); `digest` is that of the payload. `turn_s`, `place_of`,
    `preempted_by` and `long` are those of its turns (`WaitingTask`), `kept_until` says how long its payload and results are.
    """

    id: str
    uid: int
    session: str
    user: str
    account: str
    profile: str
    job: str
    device: str
    program: str
    submitted_at: float
    deadline_at: float | None
    started_at: float | None
    ended_at: float | None
    state: str
    pieces: tuple[Piece, ...]
    shots: int
    done: int
    qpu_s: float
    cause: str
    message: str
    advice: str
    digest: str
    priority: int = 0
    on_calibration_change: str = "flag"
    traceparent: str = ""
    turn_s: float = 0.0
    place_of: str = ""
    preempted_by: str = ""
    kept_until: float | None = None
    long: int = 0

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class SliceRow:
    """`stale` says that the device was calibrated since, and what it did is done again. `state` is sending, sent, done, uncertain (the answer was lost), refused or cancelled; `vendor` the task's id there."""

    task: str
    number: int
    device: str
    pieces: tuple[Piece, ...]
    state: str
    vendor: str
    sent_at: float
    ended_at: float | None
    qpu_s: float | None
    snapshot: str
    stale: int = 0

    @property
    def counts(self) -> bool:
        """Its result is part of the task's."""
        return self.state == "done" and not self.stale


@dataclass(frozen=True)
class LeaseRow:
    """A device that one session had, or has, to itself."""

    id: int
    device: str
    session: str
    user: str
    profile: str
    since: float
    until: float
    ended_at: float | None = None


def packed(row: TaskRow | SliceRow) -> dict[str, Any]:
    return asdict(row) | {"pieces": packed_pieces(row.pieces)}


def packed_pieces(pieces: Sequence[Piece]) -> str:
    return json.dumps([[p.pub, p.units, p.unit_s, p.first] for p in pieces])


def task_row(row: Mapping[str, Any]) -> TaskRow:
    return TaskRow(**{**row, "pieces": _pieces(row["pieces"])})


def slice_row(row: Mapping[str, Any]) -> SliceRow:
    return SliceRow(**{**row, "pieces": _pieces(row["pieces"])})


def _pieces(text: str) -> tuple[Piece, ...]:
    return tuple(Piece(*fields) for fields in json.loads(text))
