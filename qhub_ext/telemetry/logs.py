"""A log line is one JSON object: when, how bad, which service, what, for which job and task, in which trace; nothing secret.

The services of this package write so to standard error (`configured`); runner, embedded site and Jupyter server do where `telemetry.logs` is
"json" (`console`). Your own may: `logging.Formatter` is what `JsonLines` is, also for
Jupyter's `c.ServerApp.logging_config`, and in a cell, where each line has the ids of the span that is open.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.secrets import hide, values_in

FIELDS = ("job", "attempt", "task", "slice", "device", "user", "seconds", "trace_id", "span_id")
"""What `extra` may add to a line."""


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def __init__(self, service: str = "qhub") -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        told = {name: getattr(record, name, None) for name in FIELDS}
        context = spans.here()
        if context is not None:
            told |= {"trace_id": context.trace_id, "span_id": context.span_id}
        if record.exc_info and record.exc_info[0] is not None:
            told |= {"error": record.exc_info[0].__name__, "traceback": self.formatException(record.exc_info)}
        level = record.levelname.lower()
        return line_of(self._service, level, record.getMessage(), at=record.created, **told)


def line_of(service: str, level: str, message: str, *, at: float | None = None, **told: Any) -> str:
    """`at` in s since 1970 UTC, now where it is not given; what is None or "" is left out."""
    moment = datetime.now(UTC) if at is None else datetime.fromtimestamp(at, UTC)
    line: dict[str, Any] = {"at": moment.isoformat(timespec="milliseconds"), "level": level, "service": service, "message": message}  # fmt: skip
    line |= {name: value for name, value in told.items() if value not in (None, "")}
    secret = values_in(os.environ)
    hidden = {name: hide(value, secret) if isinstance(value, str) else value for name, value in line.items()}
    return json.dumps(hidden, ensure_ascii=False, default=str)


def configured(service: str, level: str = "INFO") -> dict[str, Any]:
    """For `logging.config.dictConfig`, and so for uvicorn's `log_config`."""
    loggers: dict[str, Any] = {name: {"handlers": ["lines"], "level": "WARNING", "propagate": False} for name in ("uvicorn", "uvicorn.error")}  # fmt: skip
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "qhub_ext.telemetry.logs.JsonLines", "service": service}},
        "handlers": {"lines": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "loggers": {**loggers, "qhub_ext": {"handlers": ["lines"], "level": level, "propagate": False}},
    }
