"""A trace as rows to draw: thousands of spans become tens of rows, and no time is lost. Pure.

Rows are in the order of a tree. Siblings of one name and kind, where there are more than a few, share a row, and so do their children.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from qhub_ext.diagnosis.trace import NS, Trace, TraceSpan

ALONE = 4
"""So many siblings of one name have a row each."""
MOST_NAMES = 24
"""So many names at one place; the others share a row."""
DEEPEST = 12
COLUMNS = 600
"""How finely a row with many spans is drawn."""


@dataclass(frozen=True)
class Row:
    """Moments in s since the trace began; `end` None while it lasts. `busy` is the time of all its spans, `longest` of the longest one, which
    began at `longest_at`. `segments` are where the spans are, from and to.
    """

    name: str
    kind: str
    depth: int
    attempt: int
    count: int
    begin: float
    end: float | None
    busy: float
    longest: float
    longest_at: float
    segments: tuple[tuple[float, float], ...]
    detail: str = ""


def rows_of(trace: Trace, now_ns: int) -> list[Row]:
    """Containers of everything are left out: what holds all rows says nothing."""
    begin = trace.begin_ns
    if begin is None:
        return []
    whole = max(1, (trace.end_ns or now_ns) - begin)
    known = {span.id for span in trace.spans if span.kind != "container"}
    children: dict[str, list[TraceSpan]] = defaultdict(list)
    for span in trace.spans:
        if span.kind != "container" or span.attributes.get("qhub.spans.dropped"):
            children[span.parent if span.parent in known and span.parent != span.id else ""].append(span)
    drawing = _Drawing(begin, now_ns, whole, children)
    drawing.add(children[""], 0)
    return drawing.rows


@dataclass
class _Drawing:
    begin: int
    now: int
    whole: int
    children: dict[str, list[TraceSpan]]

    def __post_init__(self) -> None:
        self.rows: list[Row] = []
        self._drawn: set[str] = set()

    def add(self, spans: Sequence[TraceSpan], depth: int) -> None:
        groups: dict[tuple[str, str, int], list[TraceSpan]] = defaultdict(list)
        for span in spans:
            if span.id not in self._drawn:  # spans that name each other as parents are drawn once
                self._drawn.add(span.id)
                groups[span.name, span.kind, span.attempt].append(span)
        listed = sorted(groups.values(), key=lambda group: group[0].begin_ns)
        if len(listed) > MOST_NAMES:
            listed.sort(key=lambda group: -sum(self._length(span) for span in group))
            others = [span for group in listed[MOST_NAMES - 1 :] for span in group]
            listed = sorted(listed[: MOST_NAMES - 1], key=lambda group: group[0].begin_ns)
            self._all(listed, depth)
            names = len({span.name for span in others})
            self._row(sorted(others, key=lambda span: span.begin_ns), depth, f"{names} other names")
            return
        self._all(listed, depth)

    def _all(self, groups: Sequence[Sequence[TraceSpan]], depth: int) -> None:
        alone = [[span] for group in groups if len(group) <= ALONE for span in group]
        together = [group for group in groups if len(group) > ALONE]
        for group in sorted([*alone, *together], key=lambda group: group[0].begin_ns):
            self._row(group, depth, group[0].name)
            if depth < DEEPEST:
                self.add([child for span in group for child in self.children.get(span.id, ())], depth + 1)

    def _row(self, spans: Sequence[TraceSpan], depth: int, name: str) -> None:
        lengths = [self._length(span) for span in spans]
        longest = max(range(len(spans)), key=lengths.__getitem__)
        ends = [span.end_ns for span in spans]
        self.rows.append(
            Row(
                name=name,
                kind=spans[0].kind,
                depth=depth,
                attempt=spans[0].attempt,
                count=len(spans),
                begin=self._since(spans[0].begin_ns),
                end=None if None in ends else self._since(max(end for end in ends if end is not None)),
                busy=sum(lengths) / NS,
                longest=lengths[longest] / NS,
                longest_at=self._since(spans[longest].begin_ns),
                segments=self._segments(spans),
                detail=_detail(spans[0]) if len(spans) == 1 else "",
            )
        )

    def _length(self, span: TraceSpan) -> int:
        return max(0, (self.now if span.end_ns is None else span.end_ns) - span.begin_ns)

    def _since(self, moment: int) -> float:
        return (moment - self.begin) / NS

    def _segments(self, spans: Sequence[TraceSpan]) -> tuple[tuple[float, float], ...]:
        """Joined where nobody could see a gap between them."""
        gap = self.whole // COLUMNS if len(spans) > ALONE else 0
        found: list[list[int]] = []
        for span in spans:
            end = span.begin_ns + self._length(span)
            if found and span.begin_ns <= found[-1][1] + gap:
                found[-1][1] = max(found[-1][1], end)
            else:
                found.append([span.begin_ns, end])
        return tuple((self._since(a), self._since(b)) for a, b in found)


def _detail(span: TraceSpan) -> str:
    """A few words beside the name."""
    told = span.attributes
    words = []
    circuits = told.get("qhub.task.circuits", told.get("qhub.transpile.circuits"))
    if isinstance(circuits, int):
        words.append(f"{circuits} circuit{'' if circuits == 1 else 's'}")
    if told.get("qhub.task.method"):
        words.append(str(told["qhub.task.method"]))
    if isinstance(told.get("qhub.qpu.seconds"), float):
        words.append(f"{float(told['qhub.qpu.seconds']):.3g} s of QPU")
    if isinstance(told.get("qhub.cell.number"), int) and told["qhub.cell.number"] != 1:
        words.append(f"number {told['qhub.cell.number']}")
    if told.get("error.type"):
        words.append(f"ended with {told['error.type']}")
    dropped = told.get("qhub.spans.dropped")
    if dropped:
        words.append(f"{dropped}, because there were too many")
    return ", ".join(words)
