"""Service levels as tables and as a picture that reads on white and on black. `found` is as `diagnosis.fleet.slo` gives it."""

from __future__ import annotations

from typing import Any

from qhub_ext.display.colours import GOOD_TO_BAD, OFF
from qhub_ext.display.pages import GRID, PLAIN
from qhub_ext.display.tables import Pictured, Table, Text
from qhub_ext.display.words import duration

MET, MISSED = GOOD_TO_BAD[0], GOOD_TO_BAD[-1]
LOST = GOOD_TO_BAD[3]


def levels_page(found: dict[str, Any], since: str) -> Pictured:
    bad = [one["profile"] for one in found["profiles"] if one["met"] is False]
    told = (
        f"{', '.join(bad)} waited longer than promised."
        if bad
        else "Every target was met."
        if found["jobs"]
        else "Nothing ended in that time."
    )
    head = Text(
        f"The last {since}, {found['jobs']:,} attempts. Promised: {100 * found['share']:g} % begin within the target of their profile. {told}"
    )
    parts: list[Any] = [head, _profiles(found), _devices(found), _lost(found)]
    return Pictured(parts, found, rows=found["profiles"], picture=levels_plotly(found))


def _profiles(found: dict[str, Any]) -> Table:
    rows = [
        (
            one["profile"], str(one["jobs"]), duration(one["target_s"]), duration(one["median_s"]), duration(one["p95_s"]),
            "–" if one["within"] is None else f"{100 * one['within']:.1f} %", {True: "yes", False: "NO", None: "–"}[one["met"]],
        )
        for one in found["profiles"]
    ]  # fmt: skip
    columns = ("profile", "attempts", "target", "median wait", "95 % within", "in time", "met")
    return Table(columns, rows, found["profiles"], title="Waits in all queues", empty="Nothing began in that time.")


def _devices(found: dict[str, Any]) -> Table:
    rows = [(one["device"], duration(one["used_s"]), f"{100 * one['share']:.1f} %") for one in found["devices"]]
    return Table(("device", "seconds of QPU", "of the time"), rows, title="Use of devices", empty="No device was used.")


def _lost(found: dict[str, Any]) -> Table:
    rows = [(one["cause"], duration(one["seconds"]), str(one["jobs"])) for one in found["lost"]]
    return Table(("cause", "lost", "attempts"), rows, title="Time that ran for nothing", empty="Nothing was lost.")


def levels_plotly(found: dict[str, Any]) -> dict[str, Any]:
    """As plotly's JSON: three panels, one beside the other."""
    profiles = [one for one in found["profiles"] if one["within"] is not None]
    names = [one["profile"] for one in profiles]
    data = [
        _bars(names, [100 * one["within"] for one in profiles], [MET if one["met"] else MISSED for one in profiles], "", [
            f"{one['jobs']} attempts, median {duration(one['median_s'])}, target {duration(one['target_s'])}" for one in profiles
        ]),
        _bars([d["device"] for d in found["devices"]], [100 * d["share"] for d in found["devices"]], MET, "2", [duration(d["used_s"]) for d in found["devices"]]),
        _bars([one["cause"] for one in found["lost"]], [one["seconds"] / 3600 for one in found["lost"]], LOST, "3", [f"{one['jobs']} attempts" for one in found["lost"]]),
    ]  # fmt: skip
    rows = max(3, len(names), len(found["devices"]), len(found["lost"]))
    goal = 100 * found["share"]
    line = {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": goal,
        "x1": goal,
        "y0": 0,
        "y1": 1,
        "line": {"color": OFF, "dash": "dash"},
    }
    titles = ("In time, of all that began", "Use of devices", "Time lost by cause")
    layout: dict[str, Any] = {
        **PLAIN, "showlegend": False, "height": 120 + 34 * rows, "margin": {"l": 10, "r": 10, "t": 50, "b": 40}, "bargap": 0.35, "shapes": [line],
        "annotations": [
            {"text": text, "xref": "paper", "yref": "paper", "x": place, "y": 1, "yshift": 26, "xanchor": "left", "showarrow": False, "font": {"size": 14}}
            for text, place in zip(titles, (0.0, 0.38, 0.74), strict=True)
        ],
    }  # fmt: skip
    for number, (domain, suffix) in enumerate((([0.0, 0.28], " %"), ([0.38, 0.64], " %"), ([0.74, 1.0], " h"))):
        place = "" if number == 0 else str(number + 1)
        layout[f"xaxis{place}"] = {
            **GRID,
            "domain": domain,
            "ticksuffix": suffix,
            "anchor": f"y{place}",
            "rangemode": "tozero",
            "nticks": 5,
        }
        layout[f"yaxis{place}"] = {
            "automargin": True,
            "autorange": "reversed",
            "type": "category",
            "anchor": f"x{place}",
        }
    layout["xaxis"]["range"] = [0, 101]
    return {"data": data, "layout": layout, "config": {"displaylogo": False}}


def _bars(names: list[str], values: list[float], colour: Any, axis: str, notes: list[str]) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", "x": values, "y": names, "xaxis": f"x{axis}", "yaxis": f"y{axis}", "marker": {"color": colour},
        "customdata": notes, "texttemplate": "%{x:.3g}", "textposition": "auto", "insidetextanchor": "end", "hovertemplate": "%{y}: %{x:.3g}<br>%{customdata}<extra></extra>",
    }  # fmt: skip
