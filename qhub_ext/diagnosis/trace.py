"""All spans of one job on one clock: those that its processes recorded, and those that follow from its journals. Pure.

A process that was killed wrote nothing of what it had open: what its record tells stands in for that. Where the clock of a host differs
from that of the submitting one, measured against the file system that both write to, its moments are moved, and the trace says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from qhub_ext.diagnosis.spans import Facts, Span, element_spans, spans_of
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.telemetry.clocks import Offset
from qhub_ext.telemetry.context import TraceContext, context_of_job, parse_traceparent
from qhub_ext.telemetry.otlp import RecordedSpan, Value

NS = 1_000_000_000
LEAST_S = 0.05
"""A smaller difference of clocks changes nothing that anybody sees."""


@dataclass(frozen=True)
class TraceSpan:
    """Moments in ns since 1970 UTC; `end_ns` is None while it lasts. `writer` is the part that recorded it, "" for what was derived."""

    name: str
    kind: str
    begin_ns: int
    end_ns: int | None
    id: str = ""
    parent: str = ""
    attempt: int = 1
    writer: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Clock:
    """A host whose clock is `ahead_s` ahead of the submitting one's; its moments were moved by that."""

    host: str
    ahead_s: float
    error_s: float

    @property
    def sentence(self) -> str:
        way = "ahead of" if self.ahead_s > 0 else "behind"
        return (
            f"The clock of {self.host} is {abs(self.ahead_s):.2f} s {way} that of the submitting host "
            f"(± {self.error_s:.2f} s); its times are moved by that."
        )


