"""A job's trace: a plotly waterfall in a notebook, letters in a terminal, one page as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.display.pages import PLOTLY, figure_of
from qhub_ext.display.trace_figure import trace_caption, trace_plotly
from qhub_ext.display.waterfall import breakdown_text, profile_table, waterfall_html, waterfall_text
from qhub_ext.display.words import plain
from qhub_ext.job.identity import short_id
from qhub_ext.service.traces import JobTrace


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
        return trace_caption(self.told.record, self.told.trace.begin_ns, self.whole)

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
        """As plotly's JSON, without plotly."""
        told = self.told
        return trace_plotly(told.rows, told.breakdown, self.whole, self.caption, self.sentences[:1])

    @property
    def figure(self) -> Any:
        """As a plotly Figure, to change or to export."""
        return figure_of(self.to_plotly())

    def write_page(self, path: Path) -> None:
        """One file with everything in it, that needs no network."""
        path.write_text(self.figure.to_html(include_plotlyjs=True, full_html=True), "utf-8")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        figure = self.to_plotly() | {"config": {"displaylogo": False}}
        return {PLOTLY: figure, "text/html": self.to_html(), "text/plain": self.to_text()}

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<TraceView of {short_id(self.told.record.id)}: {len(self.told.trace.spans)} spans>"
