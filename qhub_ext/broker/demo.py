"""Two users and three profiles at one virtual QPU, for half a minute: who had the device when, and that nobody lost a shot."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.rows import SliceRow, TaskRow
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers.qpu.virtual import virtual_resource

SPEED = 20.0
SLICE_S = 6.0
"""Seconds of QPU; the virtual QPU's clock makes a third of a second of it."""

# (user, profile, what, shots, submitted when this share of the first task is done)
TASKS = (
    ("bob", "development", "trial", 120_000, 0.0),
    ("bob", "test", "nightly", 40_000, 0.15),
    ("alice", "production", "campaign 1", 20_000, 0.3),
    ("alice", "development", "trial", 40_000, 0.3),
    ("alice", "production", "campaign 2", 20_000, 0.7),
)
_UIDS = {"alice": 1_000_001, "bob": 1_000_002}
_BELL = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nbit[2] meas;\nsx $0;\ncz $0, $1;\nsx $1;\nmeas[0] = measure $0;\nmeas[1] = measure $1;\n'


@dataclass(frozen=True)
class Shown:
    """One task with its slices. `name` says whose, which profile and what."""

    name: str
    profile: str
    row: TaskRow
    slices: tuple[SliceRow, ...]


def run_demo(device: str, tell: Callable[[str], None]) -> list[Shown]:
    """Takes some half a minute. Raises DeviceError where no virtual QPU can be started."""
    with tempfile.TemporaryDirectory(prefix="qhub-broker-demo-") as folder:
        settings = QpuSettings(virtual_directory=Path(folder) / "qpu", virtual_speed=SPEED, poll_s=0.02, poll_max_s=0.1)
        tell("A virtual QPU starts (simulated) ...")
        resource = virtual_resource(device, settings)
        desk = Desk(Path(folder) / "ledger", [device], Policy(slice_s=SLICE_S))
        thread = DeviceThread(desk, resource, settings)
        thread.start()
        try:
            return _play(desk, device, tell)
        finally:
            desk.close()
            thread.join(10.0)
            desk.ledger.close()
            _end_virtual(settings)


def _play(desk: Desk, device: str, tell: Callable[[str], None]) -> list[Shown]:
    names: dict[str, tuple[str, str]] = {}
    waiting = list(TASKS)
    first = ""
    while waiting or any(not row.ended for row in desk.ledger.tasks(limit=len(TASKS))):
        begun = desk.ledger.task(first) if first else None
        share = 0.0 if begun is None else begun.done / begun.shots
        while waiting and (waiting[0][4] <= share or (begun is not None and begun.ended)):
            user, profile, what, shots, _ = waiting.pop(0)
            session = desk.sessions.open(_UIDS[user], user, profile=profile)
            params = {"pubs": [[_BELL, None, shots]], "version": 2, "support_qiskit": True, "options": {}}
            row = desk.submit(session, device, "sampler", params)
            first = first or row.id
            names[row.id] = (f"{user}: {what}", profile)
            tell(f"{user} submits {what!r} as {profile}: {shots:,} shots")
        time.sleep(0.05)
    rows = sorted(desk.ledger.tasks(limit=len(TASKS)), key=lambda row: row.submitted_at)
    return [Shown(*names[row.id], row, tuple(desk.ledger.slices(row.id))) for row in rows]


def timeline(shown: list[Shown], width: int = 60) -> str:
    """A line of text per task: · waits, █ is on the device."""
    begin = min(s.row.submitted_at for s in shown)
    end = max(s.row.ended_at or begin for s in shown)
    step = max(end - begin, 1e-9) / width
    label = max(len(s.name) + len(s.profile) for s in shown) + 3
    lines = []
    for one in shown:
        cells = []
        for place in range(width):
            a, b = begin + place * step, begin + (place + 1) * step
            busy = any(s.sent_at < b and (s.ended_at or b) > a for s in one.slices)
            alive = one.row.submitted_at < b and (one.row.ended_at or end) > a
            cells.append("█" if busy else "·" if alive else " ")
        done = sum(p.units for s in one.slices if s.state == "done" for p in s.pieces)
        slices = f"{len(one.slices)} slice{'s' if len(one.slices) > 1 else ''}"
        lines.append(f"{f'{one.name} ({one.profile})':<{label}} {''.join(cells)} {done:,} of {one.row.shots:,} shots, {slices}")  # fmt: skip
    lines.append(f"{'':<{label}} {'0 s':<{width - 6}}{end - begin:5.1f} s")
    lines.append(f"{'':<{label}} █ on the device   · waits; what a more urgent task interrupts goes on where it was")
    return "\n".join(lines)


def figure(shown: list[Shown]) -> Any:
    """The same as a plotly figure: a row per task, waiting in grey, each slice in the colour of its profile."""
    import plotly.graph_objects as go

    from qhub_ext.display.pages import GRID, PLAIN, PROFILE_COLOURS

    begin = min(s.row.submitted_at for s in shown)
    rows = {s.row.id: f"{s.name}<br>{s.profile}" for s in shown}
    plot = go.Figure(
        layout={
            **PLAIN, "barmode": "overlay", "bargap": 0.35, "height": 170 + 52 * len(shown), "margin": {"l": 10, "r": 10, "t": 60, "b": 50},
            "title": "Who had the virtual QPU (simulated), slice by slice",
        }
    )  # fmt: skip
    plot.add_bar(
        orientation="h", name="waits", marker_color="rgba(128,128,128,0.25)", y=list(rows.values()),
        base=[s.row.submitted_at - begin for s in shown], x=[(s.row.ended_at or s.row.submitted_at) - s.row.submitted_at for s in shown],
        hovertemplate="%{y}: %{x:.2f} s from its submission to its end<extra></extra>",
    )  # fmt: skip
    for profile, colour in PROFILE_COLOURS.items():
        pairs = [(rows[s.row.id], one) for s in shown if s.profile == profile for one in s.slices]
        plot.add_bar(
            orientation="h", name=profile, marker={"color": colour, "line": {"width": 1, "color": "rgba(255,255,255,0.8)"}},
            y=[name for name, _ in pairs], base=[one.sent_at - begin for _, one in pairs],
            x=[(one.ended_at or one.sent_at) - one.sent_at for _, one in pairs],
            customdata=[sum(p.units for p in one.pieces) for _, one in pairs],
            hovertemplate="%{y}<br>%{customdata:,} shots in %{x:.2f} s<extra>" + profile + "</extra>",
        )  # fmt: skip
    plot.add_scatter(
        x=[(s.row.ended_at or begin) - begin for s in shown], y=list(rows.values()), mode="text", cliponaxis=False, showlegend=False,
        text=[f" {s.row.done:,} of {s.row.shots:,} shots" for s in shown], textposition="middle right", hoverinfo="skip",
    )  # fmt: skip
    last = max((s.row.ended_at or begin) - begin for s in shown)
    plot.update_xaxes(**GRID, title="seconds", range=[0, 1.4 * last])
    plot.update_yaxes(autorange="reversed", type="category", automargin=True, ticksuffix=" ")
    return plot


def _end_virtual(settings: QpuSettings) -> None:
    try:
        pid = int(json.loads((settings.virtual_directory / "server.json").read_text())["pid"])
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError, KeyError):
        return
    for _ in range(200):
        if not (settings.virtual_directory / "server.json").exists():
            return
        time.sleep(0.05)
