"""What of a task ran under another calibration than what was sent last, and so is to run once more. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qhub_ext.broker.rows import SliceRow
from qhub_ext.broker.work import Piece, seconds_of


def stale_of(slices: Sequence[SliceRow], one: SliceRow) -> list[SliceRow]:
    """Of a task's slices, now that `one` is done. A device that does not tell its calibration makes nothing stale."""
    done = [*(s for s in slices if s.counts and s.number != one.number), one]
    known = [s for s in done if s.snapshot]
    latest = max(known, key=lambda s: s.sent_at, default=one).snapshot
    return [s for s in known if s.snapshot != latest]


def measured(one: SliceRow) -> tuple[Piece, ...]:
    """Its pieces, with what they really took."""
    estimated = seconds_of(one.pieces)
    scale = one.qpu_s / estimated if one.qpu_s and estimated > 0 else 1.0
    return tuple(replace(piece, unit_s=piece.unit_s * scale) for piece in one.pieces)
