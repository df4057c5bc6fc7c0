"""The colours of a calibration's figure, the two bars that tell what they mean, and the heights of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qhub_ext.display.calibration import Look
from qhub_ext.display.calibration_scale import EDGES, Metric
from qhub_ext.display.colours import BETTER_TO_WORSE, GOOD_TO_BAD, stops

TITLE_PX, BUTTONS_PX, BAR_PX, MOST_PX = 18, 44, 52, 720
"""Heights from the top: a line of the title, the buttons, each of two colour bars; and the map at most."""


def coloured(look: Look, metric: Metric, values: Sequence[float | None], *, bar: int) -> dict[str, Any]:
    """`bar` is the place of its colour bar, from above."""
    scale = look.scale(metric)
    places = [scale.low if v is None else _short(min(max(scale.place(v), scale.low), scale.high)) for v in values]
    colours = colours_of(look)[::-1] if scale.reverse else colours_of(look)
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
            "y": round(1 - (BUTTONS_PX + bar * BAR_PX) / height_of(look), 4),
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


def map_height_of(look: Look) -> float:
    rows = max(q["y"] for q in look.qubits) - min(q["y"] for q in look.qubits) + 1
    return float(min(max(rows * 40, 100), MOST_PX))


def height_of(look: Look) -> float:
    """Of what Plotly calls paper: all but the margins. Outside of it buttons and bars would move the map by their own height."""
    return BUTTONS_PX + 2 * BAR_PX + map_height_of(look)


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


def colours_of(look: Look) -> tuple[str, ...]:
    return GOOD_TO_BAD if look.versus is None else BETTER_TO_WORSE
