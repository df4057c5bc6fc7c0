"""A calibration as a plain Plotly figure: no FigureWidget, no Plotly import, nothing asked of the kernel once it is drawn.

Edges are a dozen traces, one per colour bin, whatever their number: a trace per edge would be ten times the work for the browser.
The metric of the qubits is chosen by buttons inside the figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qhub_ext.display.calibration import BINS, EDGES, METRICS, Look, Metric
from qhub_ext.display.colours import BETTER_TO_WORSE, GOOD_TO_BAD, MARKED, OFF, colour, stops
from qhub_ext.display.pages import PLOTLY, figure_of

THEMES: Mapping[str, Mapping[str, str]] = {
    # on the page's own background, in a grey that is read on white and on black
    "auto": {"paper": "rgba(0,0,0,0)", "text": "#7a7a7a", "dot": "#ffffff"},
    "light": {"paper": "#ffffff", "text": "#24292f", "dot": "#ffffff"},
    "dark": {"paper": "#111111", "text": "#d5d9de", "dot": "#ffffff"},
}

TITLE_PX, BUTTONS_PX, BAR_PX, MOST_PX = 18, 44, 52, 720
"""Heights from the top: a line of the title, the buttons, each of two colour bars; and the map at most."""

Trace = dict[str, Any]


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


def traces(look: Look) -> list[Trace]:
    """From the back to the front: the circuit's marks, edges by colour, points for the hover of edges, qubits."""
    return [*_marks(look), *_edges(look), _edge_points(look), _qubit_grounds(look), _qubits(look)]


def _at(look: Look) -> list[tuple[float, float]]:
    return [(q["x"], q["y"]) for q in look.qubits]


def _lines(look: Look, pairs: Sequence[tuple[int, int]]) -> dict[str, list[float | None]]:
    at = _at(look)
    x: list[float | None] = []
    y: list[float | None] = []
    for a, b in pairs:
        x += [at[a][0], at[b][0], None]
        y += [at[a][1], at[b][1], None]
    return {"x": x, "y": y}


def _line_trace(look: Look, pairs: Sequence[tuple[int, int]], **line: Any) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        **_lines(look, pairs),
        "line": line,
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _marks(look: Look) -> list[Trace]:
    placed = look.placement
    if placed is None:
        return []
    at = _at(look)
    rings = {
        "type": "scatter",
        "mode": "markers",
        "x": [at[q][0] for q in placed.holds],
        "y": [at[q][1] for q in placed.holds],
        "marker": {"size": 30, "color": MARKED, "opacity": 0.55},
        "hoverinfo": "skip",
        "showlegend": False,
        "name": placed.name,
    }
    return [{**_line_trace(look, list(placed.gates), color=MARKED, width=13), "opacity": 0.55}, rings]


def _edges(look: Look) -> list[Trace]:
    bins: dict[int | None, list[tuple[int, int]]] = {}
    off: list[tuple[int, int]] = []
    for edge, share in zip(look.edges, look.edge_shares(), strict=True):
        pair = (edge["a"], edge["b"])
        if edge["dead"]:
            off.append(pair)
        else:
            bins.setdefault(None if share is None else min(int(share * BINS), BINS - 1), []).append(pair)
    found = [
        _line_trace(look, pairs, width=5, color=OFF if n is None else colour(_colours(look), n / (BINS - 1)))
        for n, pairs in sorted(bins.items(), key=lambda item: -1 if item[0] is None else item[0])
    ]
    return found + ([_line_trace(look, off, width=4, color=OFF, dash="dot")] if off else [])


def _edge_points(look: Look) -> Trace:
    """Unseen points in the middle of each edge: the hover, and the colour bar of the edges."""
    at = _at(look)
    gates = {} if look.placement is None else look.placement.gates
    middle = [[(at[e["a"]][axis] + at[e["b"]][axis]) / 2 for e in look.edges] for axis in (0, 1)]
    words = [
        [
            f"{e['a']}-{e['b']}",
            look.edge_words(e) + (f"<br>{n} gates of it here" if (n := gates.get((e["a"], e["b"]))) else ""),
        ]
        for e in look.edges
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": middle[0],
        "y": middle[1],
        "marker": {"size": 12, **_coloured(look, EDGES, look.edge_values(), bar=1)},
        "customdata": words,
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
        "showlegend": False,
    }


def _qubit_grounds(look: Look) -> Trace:
    """What is seen of a qubit that has no value."""
    at = _at(look)
    dead = [q["dead"] for q in look.qubits]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x for x, _ in at],
        "y": [y for _, y in at],
        "marker": {"size": 20, "color": OFF, "symbol": ["circle-x" if d else "circle" for d in dead]},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _qubits(look: Look) -> Trace:
    at = _at(look)
    holds = {} if look.placement is None else look.placement.holds
    words = []
    for number in range(len(look.qubits)):
        held = holds.get(number)
        used = "" if held is None else f"<br>holds qubit {held} of the circuit" if held else "<br>used by the circuit"
        words.append([number, *(told for _, told in look.qubit_words(number)), *([used] if holds else [])])
    # the titles stand once: with each qubit they would be a sixth of the notebook's output
    lines = "".join(f"<br>{title} %{{customdata[{k}]}}" for k, (title, _) in enumerate(look.qubit_words(0), start=1))
    last = f"%{{customdata[{1 + len(look.qubit_words(0))}]}}" if holds else ""
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [x for x, _ in at],
        "y": [y for _, y in at],
        "text": [str(number) for number in range(len(at))],
        "textfont": {"size": 9, "color": "#ffffff"},
        "marker": {"size": 20, **_coloured(look, look.metric, look.qubit_values(look.metric), bar=0)},
        "customdata": words,
        "hovertemplate": f"Q%{{customdata[0]}}{lines}{last}<extra></extra>",
        "showlegend": False,
    }


