"""From a span up to the job: who recorded what, each below the one that caused it."""

from __future__ import annotations

from qhub_ext.diagnosis.trace import Trace, TraceSpan


def chain(trace: Trace, leaf: TraceSpan) -> list[str]:
    """`writer name` from the job down to `leaf`; what was derived from the journals has no writer."""
    known = {span.id: span for span in trace.spans}
    found, at = [leaf], leaf
    while at.parent in known and len(found) < 50:
        at = known[at.parent]
        found.append(at)
    return [f"{span.writer} {span.name}".strip() for span in reversed(found)]


def of_writer(trace: Trace, writer: str, kind: str = "") -> list[TraceSpan]:
    return [span for span in trace.spans if span.writer == writer and kind in ("", span.kind)]


def lost(trace: Trace, above: str = "") -> list[str]:
    """Spans whose parent is not of this trace; the job's own may be that of who submitted it (`above`)."""
    known = {span.id for span in trace.spans} | {above, ""}
    return [f"{span.writer} {span.name}" for span in trace.spans if span.parent not in known]
