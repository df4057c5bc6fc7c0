"""A job's trace: a plotly waterfall in a notebook, letters in a terminal, one page as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.diagnosis.breakdown import PARTS
from qhub_ext.diagnosis.rows import Row
from qhub_ext.display.trace_colours import PART_COLOURS, colour_of
from qhub_ext.display.waterfall import breakdown_text, profile_table, waterfall_html, waterfall_text
from qhub_ext.display.words import duration, moment, plain, state_words
from qhub_ext.job.identity import short_id
from qhub_ext.service.traces import JobTrace
from qhub_ext.widgets.calibration import MIME_TYPE

ROW_PX = 22


@dataclass(frozen=True, repr=False)
class TraceView:
    """`log` are lines that the job printed: seconds since the trace began, and the text."""

    told: JobTrace
    log: tuple[tuple[float, str], ...] | None = None

    @property
    def whole(self) -> float:
        return self.told.breakdown.wall_s

    @property
    def caption(self) -> str:
        record, begin = self.told.record, self.told.trace.begin_ns
        since = "" if begin is None else f", from {moment(begin / 1e9)}"
        lasts = "" if record.state.final else " so far"
        return f"Job {short_id(record.id)} {state_words(record.state)}: {duration(self.whole)} in all{lasts}{since}"

    @property
    def sentences(self) -> list[str]:
        advice = self.told.advice
        return [*([advice.sentence] if advice else []), *self.told.notes]

    @property
    def facts(self) -> dict[str, Any]:
        advice = self.told.advice
        trace = self.told.trace
        return {
            "job": self.told.record.id,
            "trace_id": trace.trace_id,
            "begin": None if trace.begin_ns is None else trace.begin_ns / 1e9,
            "wall_s": self.whole,
            "breakdown_s": self.told.breakdown.to_json(),
            "advice": None if advice is None else vars(advice),
            "clocks": [vars(clock) for clock in trace.clocks],
            "notes": list(trace.notes),
            "rows": [vars(row) for row in self.told.rows],
            "spans": len(trace.spans),
            **({"profile": list(self.told.profile)} if self.told.profile else {}),
        }

    def to_text(self, width: int | None = None) -> str:
        rows = self.told.rows
        parts = [
            self.caption,
            waterfall_text(rows, self.whole, width),
            "Where the time went\n" + breakdown_text(self.told.breakdown),
            "\n".join(self.sentences),
        ]
        if self.told.profile:
            parts.append(profile_table(self.told.profile, self.told.profile_note).to_text(width))
        if self.log is not None:
            lines = [f"  +{at:9.3f} s  {plain(text, (width or 120) - 16)}" for at, text in self.log]
            parts.append("Log\n" + ("\n".join(lines) or "  It printed nothing."))
        return "\n\n".join(part for part in parts if part)

    def to_html(self) -> str:
        profile = profile_table(self.told.profile, self.told.profile_note).to_html() if self.told.profile else ""
        told = self.told
        return waterfall_html(told.rows, told.breakdown, self.whole, self.caption, self.sentences) + profile

    def to_plotly(self) -> dict[str, Any]:
        """As plotly's JSON, without plotly: a bar per segment, a trace per kind."""
        rows = self.told.rows
        labels = [_label(n, row) for n, row in enumerate(rows)]
        kinds = list(dict.fromkeys(row.kind for row in rows))
        data = [_kind_trace(kind, rows, labels) for kind in kinds]
        breakdown = self.told.breakdown
        data += [
            {
                "type": "bar", "orientation": "h", "x": [breakdown.seconds(part)], "y": ["where the time went"], "yaxis": "y2",
                "marker": {"color": PART_COLOURS[part]}, "showlegend": False, "name": part,
                "hovertemplate": f"{part}: {duration(breakdown.seconds(part))} ({breakdown.share(part):.1%})<br>{PARTS[part]}<extra></extra>",
            }
            for part, ns in breakdown.parts_ns.items()
            if ns
        ]  # fmt: skip
        height = 130 + ROW_PX * (len(rows) + 2)
        split = 1 - (ROW_PX * 1.6) / (height - 130)
        return {
            "data": data,
            "layout": {
                "title": {"text": "<br>".join([self.caption, *(f"<sub>{_escaped(s)}</sub>" for s in self.sentences[:1])]), "x": 0, "xanchor": "left", "font": {"size": 14}},
                "barmode": "stack", "bargap": 0.25, "height": height,
                "margin": {"l": 10, "r": 10, "t": 70, "b": 60},
                "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#808080"},
                "xaxis": {"ticksuffix": " s", "range": [0, max(self.whole, 0.001)], "gridcolor": "rgba(128,128,128,0.25)", "zeroline": False, "anchor": "y"},
                "yaxis": {"autorange": "reversed", "automargin": True, "domain": [0, max(0.05, split - 0.06)], "type": "category", "categoryorder": "array", "categoryarray": labels},
                "yaxis2": {"automargin": True, "domain": [min(split, 0.95), 1], "fixedrange": True},
                "legend": {"orientation": "h", "y": -30 / (height - 130), "yanchor": "top", "traceorder": "normal"},
            },
        }  # fmt: skip

    @property
    def figure(self) -> Any:
        """As a plotly Figure, to change or to export."""
        from plotly.graph_objects import Figure

        return Figure(self.to_plotly())

    def write_page(self, path: Path) -> None:
        """One file with everything in it, that needs no network."""
        path.write_text(self.figure.to_html(include_plotlyjs=True, full_html=True), "utf-8")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        figure = self.to_plotly() | {"config": {"displaylogo": False}}
        return {MIME_TYPE: figure, "text/html": self.to_html(), "text/plain": self.to_text()}

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<TraceView of {short_id(self.told.record.id)}: {len(self.told.trace.spans)} spans>"


def _label(number: int, row: Row) -> str:
    """Names are not unique; what is behind the name is not seen."""
    count = f" × {row.count}" if row.count > 1 else ""
    return f"{'› ' * row.depth}{_escaped(plain(row.name, 40))}{count}" + "\u200b" * (number + 1)


def _kind_trace(kind: str, rows: list[Row], labels: list[str]) -> dict[str, Any]:
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
    lines = [f"<b>{_escaped(plain(row.name, 60))}</b> ({row.kind.replace('_', ' ')})", f"+{row.begin:.3f} s {end}"]
    if row.count > 1:
        lines.append(f"{row.count} spans, {duration(row.busy)} together")
        lines.append(f"the longest {duration(row.longest)}, at +{row.longest_at:.3f} s")
    else:
        lines.append(duration(row.busy))
    if row.detail:
        lines.append(_escaped(plain(row.detail, 100)))
    return "<br>".join(lines)


def _escaped(text: str) -> str:
    """Plotly reads a little HTML in its texts."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
