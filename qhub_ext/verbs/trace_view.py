"""`trace JOB`: where its time went; with several jobs, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.display.tables import Page, Pictured, Text
from qhub_ext.errors import InvalidOptionError, UserError
from qhub_ext.job.identity import short_id
from qhub_ext.service.traces import trace_of
from qhub_ext.widgets.trace import TraceView

if TYPE_CHECKING:
    from qhub_ext.service import Job
    from qhub_ext.verbs.surface import Surface

LOG_LINES = 200


def trace_view(surface: Surface, jobs: Sequence[str], *, page: Path | None, logs: bool) -> Any:
    found = [surface.job(job) for job in jobs]
    views = [view_of(job, logs=logs) for job in found]
    if len(views) > 1:
        if page is not None or logs:
            raise InvalidOptionError("--html and --logs are for one job at a time.")
        return _comparison(found, views)
    if page is not None:
        if not page.parent.is_dir():
            raise InvalidOptionError(f"There is no folder {page.parent}.", advice="Make it, or name another file.")
        try:
            views[0].write_page(page)
        except OSError as error:
            raise UserError(f"{page} cannot be written: {error.strerror}.") from error
        return Text(f"Wrote {page}.", {"file": str(page), **views[0].facts})
    return views[0]


def view_of(job: Job, *, logs: bool = False) -> TraceView:
    told = trace_of(job.folder, job.record)
    begin = told.trace.begin_ns
    return TraceView(told, _log(job, begin / 1e9) if logs and begin is not None else None)


def _log(job: Job, begin: float) -> tuple[tuple[float, str], ...]:
    """What it printed, each piece with the moment when it came."""
    from qhub_ext.jobfolder.outputs import read_messages, text_of_message, without_colours

    attempt = job.folder.latest_attempt()
    if attempt is None:
        return ()
    found = [
        (float(message.get("at", begin)) - begin, line)
        for message in read_messages(attempt)
        for line in without_colours(text_of_message(message)).splitlines()
    ]
    return tuple(found[-LOG_LINES:])


def export_spans(jobs: Sequence[Job]) -> Text:
    """To where the variables of OpenTelemetry say, in this environment or in that of the submission."""
    from qhub_ext.runner.export import environment_of, send_rest
    from qhub_ext.telemetry.export import ExportError, target_of

    for job in jobs:
        try:
            target = target_of(environment_of(job.folder))
            if target is None:
                raise InvalidOptionError("No collector is named.", advice="Set OTEL_EXPORTER_OTLP_ENDPOINT, for example to http://localhost:4318.")  # fmt: skip
            send_rest(job.folder, target)
        except ExportError as error:
            raise UserError(f"The spans of {short_id(job.id)} were not exported: {error}") from error
    names = ", ".join(short_id(job.id) for job in jobs)
    return Text(f"The collector has all spans of {names}.", {"exported": [job.id for job in jobs]})


def _comparison(jobs: Sequence[Job], views: Sequence[TraceView]) -> Page:
    from qhub_ext.display.trace_figure import parts_plotly
    from qhub_ext.display.waterfall import comparison_table, spans_table

    labels = [short_id(job.id) for job in jobs]
    if len(set(labels)) < len(labels):
        raise InvalidOptionError("A job is not compared with itself.", advice="Name two jobs.")
    breakdowns = [view.told.breakdown for view in views]
    parts = comparison_table(labels, breakdowns)
    spans = spans_table(labels, [view.told.rows for view in views])
    captions = Text("\n".join(view.caption for view in views))
    facts = {"jobs": [view.facts for view in views], "parts": parts.facts, "spans": spans.facts}
    picture = parts_plotly(labels, breakdowns) | {"config": {"displaylogo": False}}
    return Pictured([captions, parts, spans], facts, picture=picture)
