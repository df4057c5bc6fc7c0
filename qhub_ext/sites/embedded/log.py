"""The daemon's log: its stdout, which a client made a file of. Plain lines, or where `telemetry.logs` is "json" those of `telemetry.logs`."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Protocol

from qhub_ext.telemetry.console import wanted


class OfJob(Protocol):
    id: str
    path: str


def say(text: str, job: OfJob | None = None) -> None:
    with contextlib.suppress(OSError):  # a full disk: the log is the least
        if wanted(os.environ):
            print(_line(text, job), flush=True)
        else:
            of_job = f"{job.id}: " if job is not None else ""
            print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), f"{of_job}{text}", flush=True)


def note(text: str, job: OfJob) -> None:
    """What is told of every job, to those who collect logs."""
    if wanted(os.environ):
        say(text, job)


def _line(text: str, job: OfJob | None) -> str:
    from qhub_ext.telemetry.logs import line_of

    told: dict[str, Any] = {} if job is None else {"job": job.id, "trace_id": trace_id_of(job)}
    return line_of("qhub-site", "info", text, **told)


def trace_id_of(job: OfJob) -> str:
    """ "" where its folder is gone."""
    from qhub_ext.telemetry.context import context_of_job

    try:
        with open(f"{job.path}/spec.json") as file:
            spec = json.load(file)
        return context_of_job(job.id, str(spec.get("traceparent", ""))).trace_id
    except (OSError, ValueError, AttributeError):
        return ""
