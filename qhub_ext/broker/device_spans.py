"""What is told below the slices of a task: the call of the helper that sent each one, and what a virtual QPU tells of it.

Kept in memory, of the latest slices alone: a broker that began anew tells what its ledger knows.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from qhub_ext.broker.rows import SliceRow
from qhub_ext.telemetry.answers import Piece, encoded
from qhub_ext.telemetry.context import TraceContext, parse_traceparent
from qhub_ext.telemetry.otlp import RecordedSpan

KEPT = 2000
ASKED = 64
"""Slices of one task, whose device is asked about each."""


class SentSpans:
    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], tuple[RecordedSpan, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, one: SliceRow, told: Sequence[RecordedSpan]) -> None:
        if not told:
            return
        with self._lock:
            self._kept[one.task, one.number] = tuple(told)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def of(self, one: SliceRow) -> tuple[RecordedSpan, ...]:
        with self._lock:
            return self._kept.get((one.task, one.number), ())


class Device(Protocol):
    sent: SentSpans

    def spans_of(self, vendor: str, traceparent: str) -> list[RecordedSpan]:
        """What the device tells of a task; none of one that does not."""
        ...


def below_slices(
    task: str, slices: Sequence[SliceRow], pieces: Sequence[Piece], traceparent: str, device: Callable[[str], Device | None]
) -> list[dict[str, Any]]:  # fmt: skip
    """As OTLP JSON, each below the span that `answer_spans` makes of its piece; `slices` in the order of the pieces of that name."""
    above = parse_traceparent(traceparent)
    if above is None:
        return []
    places = [number for number, piece in enumerate(pieces) if piece.name == "slice"]
    contexts = [above.below(task, number, "slice") for number in places]
    return encoded(span for pair in zip(slices[:ASKED], contexts, strict=False) for span in _of_slice(*pair, device))


def _of_slice(one: SliceRow, own: TraceContext, device: Callable[[str], Device | None]) -> Iterator[RecordedSpan]:
    at = device(one.device)
    if at is None:
        return
    above = own
    for number, span in enumerate(at.sent.of(one)):
        above = own.below("helper", number)
        yield replace(span, trace_id=above.trace_id, span_id=above.span_id, parent_id=own.span_id)
    if one.vendor and one.ended_at is not None:
        yield from at.spans_of(one.vendor, above.traceparent)
