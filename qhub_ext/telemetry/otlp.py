"""Spans as OTLP JSON: each line of a file is a whole TracesData of OpenTelemetry, which collectors read as it is.

https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Value = str | int | float | bool
SCOPE = "qhub_ext"
_INTERNAL, _CLIENT = 1, 3
_ERROR = 2
_FLAGS = 0x101
"""Sampled, and it is known whether the parent is remote."""
_REMOTE = frozenset({"transport", "broker_queue", "device_queue"})
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_quoted = json.encoder.encode_basestring_ascii


@dataclass(frozen=True)
class RecordedSpan:
    """Moments in ns since 1970 UTC, by the clock of who wrote it. `resource` are the writer's attributes."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    begin_ns: int
    end_ns: int
    attributes: Mapping[str, Value] = field(default_factory=dict)
    resource: Mapping[str, Value] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return str(self.attributes.get("qhub.kind", "classical"))


def encode_attributes(attributes: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _encode(value)} for key, value in attributes.items()]


def _encode(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _NOT_FINITE[str(value)]}
    return {"stringValue": value}


def encode_span(span: RecordedSpan) -> dict[str, Any]:
    remote = span.kind in _REMOTE
    found: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "name": span.name,
        "kind": _CLIENT if remote else _INTERNAL,
        "startTimeUnixNano": str(span.begin_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": encode_attributes(span.attributes),
        "flags": _FLAGS,
    }
    if not span.parent_id:
        del found["parentSpanId"]
    if "error.type" in span.attributes:
        found["status"] = {"code": _ERROR}
    return found


def traces_data(spans: list[Any], resource: Mapping[str, Value], version: str) -> dict[str, Any]:
    """Of spans as `encode_span` makes them."""
    scope = {"scope": {"name": SCOPE, "version": version}, "spans": spans}
    return {"resourceSpans": [{"resource": {"attributes": encode_attributes(resource)}, "scopeSpans": [scope]}]}


def envelope(resource: Mapping[str, Value], version: str) -> tuple[bytes, bytes]:
    """What stands before and behind the spans of a line."""
    whole = traces_data(["SPANS"], resource, version)
    before, after = json.dumps(whole, separators=(",", ":")).split('"SPANS"')
    return before.encode(), after.encode() + b"\n"


def dumps(span: RecordedSpan) -> bytes:
    """As `encode_span`, in a third of the time: it is on the way of every span. A test holds the two together."""
    remote = span.kind in _REMOTE
    parent = f'"parentSpanId":"{span.parent_id}",' if span.parent_id else ""
    status = f',"status":{{"code":{_ERROR}}}' if "error.type" in span.attributes else ""
    attributes = ",".join(
        [f'{{"key":{_quoted(key)},"value":{_text(value)}}}' for key, value in span.attributes.items()]
    )
    return (
        f'{{"traceId":"{span.trace_id}","spanId":"{span.span_id}",{parent}"name":{_quoted(span.name)},'
        f'"kind":{_CLIENT if remote else _INTERNAL},"startTimeUnixNano":"{span.begin_ns}","endTimeUnixNano":"{span.end_ns}",'
        f'"attributes":[{attributes}],"flags":{_FLAGS}{status}}}'
    ).encode()


def _text(value: Value) -> str:
    if isinstance(value, str):
        return f'{{"stringValue":{_quoted(value)}}}'
    return json.dumps(_encode(value), separators=(",", ":"))


def line_of(spans: list[RecordedSpan], resource: Mapping[str, Value], version: str) -> bytes:
    before, after = envelope(resource, version)
    return before + b",".join(dumps(span) for span in spans) + after


def read_spans(path: Path) -> list[RecordedSpan]:
    """Of one file. What is torn, or no span, is passed over. Raises OSError."""
    found: list[RecordedSpan] = []
    with path.open("rb") as file:
        for line in file:
            found += parse_line(line)
    return found


def parse_line(line: bytes | str) -> list[RecordedSpan]:
    try:
        return list(decode(json.loads(line)))
    except (ValueError, RecursionError):
        return []


def decode(data: Any) -> Iterator[RecordedSpan]:
    """The spans of a TracesData; parts that are none are passed over."""
    for of_resource in _things(data, "resourceSpans"):
        resource = _attributes(of_resource.get("resource"))
        for of_scope in _things(of_resource, "scopeSpans"):
            for span in _things(of_scope, "spans"):
                one = _span(span, resource)
                if one is not None:
                    yield one


def _span(span: dict[str, Any], resource: dict[str, Value]) -> RecordedSpan | None:
    try:
        begin, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        ids = [str(span.get(name) or "") for name in ("traceId", "spanId", "parentSpanId")]
        if not 0 < begin <= end < 2**63 or not ids[0] or not ids[1]:
            return None
        return RecordedSpan(ids[0], ids[1], ids[2], str(span["name"]), begin, end, _attributes(span), resource)
    except (KeyError, TypeError, ValueError):
        return None


def _things(holder: Any, name: str) -> list[dict[str, Any]]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _attributes(holder: Any) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for one in _things(holder, "attributes"):
        value = _decode(one.get("value"))
        if value is not None:
            found[str(one.get("key"))] = value
    return found


def _decode(value: Any) -> Value | None:
    if not isinstance(value, dict):
        return None
    for name, inner in value.items():
        try:
            if name == "intValue":
                return int(inner)
            if name == "doubleValue":
                return float(inner)
            if name == "boolValue":
                return bool(inner)
            if name == "stringValue":
                return str(inner)
        except (TypeError, ValueError):
            return None
    return None
