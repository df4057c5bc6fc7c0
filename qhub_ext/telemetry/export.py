"""Spans to a collector, over OTLP. `runner.export` is the process that does it for a job.

Where to, is said by OpenTelemetry's standard variables: OTEL_EXPORTER_OTLP_ENDPOINT (or _TRACES_ENDPOINT), _HEADERS, _PROTOCOL (http/protobuf,
which is the default, or http/json), _TIMEOUT. What lies in the folder is OTLP already: JSON goes out as it is, and opentelemetry-proto turns it
into protobuf. So the SDK is not needed, which would take 0.2 s to import and a thread to run where a job is to be quick.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

PREFIX = "OTEL_EXPORTER_OTLP_"
PROTOBUF, JSON = "http/protobuf", "http/json"
SPANS_AT_ONCE = 512
TIMEOUT_MS = 10_000


@dataclass(frozen=True)
class Target:
    url: str
    headers: dict[str, str]
    protocol: str
    timeout_s: float


class ExportError(Exception):
    """A sentence for the console log."""


def target_of(environment: Mapping[str, str]) -> Target | None:
    """None where nothing is to be exported. Raises ExportError for what cannot be done."""

    def said(name: str) -> str:
        return (environment.get(f"{PREFIX}TRACES_{name}") or environment.get(f"{PREFIX}{name}") or "").strip()

    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    url = environment.get(f"{PREFIX}TRACES_ENDPOINT", "").strip()
    base = environment.get(f"{PREFIX}ENDPOINT", "").strip()
    if not url and not base:
        return None
    url = url or f"{base.rstrip('/')}/v1/traces"
    if urlsplit(url).scheme not in ("http", "https"):
        raise ExportError(f"{url!r} is no address of a collector; http://host:4318 is one.")
    protocol = said("PROTOCOL") or PROTOBUF
    if protocol not in (PROTOBUF, JSON):
        raise ExportError(f"The protocol {protocol!r} is not spoken here; {PROTOBUF} and {JSON} are.")
    if protocol == PROTOBUF and find_spec("opentelemetry.proto") is None:
        raise ExportError(
            f"{PROTOBUF} needs opentelemetry-proto (pip install 'qhub-ext[telemetry]'); {JSON} needs nothing."
        )
    try:
        timeout_s = float(said("TIMEOUT") or TIMEOUT_MS) / 1000
    except ValueError:
        timeout_s = TIMEOUT_MS / 1000
    return Target(url, read_headers(said("HEADERS")), protocol, timeout_s)


def read_headers(text: str) -> dict[str, str]:
    """`api-key=abc,tenant=x%20y`, as W3C's baggage is written."""
    found = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals and name.strip():
            found[unquote(name.strip()).lower()] = unquote(value.strip())
    return found


def bodies(lines: Sequence[bytes], protocol: str) -> Iterator[bytes]:
    """Requests of so many lines each; what is torn is left out."""
    for at in range(0, len(lines), SPANS_AT_ONCE):
        resources: list[Any] = []
        for line in lines[at : at + SPANS_AT_ONCE]:
            try:
                resources += json.loads(line)["resourceSpans"]
            except (ValueError, KeyError, TypeError):
                continue
        if resources:
            yield encode({"resourceSpans": resources}, protocol)


def encode(request: dict[str, Any], protocol: str) -> bytes:
    if protocol == JSON:
        return json.dumps(request, separators=(",", ":")).encode()
    service: Any = import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    parse = import_module("google.protobuf.json_format").ParseDict
    message = service.ExportTraceServiceRequest()
    parse(_with_bytes(request), message, ignore_unknown_fields=True)
    return bytes(message.SerializeToString())


def _with_bytes(value: Any) -> Any:
    """OTLP writes ids in hex where protobuf's JSON has base64."""
    if isinstance(value, list):
        return [_with_bytes(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(one)).decode()
        if name in ("traceId", "spanId", "parentSpanId")
        else _with_bytes(one)
        for name, one in value.items()
    }


def send(target: Target, body: bytes) -> None:
    """Raises ExportError."""
    kind = "application/json" if target.protocol == JSON else "application/x-protobuf"
    request = urllib.request.Request(target.url, body, {**target.headers, "content-type": kind})  # noqa: S310 - target_of checked it
    local = urlsplit(target.url).hostname in ("127.0.0.1", "localhost", "::1")
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))
    host = urlsplit(target.url).hostname
    try:
        with opener.open(request, timeout=target.timeout_s) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        with error:
            raise ExportError(f"The collector at {host} refused the spans: {error.code} {error.reason}.") from None
    except OSError as error:
        raise ExportError(f"The collector at {host} cannot be reached: {getattr(error, 'reason', error)}.") from None
