"""The Jupyter server's own log as JSON lines, where `telemetry.logs` is "json", or the environment that it was started in says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from traitlets.config import Application

    from qhub_ext.service import JobService

LINES: dict[str, Any] = {
    "formatters": {"qhub": {"()": "qhub_ext.telemetry.logs.JsonLines", "service": "jupyter-server"}},
    "handlers": {"console": {"formatter": "qhub"}},
}


def write_json_lines(app: Application) -> None:
    """What an operator configured of the log stays, but for how a line on the console looks."""
    given = app.logging_config
    app.logging_config = {**given, **{part: {**given.get(part, {}), **told} for part, told in LINES.items()}}


def ids_of(service: JobService, job_id: str) -> dict[str, str]:
    """What a line about a job carries beside its words."""
    from qhub_ext.telemetry.context import context_of_job

    return {"job": job_id, "trace_id": context_of_job(job_id, service.spec(job_id).traceparent).trace_id}
