"""The daemon's log: its stdout, which a client made a file of. Plain lines, or where `telemetry.logs` is "json" those of `telemetry.logs`."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.sites.embedded.table import TableJob
from qhub_ext.telemetry.console import wanted


def say(text: str, job: TableJob | None = None) -> None:
    with contextlib.suppress(OSError):  # a full disk: the log is the least
        if wanted(os.environ):
            print(_line(text, job), flush=True)
        else:
            of_job = f"{job.id}: " if job is not None else ""
            print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), f"{of_job}{text}", flush=True)


def note(text: str, job: TableJob) -> None:
    """What is told of every job, to those who collect logs."""
    if wanted(os.environ):
        say(text, job)


def _line(text: str, job: TableJob | None) -> str:
    from qhub_ext.telemetry.logs import line_of

    told: dict[str, Any] = {} if job is None else {"job": job.id, "trace_id": trace_id_of(job)}
    return line_of("qhub-site", "info", text, **told)


def trace_id_of(job: TableJob) -> str:
    """ "" where its folder is gone."""
    from qhub_ext.telemetry.context import context_of_job

    try:
        return context_of_job(job.id, read_spec(JobFolder(Path(job.path))).traceparent).trace_id
    except (OSError, JobFolderError):
        return ""
