"""Seconds of QPU as a table and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from qhub_ext.display.colours import BETTER_TO_WORSE
from qhub_ext.display.pages import GRID, PLAIN, PROFILE_COLOURS, escaped
from qhub_ext.display.tables import Table
from qhub_ext.display.words import duration
from qhub_ext.job.identity import is_job_id, short_id

MOST_BARS = 30


class Row(Protocol):
    """See `qhub_ext.service.usage.Sum`."""

    @property
    def key(self) -> str: ...
    @property
    def jobs(self) -> int: ...
    @property
    def tasks(self) -> int: ...
    @property
    def qpu_s(self) -> float: ...
    @property
    def seen_s(self) -> float: ...
    @property
    def open_tasks(self) -> int: ...
    @property
    def queued_s(self) -> float: ...


def usage_table(by: str, since: str, rows: Sequence[Row], jobs: Sequence[dict[str, Any]]) -> Table:
    shown = [
        (
            short_id(row.key) if is_job_id(row.key) else row.key,
            str(row.jobs),
            str(row.tasks),
            duration(row.qpu_s),
            duration(row.seen_s) if row.seen_s else "–",
            duration(row.queued_s),
            str(row.open_tasks) if row.open_tasks else "–",
        )
        for row in rows
    ]
    total = sum(row.qpu_s + row.seen_s for row in rows)
    return Table(
        (by, "jobs", "tasks", "QPU", "not counted there", "in its queue", "open"),
        shown,
        facts={"by": by, "since": since, "sums": [vars(row) for row in rows], "jobs": list(jobs)},
        empty=f"No job of the last {since} sent anything to a device.",
        footer=f"{duration(total)} in the last {since}. QPU is what the devices counted; of tasks that they did not count, the time that they were "
        "seen running. `open`: how they ended is not known; `explain JOB` asks.",
    )


BROKER_KEYS = ("user", "account", "profile", "device", "job")


def broker_usage_table(found: dict[str, Any], by: str | None) -> Table:
    """`found` is the broker's answer to `/v1/usage`."""
    rows = found["usage"]
    total = sum(row["qpu_s"] for row in rows)
    footer = f"{duration(total)} of QPU" if rows else ""
    if by is None:
        shown = [(*(row[key] for key in BROKER_KEYS), duration(row['qpu_s']), str(row["tasks"]), str(row["slices"])) for row in rows]  # fmt: skip
        return Table((*BROKER_KEYS, "QPU", "tasks", "slices"), shown, facts=found, empty=_NOTHING, footer=footer)
    sums = _summed(rows, by)
    parts = [
        (key or "–", duration(seconds), f"{100 * seconds / total:.0f} %" if total else "–", str(tasks), str(slices))
        for key, (seconds, tasks, slices) in sums.items()
    ]
    facts = found | {
        "by": by,
        "sums": [{"key": k, "qpu_s": s, "tasks": t, "slices": n} for k, (s, t, n) in sums.items()],
    }
    return Table((by, "QPU", "share", "tasks", "slices"), parts, facts=facts, empty=_NOTHING, footer=footer)


def broker_figure(rows: Sequence[Mapping[str, Any]], by: str, days: float) -> Any:
    """A bar per user (or account, profile, device, job), in pieces by profile, as a plotly figure."""
    other = "device" if by == "profile" else "profile"
    keys = list(_summed(rows, by))
    series: dict[str, Counter[str]] = {}
    for row in rows:
        series.setdefault(row[other], Counter())[row[by]] += row["qpu_s"]
    return _bars(keys, series, f"Seconds of QPU in the last {'day' if days == 1 else f'{days:g} days'}, by {by}")


def usage_figure(by: str, since: str, rows: Sequence[Row]) -> Any:
    """What the devices counted, and what was only seen, as a plotly figure."""
    names = [short_id(row.key) if is_job_id(row.key) else row.key for row in rows]
    series = {
        "counted by the device": Counter({name: row.qpu_s for name, row in zip(names, rows, strict=True)}),
        "only seen from here": Counter({name: row.seen_s for name, row in zip(names, rows, strict=True)}),
    }
    shown = {name: values for name, values in series.items() if any(values.values())}
    return _bars(names, shown, f"Seconds of QPU in the last {since}, by {by}")


def _bars(keys: Sequence[str], series: Mapping[str, Counter[str]], title: str) -> Any:
    """A bar per key, the largest first, its sum at its end; those that are too many are one bar."""
    import plotly.graph_objects as go  # 0.1 s that only a picture needs

    shown, others = list(keys[:MOST_BARS]), keys[MOST_BARS:]
    names = [escaped(key) or "–" for key in shown] + ([f"{len(others)} others"] if others else [])
    plot = go.Figure(
        layout={
            **PLAIN, "barmode": "stack", "title": title, "bargap": 0.35, "height": 170 + 34 * max(2, len(names)),
            "margin": {"l": 10, "r": 10, "t": 60, "b": 50}, "legend": {"traceorder": "normal"}, "colorway": BETTER_TO_WORSE,
        }
    )  # fmt: skip
    totals = [0.0] * len(names)
    order = list(PROFILE_COLOURS)
    for name in sorted(series, key=lambda n: (order.index(n) if n in order else len(order), n)):
        values = [series[name][key] for key in shown] + ([sum(series[name][key] for key in others)] if others else [])
        totals = [a + b for a, b in zip(totals, values, strict=True)]
        plot.add_bar(
            orientation="h", name=escaped(name) or "–", y=names, x=values, marker={"color": PROFILE_COLOURS.get(name)}, showlegend=True,
            hovertemplate="%{y}: %{x:.4g} s<extra>" + (escaped(name) or "–") + "</extra>",
        )  # fmt: skip
    plot.add_scatter(
        x=totals, y=names, mode="text", text=[f" {duration(total)}" for total in totals], textposition="middle right",
        cliponaxis=False, showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    plot.update_xaxes(**GRID, title="seconds of QPU", range=[0, 1.15 * max([*totals, 1e-9])])
    plot.update_yaxes(autorange="reversed", type="category", automargin=True, ticksuffix=" ")
    return plot


def _summed(rows: Sequence[Mapping[str, Any]], by: str) -> dict[str, tuple[float, int, int]]:
    """The largest first."""
    sums: dict[str, tuple[float, int, int]] = {}
    for row in rows:
        seconds, tasks, slices = sums.get(row[by], (0.0, 0, 0))
        sums[row[by]] = (seconds + row["qpu_s"], tasks + row["tasks"], slices + row["slices"])
    return dict(sorted(sums.items(), key=lambda pair: -pair[1][0]))


_NOTHING = "Nothing ran in that time."
