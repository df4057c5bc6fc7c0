"""Where the time of jobs went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from qhub_ext.verbs.group import facts_verb, some_jobs, verbs
from qhub_ext.verbs.surface import Surface


@verbs.command("trace")
@some_jobs
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it as one page, to open in a browser.",
)
@click.option("--logs", is_flag=True, help="Show with it what the job printed, and when.")
@click.option("--export", is_flag=True, help="Send a collector of OpenTelemetry what it has not got of it.")
@facts_verb
def trace_verb(surface: Surface, jobs: Sequence[str], page: Path | None, logs: bool, export: bool) -> Any:
    """Where the time of a job went: its spans, the parts of its wall time, and what to change; several jobs side by side."""
    from qhub_ext.verbs.trace_view import export_spans, trace_view

    if export:
        return export_spans([surface.job(job) for job in jobs])
    return trace_view(surface, jobs, page=page, logs=logs)
