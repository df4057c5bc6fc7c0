"""Pictures that are readable on a light and on a dark page, and the file that one is written to."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLOTLY = "application/vnd.plotly.v1+json"
PLAIN = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "font": {"color": "#808080"}}
GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zeroline": False}
PROFILE_COLOURS = {"production": "#d1495b", "test": "#e0a100", "development": "#2c7fb8"}
"""Of the profiles that there are by default; those of a site have plotly's."""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>:root {{ color-scheme: light dark }} body {{ background: Canvas; margin: 0 }}</style></head>
<body>{body}</body></html>
"""


def escaped(text: str) -> str:
    """For plotly, which reads a little HTML in its texts."""
    return html.escape(text, quote=False)


def figure_of(told: Mapping[str, Any]) -> Any:
    """Plotly's JSON as its Figure, to change or to export."""
    from plotly.graph_objects import Figure  # 0.1 s that only a picture needs

    return Figure({"data": told["data"], "layout": told["layout"]})


def write_figure(path: Path, figure: Any) -> None:
    """One file that needs no network; its background is the reader's own, light or dark."""
    title = str(figure.layout.title.text or "qhub")
    body = figure.to_html(include_plotlyjs=True, full_html=False, config={"displaylogo": False})
    path.write_text(_PAGE.format(title=title, body=body), encoding="utf-8")
