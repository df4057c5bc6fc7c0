"""What the helper of a resource tells of a call: a span of its own below the one of who asked. Stdlib only, like the helper itself.

QRMI takes no trace context along. What a device or a broker tells of a task later hangs below the call that started it there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from qhub_ext.telemetry.answers import Piece, spans_data
from qhub_ext.telemetry.context import new_context, parse_traceparent
from qhub_ext.telemetry.otlp import Value

SERVICE = "qhub-helper"


def span_of(call: Mapping[str, Any], answer: Mapping[str, Any], began: float, ended: float) -> dict[str, Any]:
    """As OTLP JSON; moments in s since 1970 UTC."""
    above = parse_traceparent(str(call["traceparent"])) or new_context()
    function = f"QuantumResource.{call['call']}"
    told: dict[str, Value] = {"code.function.name": f"qrmi.{function}"}
    if "error" in answer:
        told["error.type"] = str(answer["error"]["type"])
    piece = Piece(function, "transport", began, max(ended, began + 1e-6), told)
    return spans_data(SERVICE, above, f"{os.getpid()} {call['id']}", [piece], {"process.pid": os.getpid()})