def _coloured(look: Look, metric: Metric, values: Sequence[float | None], *, bar: int) -> dict[str, Any]:
    """`bar` is the place of its colour bar, from above."""
    scale = look.scale(metric)
    places = [scale.low if v is None else _short(min(max(scale.place(v), scale.low), scale.high)) for v in values]
    colours = _colours(look)[::-1] if scale.reverse else _colours(look)
    ticks = _ticks(scale.low, scale.high, metric, against=scale.against)
    return {
        "color": places,
        "opacity": [0 if v is None or metric is EDGES else 1 for v in values],  # what is not known is not seen
        "cmin": scale.low,
        "cmax": scale.high,
        "colorscale": stops(colours),
        "colorbar": {
            # above the map and as wide: beside it two bars leave no room for it in a narrow cell
            "orientation": "h",
            "x": 0.5,
            "len": 0.96,
            "y": round(1 - (BUTTONS_PX + bar * BAR_PX) / _height(look), 4),
            "yanchor": "top",
            "thickness": 8,
            "outlinewidth": 0,
            "ypad": 0,
            "title": {"text": _bar_title(look, metric), "side": "top", "font": {"size": 12}},
            "tickfont": {"size": 11},
            "tickvals": [at for at, _ in ticks],
            "ticktext": [told for _, told in ticks],
        },
    }


def _title(look: Look) -> list[str]:
    """In lines that fit a narrow cell."""
    return look.title.replace(" · snapshot", "<br>snapshot").replace(" · against ", "<br>against ").split("<br>")


def _map_height(look: Look) -> float:
    rows = max(q["y"] for q in look.qubits) - min(q["y"] for q in look.qubits) + 1
    return float(min(max(rows * 40, 100), MOST_PX))


def _height(look: Look) -> float:
    """Of what Plotly calls paper: all but the margins. Outside of it buttons and bars would move the map by their own height."""
    return BUTTONS_PX + 2 * BAR_PX + _map_height(look)


def _bar_title(look: Look, metric: Metric) -> str:
    return metric.title if look.versus is None else f"{metric.title}: times worse"


def _ticks(low: float, high: float, metric: Metric, *, against: bool) -> list[tuple[float, str]]:
    if against:
        return [(low, f"÷{2**high:.2g}"), (0.0, "×1"), (high, f"×{2**high:.2g}")]
    at = [low + (high - low) * n / 4 for n in range(5)]
    # a tick that rounding puts beyond the end of the bar is not drawn
    places = [min(max(_short(a), low), high) for a in at]
    seconds = metric.field.endswith("_s")
    return [(p, f"{a * 1e6:.0f} µs" if seconds else f"{10**a:.1e}") for p, a in zip(places, at, strict=True)]


def _short(number: float) -> float:
    """As many digits as a colour shows."""
    return float(f"{number:.4g}")


def _colours(look: Look) -> tuple[str, ...]:
    return GOOD_TO_BAD if look.versus is None else BETTER_TO_WORSE


def layout(look: Look, theme: Mapping[str, str], qubits: int) -> dict[str, Any]:
    """`qubits` is the place of their trace, which the buttons recolour."""
    # Plotly cannot find the range of a single row by itself
    x, y = ((min(c) - 0.7, max(c) + 0.7) for c in zip(*_at(look), strict=True))
    axis = {"visible": False, "fixedrange": False, "constrain": "domain"}
    head = 20 + TITLE_PX * len(_title(look))
    page = {"paper_bgcolor": theme["paper"], "plot_bgcolor": theme["paper"], "font": {"color": theme["text"]}}
    return {
        "template": {"layout": page},
        "title": {
            "text": "<br>".join(_title(look)),
            "font": {"size": 13},
            "x": 0.01,
            "xanchor": "left",
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 20},
        },
        "xaxis": {**axis, "range": [*x]},
        "yaxis": {
            **axis,
            "range": [*y][::-1],
            "scaleanchor": "x",
            "constraintoward": "top",
            "domain": [0, round(_map_height(look) / _height(look), 4)],
        },
        "margin": {"l": 10, "r": 10, "t": head, "b": 10},
        "height": math.ceil(head + _height(look) + 10),
        "hoverlabel": {"align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": theme["text"], "activecolor": GOOD_TO_BAD[0]},
        "updatemenus": [
            {
                "type": "buttons",
                "direction": "right",
                "x": 0,
                "xanchor": "left",
                "y": 1.0,
                "yanchor": "top",
                "active": [m.field for m in METRICS].index(look.metric.field),
                "bgcolor": "rgba(128,128,128,0.12)",
                "bordercolor": "rgba(128,128,128,0.5)",
                "font": {"size": 11},
                "buttons": [_button(look, metric, qubits) for metric in METRICS],
            }
        ],
    }


def _button(look: Look, metric: Metric, qubits: int) -> dict[str, Any]:
    marker = _coloured(look, metric, look.qubit_values(metric), bar=0)
    bar = marker.pop("colorbar")
    change = {f"marker.{name}": [value] for name, value in marker.items()}
    change |= {f"marker.colorbar.{name}": [bar[name]] for name in ("tickvals", "ticktext")}
    change["marker.colorbar.title.text"] = [bar["title"]["text"]]
    return {"label": metric.title, "method": "restyle", "args": [change, [qubits]]}
