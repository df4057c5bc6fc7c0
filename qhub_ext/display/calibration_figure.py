"""A calibration as a plain Plotly figure: no FigureWidget, no Plotly import, nothing asked of the kernel once it is drawn.

Edges are a dozen traces, one per colour bin, whatever their number: a trace per edge would be ten times the work for the browser.
The metric of the qubits is chosen by buttons inside the figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qhub_ext.display.calibration import Look
from qhub_ext.display.calibration_bars import TITLE_PX, coloured, colours_of, height_of, map_height_of
from qhub_ext.display.calibration_scale import BINS, EDGES, METRICS, Metric
from qhub_ext.display.colours import GOOD_TO_BAD, MARKED, OFF, colour

THEMES: Mapping[str, Mapping[str, str]] = {
    # on the page's own background, in a grey that is read on white and on black
    "auto": {"paper": "rgba(0,0,0,0)", "text": "#7a7a7a", "dot": "#ffffff"},
    "light": {"paper": "#ffffff", "text": "#24292f", "dot": "#ffffff"},
    "dark": {"paper": "#111111", "text": "#d5d9de", "dot": "#ffffff"},
}

Trace = dict[str, Any]


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
        _line_trace(look, pairs, width=5, color=OFF if n is None else colour(colours_of(look), n / (BINS - 1)))
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
        "marker": {"size": 12, **coloured(look, EDGES, look.edge_values(), bar=1)},
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
        "marker": {"size": 20, **coloured(look, look.metric, look.qubit_values(look.metric), bar=0)},
        "customdata": words,
        "hovertemplate": f"Q%{{customdata[0]}}{lines}{last}<extra></extra>",
        "showlegend": False,
    }


def _title(look: Look) -> list[str]:
    """In lines that fit a narrow cell."""
    return look.title.replace(" · snapshot", "<br>snapshot").replace(" · against ", "<br>against ").split("<br>")


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
            "domain": [0, round(map_height_of(look) / height_of(look), 4)],
        },
        "margin": {"l": 10, "r": 10, "t": head, "b": 10},
        "height": math.ceil(head + height_of(look) + 10),
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
    marker = coloured(look, metric, look.qubit_values(metric), bar=0)
    bar = marker.pop("colorbar")
    change = {f"marker.{name}": [value] for name, value in marker.items()}
    change |= {f"marker.colorbar.{name}": [bar[name]] for name in ("tickvals", "ticktext")}
    change["marker.colorbar.title.text"] = [bar["title"]["text"]]
    return {"label": metric.title, "method": "restyle", "args": [change, [qubits]]}
