"""A calibration as a person looks at it: values of qubits and edges with their ages, one snapshot against another, and the
place of a circuit on it. Draws the chart that it is given (`qhub_ext.tiers.chart`), as text and as HTML.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from qhub_ext.display import calibration_text
from qhub_ext.display.calibration_scale import EDGES, METRICS, Metric, Scale, factor_words, is_dead, live, worse
from qhub_ext.display.calibration_svg import svg_map
from qhub_ext.display.tables import Table, frame_of
from qhub_ext.display.words import duration, moment

Edge = tuple[int, int]


FEW = 8
"""Qubits that are named one by one."""


@dataclass(frozen=True)
class Placement:
    """A transpiled circuit on the device: what each of the device's qubits holds, and how many gates each edge carries."""

    name: str
    holds: Mapping[int, str]
    gates: Mapping[Edge, int]


@dataclass(frozen=True)
class Look:
    """`chart` is drawn as it was at `now`, against `versus` where there is one: then values are how often worse they are."""

    chart: Mapping[str, Any]
    now: float
    metric: Metric = METRICS[0]
    placement: Placement | None = None
    versus: Mapping[str, Any] | None = None

    def by(self, metric: Metric) -> Look:
        return replace(self, metric=metric)

    @property
    def qubits(self) -> Sequence[Mapping[str, Any]]:
        return list(self.chart["qubits"])

    @property
    def edges(self) -> Sequence[Mapping[str, Any]]:
        return list(self.chart["edges"])

    # values

    def qubit_values(self, metric: Metric) -> list[float | None]:
        """None where not known or dead; against another snapshot, log2 of how often worse it is."""
        now = [
            live(q.get(metric.field)) if metric.field.endswith("error") else q.get(metric.field) for q in self.qubits
        ]
        if self.versus is None:
            return now
        before = [
            live(q.get(metric.field)) if metric.field.endswith("error") else q.get(metric.field)
            for q in self.versus["qubits"]
        ]
        return [worse(n, b, metric.more_is_better) for n, b in zip(now, before, strict=True)]

    def edge_values(self) -> list[float | None]:
        now = [live(e["error"]) for e in self.edges]
        if self.versus is None:
            return now
        before = {(e["a"], e["b"]): live(e["error"]) for e in self.versus["edges"]}
        return [worse(n, before.get((e["a"], e["b"])), False) for n, e in zip(now, self.edges, strict=True)]

    def qubit_shares(self, metric: Metric | None = None) -> list[float | None]:
        """From 0 (best, or better than before) to 1 (worst): where in its scale each value lies."""
        metric = metric or self.metric
        return self.scale(metric).shares(self.qubit_values(metric))

    def edge_shares(self) -> list[float | None]:
        return self.scale(EDGES).shares(self.edge_values())

    def scale(self, metric: Metric) -> Scale:
        values = self.edge_values() if metric is EDGES else self.qubit_values(metric)
        return Scale.of(values, metric, against=self.versus is not None)

    @property
    def frame(self) -> Any:
        """The qubits as a pandas DataFrame."""
        return frame_of(self.qubits)

    @property
    def edges_frame(self) -> Any:
        """The edges as a pandas DataFrame."""
        return frame_of(self.edges)

    # words

    @property
    def title(self) -> str:
        device, versus = self.chart["device"], self.versus
        told = (
            f"{device} · {len(self.qubits)} qubits, {len(self.edges)} edges · {_snapshot_words(self.chart, self.now)}"
        )
        if versus is not None:
            told += f" · against {versus['device']}, {_snapshot_words(versus, self.now)}"
        return told

    def qubit_words(self, qubit: int) -> list[tuple[str, str]]:
        """(quantity, value with its age), against the other snapshot where there is one."""
        row, before = self.qubits[qubit], self.versus and self.versus["qubits"][qubit]
        lines = []
        for metric in METRICS:
            was = None if not before else before.get(metric.field)
            age = self._age((row.get("dates") or {}).get(metric.field, row.get("dated_at")))
            lines.append((metric.title, _compared(metric, row.get(metric.field), was) + age))
        return lines

    def edge_words(self, edge: Mapping[str, Any]) -> str:
        was = None
        if self.versus is not None:
            was = next((e["error"] for e in self.versus["edges"] if (e["a"], e["b"]) == (edge["a"], edge["b"])), None)
        gate = f"{edge['gate']} " if edge.get("gate") else ""
        return f"{gate}{_compared(EDGES, edge['error'], was)}{self._age(edge.get('dated_at'))}"

    def _age(self, at: float | None) -> str:
        return "" if at is None else f" ({duration(self.now - at)} old)"

    def flag_words(self) -> list[str]:
        """What is odd about the numbers, with the qubits where they are few."""
        told = []
        for flag in self.chart.get("flags") or ():
            few = "edges" not in flag["kind"] and len(flag["qubits"]) <= FEW
            where = f" ({', '.join(f'q{qubit}' for qubit in flag['qubits'])})" if few else ""
            told.append(f"{flag['sentence'].rstrip('.')}{where}.")
        return told

    def placement_words(self) -> list[str]:
        placed = self.placement
        if placed is None:
            return []
        dead = {(e["a"], e["b"]) for e in self.edges if e["dead"]}
        on_dead = {edge: n for edge, n in placed.gates.items() if edge in dead}
        used = [(e["error"], e) for e in self.edges if (e["a"], e["b"]) in placed.gates and live(e["error"])]
        lines = [
            f"Circuit `{placed.name}` uses {_counted(len(placed.holds), 'qubit')} ({_shortened(map(str, sorted(placed.holds)))})"
            f" and has {_counted(sum(placed.gates.values()), 'two-qubit gate')} on {_counted(len(placed.gates), 'edge')}."
        ]
        if used:
            worst = max(used, key=lambda pair: pair[0])[1]
            lines.append(f"The worst edge that it uses is {worst['a']}-{worst['b']}: {self.edge_words(worst)}.")
        if on_dead:
            edges = _shortened(f"{a}-{b}" for a, b in on_dead)
            lines.append(
                f"{_counted(sum(on_dead.values()), 'gate')} of it run on edges that are switched off ({edges}): "
                "the answer will be noise."
            )
        return lines

    # shapes

    def table(self) -> Table:
        rows = [
            self._row(metric, self.qubit_values(metric), [q.get(metric.field) for q in self.qubits])
            for metric in METRICS
        ]
        rows.append(self._row(EDGES, self.edge_values(), [e["error"] for e in self.edges]))
        columns = ("", "median", "best", "worst", "dead", "not known", "oldest value")
        if self.versus is not None:
            columns = ("", "median", "was", "most improved", "most worsened", "dead", "not known")
        return Table(columns, rows)

    def _row(self, metric: Metric, values: Sequence[float | None], raw: Sequence[float | None]) -> tuple[str, ...]:
        names = (
            [f"q{q['index']}" for q in self.qubits]
            if metric is not EDGES
            else [f"{e['a']}-{e['b']}" for e in self.edges]
        )
        known = [(v, name) for v, name in zip(values, names, strict=True) if v is not None]
        dead, missing = str(sum(is_dead(metric, v) for v in raw)), str(sum(v is None for v in raw))
        now = metric.words(_median(v for v in raw if v is not None and not is_dead(metric, v)))
        if not known:
            return (metric.title, now, "–", "–", dead, missing, "–")
        low, high = min(known), max(known)
        if self.versus is None:
            best, worst = (high, low) if metric.more_is_better else (low, high)
            told = [f"{name} {metric.words(value)}" for value, name in (best, worst)]
            dates = self._dates(metric)
            oldest = duration(self.now - min(dates)) if dates else "–"
            return (metric.title, now, *told, dead, missing, oldest)
        rows = self.versus["edges"] if metric is EDGES else self.versus["qubits"]
        before = [row.get(metric.field) for row in rows]
        was = metric.words(_median(v for v in before if v is not None and not is_dead(metric, v)))
        told = [f"{name} {factor_words(value)}" for value, name in (low, high)]
        return (metric.title, now, was, *told, dead, missing)

    def _dates(self, metric: Metric) -> list[float]:
        if metric is EDGES:
            return [e["dated_at"] for e in self.edges if e.get("dated_at")]
        found = ((q.get("dates") or {}).get(metric.field, q.get("dated_at")) for q in self.qubits)
        return [at for at in found if at]

    def to_text(self, width: int | None = None) -> str:
        doubts = "\n".join(self.flag_words())
        parts = [
            self.title,
            self.table().to_text(width),
            doubts,
            calibration_text.text_map(self),
            *self.placement_words(),
        ]
        return "\n\n".join(part for part in parts if part)

    def to_html(self) -> str:
        told = "".join(f"<div>{html.escape(line)}</div>" for line in (*self.flag_words(), *self.placement_words()))
        return (
            f'<div style="margin:4px 0"><div><b>{html.escape(self.title)}</b></div>'
            f"{svg_map(self)}{self.table().to_html()}{told}</div>"
        )

    @property
    def facts(self) -> dict[str, Any]:
        placed = self.placement
        return {
            **self.chart,
            "metric": self.metric.field,
            "median": {
                m.field: _median(v for q in self.qubits if (v := q.get(m.field)) is not None and not is_dead(m, v))
                for m in METRICS
            }
            | {"two_qubit_error": _median(v for e in self.edges if (v := live(e["error"])) is not None)},
            "versus": self.versus
            and {n: self.versus[n] for n in ("device", "snapshot_id", "snapshot_at", "synthetic")},
            "circuit": placed
            and {
                "name": placed.name,
                "qubits": {str(q): own for q, own in placed.holds.items()},
                "gates": [{"a": a, "b": b, "count": n} for (a, b), n in placed.gates.items()],
            },
        }


def _compared(metric: Metric, value: float | None, was: float | None) -> str:
    told = "off" if is_dead(metric, value) else metric.words(value)
    if was is None:
        return told
    change = worse(live(value), live(was), metric.more_is_better)
    factor = "" if change is None else f", {factor_words(change)}"
    return f"{told}, was {'off' if is_dead(metric, was) else metric.words(was)}{factor}"


def _median(values: Any) -> float | None:
    known = list(values)
    return median(known) if known else None


def _snapshot_words(chart: Mapping[str, Any], now: float) -> str:
    at = chart["snapshot_at"]
    simulated = ", simulated" if chart.get("synthetic") else ""
    return f"snapshot of {moment(at, now)} ({duration(now - at)} old{simulated})" if at else f"snapshot{simulated}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _shortened(names: Any, most: int = 24) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
