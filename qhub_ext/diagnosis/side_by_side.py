"""Traces of several jobs beside each other: what each part took, and the spans whose time differs most. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qhub_ext.diagnosis.breakdown import Breakdown
from qhub_ext.diagnosis.rows import Row


@dataclass(frozen=True)
class Part:
    """`seconds` of each job, in their order."""

    name: str
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Spans:
    """All spans of one name and kind: how many of each job, and their seconds together."""

    name: str
    kind: str
    counts: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def change(self) -> float:
        """From the first to the last."""
        return self.seconds[-1] - self.seconds[0]


def parts_beside(breakdowns: Sequence[Breakdown]) -> list[Part]:
    """In the order of their way; those that took no time in any job are left out."""
    names = [name for name in breakdowns[0].parts_ns if any(b.parts_ns[name] for b in breakdowns)]
    return [Part(name, tuple(b.seconds(name) for b in breakdowns)) for name in names]


def spans_beside(rows: Sequence[Sequence[Row]]) -> list[Spans]:
    """Those first whose time differs most from the first job's."""
    sums: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for n, some in enumerate(rows):
        for row in some:
            told = sums.setdefault((row.name, row.kind), [(0, 0.0) for _ in rows])
            told[n] = (told[n][0] + row.count, told[n][1] + row.busy)
    found = [Spans(name, kind, *zip(*told, strict=True)) for (name, kind), told in sums.items()]
    return sorted(found, key=lambda one: -max(abs(s - one.seconds[0]) for s in one.seconds))