@dataclass(frozen=True)
class Trace:
    """`spans` in the order in which they began; the first is the job itself, where anything is known. `end_ns` is None while it lasts."""

    trace_id: str
    spans: tuple[TraceSpan, ...]
    clocks: tuple[Clock, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def begin_ns(self) -> int | None:
        return min((span.begin_ns for span in self.spans), default=None)

    @property
    def end_ns(self) -> int | None:
        ends = [span.end_ns for span in self.spans]
        return None if not ends or None in ends else max(end for end in ends if end is not None)

    def until(self, now_ns: int) -> Trace:
        """What lasts still, as if it ended now."""
        closed = (replace(s, end_ns=max(now_ns, s.begin_ns)) if s.end_ns is None else s for s in self.spans)
        return replace(self, spans=tuple(closed))


def assemble(record: JobRecord, recorded: Sequence[RecordedSpan], facts: Mapping[int, Facts]) -> Trace:
    """`recorded` are the spans of all files of the job; `facts` by attempt, for attempts that recorded none."""
    root = context_of_job(record.id, record.spec.traceparent)
    clocks = _clocks(recorded)
    found = [
        _moved(one, clocks) for one in {one.span_id: one for one in recorded if one.trace_id == root.trace_id}.values()
    ]
    spans = [span for span in found if span.attempt == 0]
    if not spans:
        spans = [_derived(one, root) for one in spans_of(record, {}) if one.kind == "submit"]
    told = {number for span in found if (number := span.attempt)}
    without = [a for a in record.attempts if a.number not in told]
    spans += [
        _derived(one, root)
        for one in spans_of(replace(record, attempts=tuple(without) or (Attempt(),), submitted_at=None), facts)
        if one.attempt in {a.number for a in without}
    ]
    for attempt in record.attempts:
        if attempt.number in told:
            own = [span for span in found if span.attempt == attempt.number]
            queued_at = record.asked_at if attempt.number == 1 else attempt.queued_at
            spans += own + _around(attempt, queued_at, own, root)
            spans.append(_container(attempt, queued_at, own, root))
    if not spans:
        return Trace(root.trace_id, ())
    spans.sort(key=lambda span: span.begin_ns)
    over = record.state.final and all(span.end_ns is not None for span in spans)
    end = max(span.end_ns or 0 for span in spans) if over else None
    outer = parse_traceparent(record.spec.outer_traceparent)
    above = "" if outer is None else outer.span_id
    job = TraceSpan("job", "container", spans[0].begin_ns, end, root.span_id, above, 0, "", _job_attributes(record))
    seen = {c.host: c for c in clocks.values() if c is not None}
    notes = () if record.state.final else ("It has not ended: what is still open goes on.",)
    return Trace(root.trace_id, (job, *spans), tuple(seen.values()), notes)


def assemble_array(array: JobRecord, elements: Iterable[JobRecord]) -> Trace:
    root = context_of_job(array.id, array.spec.traceparent)
    found = [_derived(one, root) for one in element_spans(elements)]
    return Trace(
        root.trace_id, tuple(found), notes=("One row per element that has started; each element has a trace of its own.",)
    )  # fmt: skip


def _job_attributes(record: JobRecord) -> dict[str, Value]:
    spec = record.spec
    told = {
        "qhub.job.id": spec.id,
        "qhub.job.tier": spec.tier,
        "qhub.device": spec.device,
        "qhub.job.site": spec.site,
        "qhub.job.profile": spec.profile,
        "qhub.job.state": record.state.value,
    }
    return dict(told)


def _derived(span: Span, root: TraceContext) -> TraceSpan:
    own = root.below("derived", span.attempt, span.kind, span.name, span.begin)
    end = None if span.end is None else int(span.end * NS)
    return TraceSpan(span.name, span.kind, int(span.begin * NS), end, own.span_id, root.span_id, span.attempt)


def _around(attempt: Attempt, queued_at: float | None, own: list[TraceSpan], root: TraceContext) -> list[TraceSpan]:
    """What no process of the attempt could record: waiting for it to begin, and what it is at now."""
    begin = min(span.begin_ns for span in own)
    granted = begin if attempt.started_at is None else min(begin, int(attempt.started_at * NS))
    found: list[TraceSpan] = []

    def add(name: str, kind: str, since: int, until: int | None) -> None:
        if until is None or until > since:
            span = Span(name, kind, since / NS, None, attempt.number)
            found.append(replace(_derived(span, root), begin_ns=since, end_ns=until))

    if queued_at is not None:
        granted = max(granted, int(queued_at * NS))
        add("waiting for the site", "queue", int(queued_at * NS), granted)
    add("begin the runner", "start", granted, begin)
    if not attempt.state.final:
        names = {span.name for span in own}
        latest = max(span.end_ns or 0 for span in own if span.parent == root.below("attempt", attempt.number).span_id)
        if "put away" not in names:
            scene = "set the scene" in names
            number = sum(span.name == "cell" for span in own) + 1
            add("cell" if scene else "kernel and inputs", "classical" if scene else "start", latest, None)
            found[-1] = replace(found[-1], id=root.below("attempt", attempt.number).below("cell", number).span_id)
    return found


def _container(attempt: Attempt, queued_at: float | None, own: list[TraceSpan], root: TraceContext) -> TraceSpan:
    """What the spans of an attempt hang below."""
    begin = min(span.begin_ns for span in own)
    begin = begin if queued_at is None else min(begin, int(queued_at * NS))
    end = max(span.end_ns or 0 for span in own) if attempt.state.final else None
    context = root.below("attempt", attempt.number)
    told: dict[str, Value] = {"qhub.job.attempt": attempt.number}
    return TraceSpan("attempt", "container", begin, end, context.span_id, root.span_id, attempt.number, "", told)


def _moved(span: RecordedSpan, clocks: Mapping[str, Clock | None]) -> TraceSpan:
    clock = clocks.get(_writer(span))
    moved = 0 if clock is None else int(clock.ahead_s * NS)
    number = span.resource.get("qhub.job.attempt", 0)
    return TraceSpan(
        span.name,
        span.kind,
        span.begin_ns - moved,
        span.end_ns - moved,
        span.span_id,
        span.parent_id,
        number if isinstance(number, int) else 0,
        str(span.resource.get("service.name", "")),
        span.attributes,
    )


def _writer(span: RecordedSpan) -> str:
    """And by whose clock: two nodes may have asked one device."""
    told = (span.resource.get(name, "") for name in ("host.name", "process.pid", "service.name", "qhub.clock.host"))
    return " ".join(map(str, told))


def _clocks(recorded: Sequence[RecordedSpan]) -> dict[str, Clock | None]:
    """Each writer's clock against the submitting one's; None where they agree, or nothing is known."""
    writers = {_writer(span): span.resource for span in recorded}
    submitter = next(
        (r for r in writers.values() if r.get("service.name") == "qhub-client" and "qhub.clock.ahead" in r), None
    )
    if submitter is None:
        return {}
    mine = _offset(submitter)
    found: dict[str, Clock | None] = {}
    for name, resource in writers.items():
        if "qhub.clock.ahead" in resource:
            other = _offset(resource).since(mine)
            if other.matters and abs(other.ahead_s) > LEAST_S:
                host = resource.get("qhub.clock.host") or resource.get("host.name", "")
                found[name] = Clock(str(host), other.ahead_s, other.error_s)
    return found


def _offset(resource: Mapping[str, Value]) -> Offset:
    ahead, error = (resource.get(f"qhub.clock.{name}", 0.0) for name in ("ahead", "error"))
    return Offset(float(ahead), abs(float(error)))
