"""Where the time of one job went, in parts that add up to its wall time to the nanosecond. Pure.

Where several spans overlap, the moment belongs to the one that is nearest to the device: what runs on it, then what waits for it, then what
travels, then the rest of what the job does, then what brings it there. What no span covers is unaccounted, and said to be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from qhub_ext.diagnosis.trace import NS, Trace, TraceSpan

NEAREST_FIRST = (
    "quantum",
    "broker_queue",
    "device_queue",
    "transport",
    "transpile",
    "environment",
    "return",
    "classical",
    "element",
    "start",
    "capture",
    "submit",
    "queue",
)
"""Kinds of spans. What a cell does is within the cell's own span, so that the cell itself (classical) comes after them."""

PARTS = {
    "submission": "the cell is captured and handed to the site",
    "site queue": "it waited for the site scheduler",
    "start": "runner and kernel began",
    "environment": "inputs were loaded and packages imported",
    "classical": "the cell's own Python",
    "transpile": "circuits were transpiled",
    "broker queue": "quantum tasks waited their turn at the broker",
    "device queue": "quantum tasks waited in the device's own queue",
    "transport": "quantum tasks were on their way, or asked about",
    "quantum": "on the device, or simulated",
    "return": "outputs and variables were put away",
    "unaccounted": "nobody recorded what passed",
}
_PART_OF = {"capture": "submission", "submit": "submission", "queue": "site queue", "element": "classical"}


@dataclass(frozen=True)
class Breakdown:
    """`parts_ns` has every part, also those of no time; together they are `wall_ns`."""

    wall_ns: int
    parts_ns: dict[str, int]

    @property
    def wall_s(self) -> float:
        return self.wall_ns / NS

    def seconds(self, part: str) -> float:
        return self.parts_ns[part] / NS

    def share(self, part: str) -> float:
        return self.parts_ns[part] / self.wall_ns if self.wall_ns else 0.0

    def to_json(self) -> dict[str, float]:
        return {part: nanoseconds / NS for part, nanoseconds in self.parts_ns.items()}


def break_down(trace: Trace) -> Breakdown:
    """Of a job that has ended; of one that has not, take `trace.until(now)`."""
    spans = [span for span in trace.spans if span.end_ns is not None]
    if not spans:
        return Breakdown(0, dict.fromkeys(PARTS, 0))
    begin, end = min(s.begin_ns for s in spans), max(s.end_ns or 0 for s in spans)
    return divide(spans, begin, end)


def divide(spans: Iterable[TraceSpan], begin: int, end: int) -> Breakdown:
    parts = dict.fromkeys(PARTS, 0)
    events: list[tuple[int, int, str]] = []
    for span in spans:
        if span.kind == "container" or span.end_ns is None:
            continue
        since, until = max(span.begin_ns, begin), min(span.end_ns, end)
        if since < until:
            events += [(since, 1, span.kind), (until, -1, span.kind)]
    events.sort()
    active: Counter[str] = Counter()
    at = begin
    for moment, change, kind in events:
        if moment > at:
            parts[_nearest(active)] += moment - at
            at = moment
        active[kind] += change
    parts["unaccounted"] += max(0, end - at)
    return Breakdown(end - begin, parts)


def _nearest(active: Counter[str]) -> str:
    for kind in NEAREST_FIRST:
        if active[kind]:
            return _PART_OF.get(kind, kind.replace("_", " "))
    return "classical" if any(active.values()) else "unaccounted"
