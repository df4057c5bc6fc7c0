"""The answers about where the time of a job went, and of two beside each other. Blocking; called in a thread with the service of the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.identity import short_id
from qhub_ext.server.one_job import known

PROFILED = 25
"""So many functions of a profile are shown; `profile.json` has more."""
COMPARED = 30
"""So many names of spans, those first whose time differs most."""

if TYPE_CHECKING:
    from qhub_ext.service import JobService
    from qhub_ext.service.traces import JobTrace


def _told(service: JobService, job_id: str) -> JobTrace:
    from qhub_ext.service.traces import trace_of

    return trace_of(known(service, job_id), service.shelf.record(job_id))


def trace(service: JobService, job_id: str) -> dict[str, Any]:
    """Rows to draw, tens of them whatever the number of spans; moments in s since 1970 UTC. `log_line` is how many lines the job had printed
    when a row began.
    """
    from qhub_ext.service.traces import log_lines

    folder, told = known(service, job_id), _told(service, job_id)
    begin, rows, advice = told.trace.begin_ns, told.rows, told.advice
    zero = 0.0 if begin is None else begin / 1e9
    end = told.trace.end_ns
    lines = log_lines(folder, [zero + row.begin for row in rows])
    parts = told.breakdown
    return {
        "trace_id": told.trace.trace_id,
        "begin": None if begin is None else zero,
        "end": None if end is None else end / 1e9,
        "spans": [
            {
                "name": row.name,
                "kind": row.kind,
                "begin": zero + row.begin,
                "end": None if row.end is None else zero + row.end,
                "attempt": row.attempt,
                "depth": row.depth,
                "count": row.count,
                "busy_s": row.busy,
                "longest_s": row.longest,
                "segments": [[zero + a, zero + b] for a, b in row.segments],
                "detail": row.detail,
                "log_line": line,
            }
            for row, line in zip(rows, lines, strict=True)
        ],
        "breakdown": [{"part": part, "seconds": ns / 1e9} for part, ns in parts.parts_ns.items() if ns],
        "advice": "" if advice is None else advice.sentence,
        "note": " ".join(told.notes) if rows else "Nothing is recorded yet.",
        "profile": list(told.profile[:PROFILED]),
        "profile_note": told.profile_note,
    }


def figure(service: JobService, job_id: str) -> dict[str, Any]:
    """The same as plotly draws it, to zoom into; the page brings plotly, where it has it."""
    from qhub_ext.display.trace_figure import trace_caption, trace_plotly

    told = _told(service, job_id)
    whole, advice = told.breakdown.wall_s, told.advice
    caption = trace_caption(told.record, told.trace.begin_ns, whole)
    drawn = trace_plotly(told.rows, told.breakdown, whole, caption, [] if advice is None else [advice.sentence])
    return drawn | {"config": {"displaylogo": False}}


def comparison(service: JobService, job_id: str, other_id: str) -> dict[str, Any]:
    """What each part took of both, and the spans whose time differs most. Raises InvalidOptionError for one job twice."""
    from qhub_ext.diagnosis.side_by_side import parts_beside, spans_beside

    if job_id == other_id:
        raise InvalidOptionError("A job is not compared with itself.", advice="Name another one.")
    several = [_told(service, one) for one in (job_id, other_id)]
    breakdowns = [told.breakdown for told in several]
    return {
        "jobs": [
            {"id": told.record.id, "short_id": short_id(told.record.id), "name": told.record.spec.name, "wall_s": told.breakdown.wall_s, "ended": told.record.state.final}
            for told in several
        ],
        "parts": [{"part": part.name, "seconds": part.seconds} for part in parts_beside(breakdowns)],
        "spans": [
            {"name": one.name, "kind": one.kind, "counts": one.counts, "seconds": one.seconds}
            for one in spans_beside([told.rows for told in several])[:COMPARED]
        ],
    }  # fmt: skip
