"""What `%qpu calibration` shows: a figure where figures are drawn, the same as text and HTML elsewhere."""

from __future__ import annotations

from typing import Any

from qhub_ext.display.calibration import Look
from qhub_ext.display.calibration_figure import THEMES, layout, traces
from qhub_ext.display.pages import PLOTLY, figure_of


class CalibrationMap:
    """What `%qpu calibration` shows. `look` is drawn in a notebook as a figure, elsewhere as text."""

    def __init__(self, look: Look, theme: str = "auto") -> None:
        self.look = look
        self.theme = theme

    @property
    def figure(self) -> Any:
        """As a plotly Figure, to change or to export."""
        return figure_of(self.to_plotly())

    @property
    def frame(self) -> Any:
        """The qubits as a pandas DataFrame; pandas is imported for who asks for it."""
        return self.look.frame

    @property
    def edges_frame(self) -> Any:
        """The edges as a pandas DataFrame."""
        return self.look.edges_frame

    @property
    def facts(self) -> Any:
        return self.look.facts

    def to_plotly(self) -> dict[str, Any]:
        drawn = traces(self.look)
        return {"data": drawn, "layout": layout(self.look, THEMES[self.theme], qubits=len(drawn) - 1)}

    def to_text(self, width: int | None = None) -> str:
        return self.look.to_text(width)

    def to_html(self) -> str:
        return self.look.to_html()

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<CalibrationMap of {self.look.chart['device']}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's
        figure = self.to_plotly() | {"config": {"displaylogo": False}}
        return {"text/plain": self.to_text(), "text/html": self.to_html(), PLOTLY: figure}
