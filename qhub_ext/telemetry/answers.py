"""What a server of ours answers when it is asked for the spans of a task: those that it knows, in the trace and below the span that the
request names in its `traceparent` header. Nothing of a trace is kept there.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from qhub_ext.telemetry.context import TraceContext, new_context, parse_traceparent
from qhub_ext.telemetry.otlp import RecordedSpan, Value, encode_span, line_of, traces_data

TIME_HEADER = "x-qhub-time"
"""The moment of the answer by the server's clock, in s since 1970 UTC; HTTP's own Date has whole seconds."""


@dataclass(frozen=True)
class Piece:
    """Moments in s since 1970 UTC; what has not ended is left out."""

    name: str
    kind: str
    begin: float | None
    end: float | None
    attributes: dict[str, Value] = field(default_factory=dict)


def answer_spans(service: str, traceparent: str, task: str, pieces: Iterable[Piece]) -> dict[str, Any]:
    """As OTLP JSON, with the moment of the answer (`at`). Asked again, the spans have the same ids."""
    above = parse_traceparent(traceparent) or new_context()
    return {**spans_data(service, above, task, pieces), "at": time.time()}


def spans_data(
    service: str, above: TraceContext, owner: str, pieces: Iterable[Piece], told: Mapping[str, Value] | None = None
) -> dict[str, Any]:
    """Pieces of `owner` below a span, as OTLP JSON; `told` are more attributes of who tells them."""
    version = str(import_module("qhub_ext").__version__)
    resource: dict[str, Value] = {"service.name": service, "service.version": version, "host.name": socket.gethostname(), **(told or {})}  # fmt: skip
    found = [span for n, piece in enumerate(pieces) if (span := _span(above, owner, n, piece)) is not None]
    return traces_data([encode_span(span) for span in found], resource, version)


def encoded(spans: Iterable[RecordedSpan]) -> list[dict[str, Any]]:
    """Spans of others as they are told on, each with its own resource."""
    lines = (line_of([span], span.resource, str(span.resource.get("service.version", ""))) for span in spans)
    return [part for line in lines for part in json.loads(line)["resourceSpans"]]


def _span(above: TraceContext, owner: str, number: int, piece: Piece) -> RecordedSpan | None:
    if piece.begin is None or piece.end is None or piece.end <= piece.begin:
        return None
    own = above.below(owner, number, piece.name)
    told: dict[str, Value] = {"qhub.kind": piece.kind, **piece.attributes}
    return RecordedSpan(own.trace_id, own.span_id, above.span_id, piece.name, int(piece.begin * 1e9), int(piece.end * 1e9), told)  # fmt: skip


def clipped(spans: Iterable[RecordedSpan], begin_ns: int, end_ns: int) -> list[RecordedSpan]:
    """What lies between two moments."""
    cut = (replace(s, begin_ns=max(s.begin_ns, begin_ns), end_ns=min(s.end_ns, end_ns)) for s in spans)
    return [span for span in cut if span.begin_ns < span.end_ns]


def moved(spans: Iterable[RecordedSpan], ahead_ns: int) -> list[RecordedSpan]:
    """By the clock of who asked, where that of who answered is so far ahead of it."""
    return [replace(s, begin_ns=s.begin_ns - ahead_ns, end_ns=s.end_ns - ahead_ns) for s in spans]
