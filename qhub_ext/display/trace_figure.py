"""A trace as plotly's JSON, without plotly: a notebook, a page and the job view draw the same figure. And the parts of several traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qhub_ext.diagnosis.breakdown import PARTS, Breakdown
from qhub_ext.diagnosis.rows import Row
from qhub_ext.display.pages import GRID, PLAIN, escaped
from qhub_ext.display.trace_colours import PART_COLOURS, colour_of
from qhub_ext.display.words import duration, moment, plain, state_words
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord

ROW_PX = 22


def trace_caption(record: JobRecord, begin_ns: int | None, whole: float) -> str:
    since = "" if begin_ns is None else f", from {moment(begin_ns / 1e9)}"
    lasts = "" if record.state.final else " so far"
    return f"Job {short_id(record.id)} {state_words(record.state)}: {duration(whole)} in all{lasts}{since}"


def trace_plotly(
    rows: Sequence[Row], breakdown: Breakdown, whole: float, caption: str, sentences: Sequence[str]
) -> dict[str, Any]:
    """A bar per segment, a trace per kind. `whole` is the length in s."""
    labels = [_label(n, row) for n, row in enumerate(rows)]
    kinds = list(dict.fromkeys(row.kind for row in rows))
    data = [_kind_trace(kind, rows, labels) for kind in kinds]
    data += _part_bars(breakdown, "where the time went", {"yaxis": "y2", "showlegend": False})
    height = 130 + ROW_PX * (len(rows) + 2)
    split = 1 - (ROW_PX * 1.6) / (height - 130)
    return {
        "data": data,
        "layout": {
            **PLAIN,
            "title": {"text": "<br>".join([escaped(caption), *(f"<sub>{escaped(s)}</sub>" for s in sentences)]), "x": 0, "xanchor": "left", "font": {"size": 14}},
            "barmode": "stack", "bargap": 0.25, "height": height,
            "margin": {"l": 10, "r": 10, "t": 70, "b": 60},
            "xaxis": {**GRID, "ticksuffix": " s", "range": [0, max(whole, 0.001)], "anchor": "y"},
            "yaxis": {"autorange": "reversed", "automargin": True, "domain": [0, max(0.05, split - 0.06)], "type": "category", "categoryorder": "array", "categoryarray": labels},
            "yaxis2": {"automargin": True, "domain": [min(split, 0.95), 1], "fixedrange": True},
            "legend": {"orientation": "h", "y": -30 / (height - 130), "yanchor": "top", "traceorder": "normal"},
        },
    }  # fmt: skip


def parts_plotly(labels: Sequence[str], breakdowns: Sequence[Breakdown]) -> dict[str, Any]:
    """One bar per job, its parts one after the other; the first job on top."""
    data: list[dict[str, Any]] = []
    for label, breakdown in zip(labels, breakdowns, strict=True):
        seen = {one["name"] for one in data}
        data += [one | {"showlegend": one["name"] not in seen} for one in _part_bars(breakdown, label, {})]
    return {
        "data": data,
        "layout": {
            **PLAIN, "barmode": "stack", "bargap": 0.35, "height": 130 + 44 * len(labels), "margin": {"l": 10, "r": 10, "t": 40, "b": 60},
            "title": {"text": "Where the time went", "x": 0, "xanchor": "left", "font": {"size": 14}},
            "xaxis": {**GRID, "ticksuffix": " s", "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
            "legend": {"orientation": "h", "y": -0.35, "yanchor": "top", "traceorder": "normal"},
        },
    }  # fmt: skip


def _part_bars(breakdown: Breakdown, place: str, more: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "type": "bar", "orientation": "h", "x": [breakdown.seconds(part)], "y": [place], "marker": {"color": PART_COLOURS[part]}, "name": part, "legendgroup": part,
            "hovertemplate": f"{part}: {duration(breakdown.seconds(part))} ({breakdown.share(part):.1%})<br>{PARTS[part]}<extra></extra>", **more,
        }
        for part, ns in breakdown.parts_ns.items()
        if ns
    ]  # fmt: skip


def _label(number: int, row: Row) -> str:
    """Names are not unique; what is behind the name is not seen."""
    count = f" × {row.count}" if row.count > 1 else ""
    return f"{'› ' * row.depth}{escaped(plain(row.name, 40))}{count}" + "\u200b" * (number + 1)


def _kind_trace(kind: str, rows: Sequence[Row], labels: Sequence[str]) -> dict[str, Any]:
    base: list[float] = []
    length: list[float] = []
    places: list[str] = []
    words: list[str] = []
    for row, label in zip(rows, labels, strict=True):
        if row.kind != kind:
            continue
        told = _hover(row)
        for begin, end in row.segments:
            base.append(round(begin, 6))
            length.append(round(max(end - begin, 0.0), 6))
            places.append(label)
            words.append(told)
    return {
        "type": "bar", "orientation": "h", "name": kind.replace("_", " "), "base": base, "x": length, "y": places, "text": words,
        "textposition": "none", "marker": {"color": colour_of(kind), "line": {"color": colour_of(kind), "width": 1}}, "hovertemplate": "%{text}<extra></extra>", "offsetgroup": "rows",
    }  # fmt: skip


def _hover(row: Row) -> str:
    end = "lasts still" if row.end is None else f"to +{row.end:.3f} s"
    lines = [f"<b>{escaped(plain(row.name, 60))}</b> ({row.kind.replace('_', ' ')})", f"+{row.begin:.3f} s {end}"]
    if row.count > 1:
        lines.append(f"{row.count} spans, {duration(row.busy)} together")
        lines.append(f"the longest {duration(row.longest)}, at +{row.longest_at:.3f} s")
    else:
        lines.append(duration(row.busy))
    if row.detail:
        lines.append(escaped(plain(row.detail, 100)))
    return "<br>".join(lines)
