"""The span of one call of a helper process, below the one of who asked: when it began and ended there, as the helper answered.

QRMI takes no trace context along. What a device or a broker tells of a task later hangs below the call that started it there.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from qhub_ext.telemetry.context import parse_traceparent
from qhub_ext.telemetry.otlp import RecordedSpan, Value

SERVICE = "qhub-helper"


def span_of(call: Mapping[str, Any], answer: Mapping[str, Any], pid: int) -> RecordedSpan | None:
    """None where nothing was asked for."""
    above, moments = parse_traceparent(str(call.get("traceparent", ""))), answer.get("span")
    if above is None or not moments:
        return None
    function = f"QuantumResource.{call['call']}"
    told: dict[str, Value] = {"qhub.kind": "transport", "code.function.name": f"qrmi.{function}"}
    if "error" in answer:
        told["error.type"] = str(answer["error"]["type"])
    begin, end = (int(float(moment) * 1e9) for moment in moments)
    own = above.below(pid, call["id"], function)
    return RecordedSpan(own.trace_id, own.span_id, above.span_id, function, begin, max(begin, end), told, _resource(pid))  # fmt: skip


def _resource(pid: int) -> dict[str, Value]:
    version = str(import_module("qhub_ext").__version__)
    return {"service.name": SERVICE, "service.version": version, "host.name": socket.gethostname(), "process.pid": pid}
