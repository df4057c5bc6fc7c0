"""What the fleet's answer says, as a page with its picture: like failures beside everything else, and over time. `found` is as
`diagnosis.fleet.answers` gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qhub_ext.display.colours import GOOD_TO_BAD, OFF
from qhub_ext.display.pages import GRID, PLAIN, escaped
from qhub_ext.display.tables import Pictured, frame_of
from qhub_ext.display.words import plain

VERDICT_COLOURS = {
    "systemic": GOOD_TO_BAD[-1],
    "one user": GOOD_TO_BAD[0],
    "spread": GOOD_TO_BAD[2],
    "too few": OFF,
    "": OFF,
}
CLUSTER_COLOURS = ("#7b5ea7", "#e08a2e", "#4f9fae", "#d1495b", "#a8a04e")
ROW_PX, LEAST_ROWS = 44, 4
NAME = 44


@dataclass(frozen=True)
class FleetPage(Pictured):
    """`facts` are the whole answer."""

    @property
    def verdicts(self) -> Any:
        """As a pandas DataFrame, a row per cluster: where its failures stand out most, how many there and elsewhere, and p."""
        return frame_of([_verdict(one) for one in self.facts["clusters"] if one["kind"]])

    @property
    def over_time(self) -> Any:
        """As a pandas DataFrame: failures by the begin of their window (UTC), a column per cluster."""
        import pandas as pd

        told = _over_time(self.facts)
        index = pd.to_datetime(told["begins"], unit="s", utc=True)
        return pd.DataFrame({**told["clusters"], "others": told["others"]}, index=index)


def _over_time(found: dict[str, Any]) -> dict[str, Any]:
    """A broker of an older version does not tell it."""
    return found.get("over_time") or {"begins": [], "length_s": 0.0, "clusters": {}, "others": []}


def _verdict(one: dict[str, Any]) -> dict[str, Any]:
    verdict = one["verdict"]
    best = next(iter(verdict["standing_out"]), None) or {}
    names = ("dimension", "value", "failed", "runs", "failed_elsewhere", "runs_elsewhere")
    return {
        "id": one["id"], "signature": one["signature"], "cause": one["cause"], "kind": one["kind"], "p": verdict["p"], "compared": verdict["compared"],
        **{name: best.get(name) for name in names},
    }  # fmt: skip


def fleet_plotly(found: dict[str, Any]) -> dict[str, Any]:
    """As plotly's JSON, two panels: the share of runs that fail so where that stands out and elsewhere, and like failures over time."""
    judged = [one for one in found["clusters"] if one["kind"]]
    names = {one["id"]: _name(one) for one in found["clusters"]}
    data = [*_shares(judged, names), *_bars(_over_time(found), names)]
    titles = ("Runs that fail so, there and elsewhere", "Like failures over time")
    layout: dict[str, Any] = {
        **PLAIN, "height": 170 + ROW_PX * max(LEAST_ROWS, len(judged)), "margin": {"l": 10, "r": 10, "t": 50, "b": 90}, "bargap": 0.3, "barmode": "group",
        "legend": {"orientation": "h", "y": -0.18, "yanchor": "top"},
        "annotations": [
            {"text": text, "xref": "paper", "yref": "paper", "x": place, "y": 1, "yshift": 28, "xanchor": "left", "showarrow": False, "font": {"size": 14}}
            for text, place in zip(titles, (0.0, 0.56), strict=True)
        ],
        "xaxis": {**GRID, "domain": [0.0, 0.48], "ticksuffix": " %", "range": [0, 101], "anchor": "y"},
        "yaxis": {"automargin": True, "autorange": "reversed", "type": "category", "anchor": "x"},
        "xaxis2": {**GRID, "domain": [0.56, 1.0], "type": "date", "anchor": "y2"},
        "yaxis2": {**GRID, "rangemode": "tozero", "anchor": "x2"},
    }  # fmt: skip
    return {"data": data, "layout": layout, "config": {"displaylogo": False}}


def _shares(judged: list[dict[str, Any]], names: dict[str, str]) -> list[dict[str, Any]]:
    """Of a cluster that stands out nowhere, its share of all runs."""
    there: list[float] = []
    elsewhere: list[float] = []
    words: list[str] = []
    for one in judged:
        verdict = one["verdict"]
        best = next(iter(verdict["standing_out"]), None)
        failed, runs = (verdict["failed"], verdict["runs"]) if best is None else (best["failed"], best["runs"])
        there.append(_percent(failed, runs))
        elsewhere.append(0.0 if best is None else _percent(best["failed_elsewhere"], best["runs_elsewhere"]))
        words.append(escaped(plain(one["sentence"], 300)))
    labels = [names[one["id"]] for one in judged]
    bar: dict[str, Any] = {"type": "bar", "orientation": "h", "y": labels, "customdata": words, "hovertemplate": "%{x:.3g} %<br>%{customdata}<extra></extra>"}  # fmt: skip
    return [
        {**bar, "x": there, "name": "where it stands out", "marker": {"color": [VERDICT_COLOURS[one["kind"]] for one in judged]}, "showlegend": False},
        {**bar, "x": elsewhere, "name": "elsewhere", "marker": {"color": OFF}, "showlegend": False},
    ]  # fmt: skip


def _bars(told: dict[str, Any], names: dict[str, str]) -> list[dict[str, Any]]:
    """Stacked by hand: the other panel's bars stand side by side."""
    moments = [datetime.fromtimestamp(begin + told["length_s"] / 2, UTC).isoformat() for begin in told["begins"]]
    base = [0] * len(moments)
    found = []
    series = [(names.get(key, key), counts, CLUSTER_COLOURS[n % len(CLUSTER_COLOURS)]) for n, (key, counts) in enumerate(told["clusters"].items())]  # fmt: skip
    for name, counts, colour in (*series, ("others", told["others"], OFF)):
        if any(counts):
            found.append(
                {
                    "type": "bar", "x": moments, "y": counts, "base": base, "width": told["length_s"] * 900, "offset": -told["length_s"] * 450, "name": name, "marker": {"color": colour},
                    "xaxis": "x2", "yaxis": "y2", "hovertemplate": "%{y} × " + name + "<br>%{x}<extra></extra>",
                }
            )  # fmt: skip
        base = [a + b for a, b in zip(base, counts, strict=True)]
    return found


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _name(one: dict[str, Any]) -> str:
    """Unique by its id, which stands behind the words."""
    return f"{escaped(plain(one['signature'], NAME))} ({one['id'][:4]})"
