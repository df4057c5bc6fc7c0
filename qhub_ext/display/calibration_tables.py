"""Calibrations as tables: the history of a device, what drifted, what a job ran under."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from qhub_ext.diagnosis.drift import QUANTITIES, Drifted, Move
from qhub_ext.display.calibration import Look
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.display.words import duration, moment
from qhub_ext.job.calibration import DEAD, Snapshot

SHOWN_DIGITS = 12


class TaskSight(Protocol):
    """One task, see `qhub_ext.service.calibrations.Seen`."""

    @property
    def primitive(self) -> str: ...
    @property
    def snapshots(self) -> tuple[str, ...]: ...
    @property
    def qubits(self) -> tuple[int, ...]: ...
    @property
    def edges(self) -> Mapping[tuple[int, int], int]: ...
    @property
    def success(self) -> float | None: ...


class JobSight(Protocol):
    """A job's calibrations, see `qhub_ext.service.calibrations.JobCalibration`."""

    @property
    def at_submission(self) -> str: ...
    @property
    def at_start(self) -> str: ...
    @property
    def changed(self) -> bool: ...
    @property
    def missing(self) -> tuple[str, ...]: ...
    @property
    def snapshots(self) -> Mapping[str, Snapshot]: ...
    @property
    def tasks(self) -> Sequence[TaskSight]: ...


def history_table(device: str, rows: Sequence[tuple[str, str, str]]) -> Table:
    """`rows` are (first digits of the id, moment in ISO 8601 UTC, where it is kept), the oldest first."""
    now = time.time()
    return Table(
        ("snapshot", "calibrated", "age", "kept"),
        [
            (digest[:SHOWN_DIGITS], moment(seconds(at), now), duration(now - seconds(at)), kept)
            for digest, at, kept in rows
        ],
        facts=[{"snapshot": digest, "calibrated_at": at, "kept": kept} for digest, at, kept in rows],
        title=f"Known calibrations of {device}, the newest last",
        footer=f"`calibration {device}@SNAPSHOT` draws one; `calibration {device} --drift` says what moved since the one before.",
    )


def drift_page(before: Snapshot, after: Snapshot, drifted: Drifted, most: int) -> Page:
    apart = abs(seconds(after.taken_at) - seconds(before.taken_at))
    title = f"{after.device}: from {short(before.id)} ({_when(before)}) to {short(after.id)} ({_when(after)}), {duration(apart)} apart"
    changes = Table(
        ("", "median", "was", "a value moves by", "moved over 10 %"),
        [
            (
                QUANTITIES[c.quantity],
                value_words(c.quantity, c.after),
                value_words(c.quantity, c.before),
                f"×{2**c.spread:.2f}" if c.measured else "–",
                f"{c.moved} of {c.measured}",
            )
            for c in drifted.changes
        ],
        title=title,
    )
    largest = drifted.largest(most)
    moves = Table(
        ("where", "quantity", "was", "is", ""),
        [
            (
                m.place,
                QUANTITIES[m.quantity],
                value_words(m.quantity, m.before),
                value_words(m.quantity, m.after),
                move_words(m),
            )
            for m in largest
        ],
        facts=[m.to_json() for m in drifted.moves],
        empty="Nothing moved.",
        footer=f"The {len(largest)} largest of {len(drifted.moves)} values; `--json`, or `.frame` in a notebook, has all.",
    )
    facts = {
        "before": head(before),
        "after": head(after),
        "quantities": {c.quantity: vars(c) for c in drifted.changes},
        "moves": [m.to_json() for m in drifted.moves],
    }
    return Page([changes, moves], facts, rows=moves.facts)


def job_page(job: str, seen: JobSight, look: Look | None) -> Page:
    """What a job ran under: a sentence per moment, a row per task, and the device with the places that it used."""
    lines = [f"Job {job}"]
    for words, identity in (("at submission", seen.at_submission), ("at the first quantum call", seen.at_start)):
        if identity:
            lines.append(f"  {words:<26} {_named(identity, seen.snapshots)}")
    if seen.changed:
        lines.append("  The device was calibrated in between: what was laid out for one snapshot ran under another.")
    if seen.missing:
        lines.append(f"  The numbers of {', '.join(map(short, seen.missing))} were not kept.")
    tasks = Table(
        ("task", "primitive", "snapshot", "qubits", "two-qubit gates", "chance of a shot"),
        [
            (
                str(number),
                task.primitive,
                ", then ".join(map(short, task.snapshots)),
                ", ".join(map(str, task.qubits)),
                str(sum(task.edges.values())),
                "–" if task.success is None else f"{task.success:.1%}",
            )
            for number, task in enumerate(seen.tasks, 1)
        ],
        empty="It has no finished quantum task yet.",
        widths={"qubits": 60},
    )
    facts = {
        "at_submission": seen.at_submission,
        "at_start": seen.at_start,
        "changed": seen.changed,
        "missing": list(seen.missing),
        "snapshots": [head(snapshot) for snapshot in seen.snapshots.values()],
        "tasks": [
            {**vars(task), "edges": [[*edge, count] for edge, count in task.edges.items()]} for task in seen.tasks
        ],
    }
    return Page([Text("\n".join(lines)), tasks, *([] if look is None else [look])], facts, rows=facts["tasks"])


def _named(identity: str, snapshots: Mapping[str, Snapshot]) -> str:
    found = next((s for i, s in snapshots.items() if i.startswith(identity)), None)
    return short(identity) if found is None else f"{short(identity)}, calibrated {_when(found)}"


def move_words(move: Move) -> str:
    if move.switched_off:
        return "switched off"
    if move.came_back:
        return "works again"
    if move.worse is None:
        return "–"
    factor = 2 ** abs(move.worse)
    return f"×{factor:.2f} {'worse' if move.worse > 0 else 'better'}" if factor >= 1.005 else "as before"


def value_words(quantity: str, value: float | None) -> str:
    if value is None:
        return "–"
    if quantity in ("t1_s", "t2_s"):
        return f"{value * 1e6:.0f} µs"
    return "off" if value == DEAD else f"{value:.2e}"


def head(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "device": snapshot.device,
        "snapshot_id": snapshot.id,
        "taken_at": snapshot.taken_at,
        "source": snapshot.source,
        "synthetic": snapshot.synthetic,
    }


def short(snapshot_id: str) -> str:
    return snapshot_id.removeprefix("sha256:")[:SHOWN_DIGITS]


def seconds(at: str) -> float:
    """ISO 8601 -> s since 1970 UTC."""
    return datetime.fromisoformat(at).timestamp()


def _when(snapshot: Snapshot) -> str:
    return moment(seconds(snapshot.taken_at)) + (", simulated" if snapshot.synthetic else "")
