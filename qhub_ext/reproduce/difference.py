"""What differs between two jobs, as their folders tell it: cell, inputs, options, seeds, device, snapshot, method, packages, resources.

Each part says how far it can explain that results differ: a reason that changes what is computed comes before one that changes the noise,
and that before one that only changes which shots were drawn.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from qhub_ext.capture.manifest import Manifest, read_manifest
from qhub_ext.diagnosis.drift import MOVED, Move, drift_between
from qhub_ext.errors import QhubError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.job.record import JobRecord
from qhub_ext.jobfolder.calibrations import read_pinned
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.runtime import read_runtime
from qhub_ext.jobfolder.tasks import read_tasks

PROBLEM, NOISE, DRAW = 3, 2, 1
"""Another computation, another noise, other shots of the same: how far a part that differs explains that results do."""

_CIRCUITS = ("qiskit", "qiskit-aer", "qhub-ext")
_OPTIONS = ("shots", "profile", "time_s", "cpus", "memory_mb", "site", "arguments", "kind")
_RESOURCES = ("time_s", "cpus", "memory_mb", "site", "profile")


@dataclass(frozen=True)
class Facts:
    """Of one job, read from its folder. `here` is the place where it ran, `captured` that of its submission."""

    record: JobRecord
    cell: str
    inputs: Manifest
    outputs: Manifest
    captured: Mapping[str, Any]
    here: Mapping[str, Any]
    tasks: Sequence[Mapping[str, Any]]
    snapshot: Snapshot | None


def read_facts(folder: JobFolder, record: JobRecord) -> Facts:
    """What is missing counts as empty; raises JobFolderError for what is torn."""
    attempt = folder.latest_attempt()
    tasks = read_tasks(folder)
    ran_under = next((str(t["snapshot"]["id"]) for t in tasks if (t.get("snapshot") or {}).get("id")), "")
    captured = read_runtime(folder.runtime) or {}
    return Facts(
        record=record,
        cell=folder.cell.read_text("utf-8", "replace") if folder.cell.exists() else "",
        inputs=_manifest(folder.inputs),
        outputs=Manifest() if attempt is None else _manifest(attempt.variables),
        captured=captured,
        here=(None if attempt is None else read_runtime(attempt.runtime)) or captured,
        tasks=tasks,
        snapshot=read_pinned(folder, ran_under) if ran_under else None,
    )


def _manifest(directory: Any) -> Manifest:
    return read_manifest(directory) if (directory / "manifest.json").exists() else Manifest()


@dataclass(frozen=True)
class Part:
    """One thing that differs. `rows` are (what, first, second). `weight` is PROBLEM, NOISE, DRAW, or 0 where it explains no difference of
    results. `sentence` is what to say when it is the most probable reason.
    """

    name: str
    rows: tuple[tuple[str, str, str], ...]
    weight: int = 0
    sentence: str = ""
    text: str = field(default="")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def differences(first: Facts, second: Facts) -> list[Part]:
    """The parts that differ, the most probable reason for different results first."""
    found = [*_parts(first, second)]
    return sorted((part for part in found if part.rows or part.text), key=lambda part: -part.weight)


def _parts(a: Facts, b: Facts) -> Iterable[Part]:
    yield _cell(a, b)
    yield _inputs(a, b)
    yield _tier(a, b)
    yield _circuits(a, b)
    yield _options(a, b)
    yield _method(a, b)
    yield _snapshot(a, b)
    yield _packages(a, b)
    yield _seeds(a, b)
    yield _resources(a, b)
    yield _place(a, b)


def _cell(a: Facts, b: Facts) -> Part:
    if a.cell == b.cell:
        return Part("cell", ())
    lines = list(difflib.unified_diff(a.cell.splitlines(), b.cell.splitlines(), "first", "second", lineterm="", n=2))
    changed = sum(1 for line in lines[2:] if line[:1] in "+-")
    return Part("cell", (), PROBLEM, f"The cells differ in {changed} line{'s' * (changed != 1)}.", "\n".join(lines))


def _inputs(a: Facts, b: Facts) -> Part:
    rows = []
    for name in sorted({*a.inputs.names, *b.inputs.names}):
        one, other = a.inputs.names.get(name), b.inputs.names.get(name)
        told = [("–" if e is None else e.summary or e.type or e.module) for e in (one, other)]
        if (
            one is None
            or other is None
            or (one.form, one.module, one.digest) != (other.form, other.module, other.digest)
        ):
            same = " (other content)" if told[0] == told[1] else ""
            rows.append((name, told[0], f"{told[1]}{same}"))
    swept, other_swept = (f.record.spec.element.values if f.record.spec.element else {} for f in (a, b))
    rows += [
        (k, repr(swept.get(k)), repr(other_swept.get(k)))
        for k in sorted({*swept, *other_swept})
        if swept.get(k) != other_swept.get(k)
    ]
    return Part("inputs", tuple(rows), PROBLEM, f"The values differ that came along: {', '.join(r[0] for r in rows)}.")


def _tier(a: Facts, b: Facts) -> Part:
    one, other = a.record.spec, b.record.spec
    rows = _rows(
        {n: getattr(one, n) for n in ("tier", "device", "resource")},
        {n: getattr(other, n) for n in ("tier", "device", "resource")},
    )
    if one.device != other.device:
        return Part("device", rows, PROBLEM, f"One ran for {one.device}, the other for {other.device}.")
    return Part(
        "tier",
        rows,
        NOISE,
        f"One ran on the tier {one.tier}, the other on {other.tier}: only their noise is to differ.",
    )


def _circuits(a: Facts, b: Facts) -> Part:
    prints = [[str(pub.get("fingerprint", "")) for task in f.tasks for pub in task.get("pubs") or ()] for f in (a, b)]
    qubits = [sorted({q for task in f.tasks for q in task.get("active_qubits") or ()}) for f in (a, b)]
    rows = []
    if prints[0] != prints[1] and all(p and all(p) for p in prints):
        rows.append(("circuits", _listed([p[:8] for p in prints[0]]), _listed([p[:8] for p in prints[1]])))
    if qubits[0] != qubits[1]:
        rows.append(("qubits", _listed(map(str, qubits[0])), _listed(map(str, qubits[1]))))
    calibrated = a.snapshot is not None and b.snapshot is not None and a.snapshot.id != b.snapshot.id
    why = "Other circuits reached the device"
    if a.cell != b.cell:
        why += "."
    elif calibrated:
        why += ": it was calibrated in between, and a transpiler chooses qubits by their numbers. An initial_layout keeps them."
    else:
        why += " though cell and inputs are the same: transpiling drew another layout. Give it a seed_transpiler."
    return Part("circuits", tuple(rows), PROBLEM if a.cell != b.cell else NOISE, why)


def _options(a: Facts, b: Facts) -> Part:
    one, other = ({n: getattr(f.record.spec, n) for n in _OPTIONS if n not in _RESOURCES} for f in (a, b))
    tasks = [[dict(task.get("options") or {}) for task in f.tasks] for f in (a, b)]
    rows = [*_rows(one, other)]
    for number, (first, second) in enumerate(zip(*tasks, strict=False), start=1):
        rows += [(f"task {number}: {what}", x, y) for what, x, y in _rows(first, second)]
    only_shots = all(row[0] == "shots" for row in rows)
    return Part(
        "options", tuple(rows), DRAW if only_shots else NOISE, f"Options differ: {', '.join(r[0] for r in rows)}."
    )


def _method(a: Facts, b: Facts) -> Part:
    told = [sorted({str(m.get("method")) for task in f.tasks for m in task.get("methods") or ()}) for f in (a, b)]
    if told[0] == told[1] or not all(told):
        return Part("method", ())
    rows = (("method", ", ".join(told[0]), ", ".join(told[1])),)
    return Part(
        "method",
        rows,
        DRAW,
        "They were simulated by different methods, which draw other shots of the same distribution.",
    )


def _snapshot(a: Facts, b: Facts) -> Part:
    if (
        a.snapshot is None
        or b.snapshot is None
        or a.snapshot.id == b.snapshot.id
        or a.snapshot.device != b.snapshot.device
    ):
        return Part("snapshot", ())
    used = {q for f in (a, b) for task in f.tasks for q in task.get("active_qubits") or ()}
    rows = [("taken at", a.snapshot.taken_at, b.snapshot.taken_at)]
    try:
        moves = drift_between(a.snapshot, b.snapshot).moves
    except QhubError:
        moves = ()
    moved = sorted(
        (m for m in moves if used.issuperset(m.qubits) and _has_moved(m)), key=lambda m: -abs(m.worse or 99.0)
    )
    rows += [(f"{m.quantity} of {m.place}", _number(m.before), _number(m.after)) for m in moved[:20]]
    where = (
        f"{len(moved)} value{'' if len(moved) == 1 else 's'} moved on the {len(used)} qubits that were used"
        if used
        else "it is not known which qubits were used"
    )
    weight = NOISE if (moved or not used) and "local" not in {f.record.spec.tier for f in (a, b)} else 0
    return Part("snapshot", tuple(rows), weight, f"The device was calibrated in between: {where}.")


def _has_moved(move: Move) -> bool:
    return move.switched_off or move.came_back or (move.worse is not None and abs(move.worse) > MOVED)


def _packages(a: Facts, b: Facts) -> Part:
    one, other = (dict(f.here.get("packages") or {}) | {"Python": str(f.here.get("python", ""))} for f in (a, b))
    rows = _rows(one, other)
    telling = [r for r in rows if r[0] in _CIRCUITS or r[0] == "Python"]
    ordered = (*telling, *(r for r in rows if r not in telling))
    weight = NOISE if any(r[0] in _CIRCUITS for r in rows) else DRAW
    named = ", ".join(f"{r[0]} {r[1]} and {r[2]}" for r in ordered[:3])
    return Part("packages", ordered, weight if rows else 0, f"They ran with other versions: {named}.")


def _seeds(a: Facts, b: Facts) -> Part:
    told = [[task.get("root_seed", task.get("seed")) for task in f.tasks] for f in (a, b)]
    rows = [
        (f"task {n}", str(x), str(y))
        for n, (x, y) in enumerate(zip(*told, strict=False), start=1)
        if x != y and None not in (x, y)
    ]
    if len(told[0]) != len(told[1]):
        rows.append(("tasks", str(len(told[0])), str(len(told[1]))))
    return Part("seeds", tuple(rows), DRAW, "Their shots were drawn with different seeds.")


def _resources(a: Facts, b: Facts) -> Part:
    one, other = ({n: getattr(f.record.spec, n) for n in _RESOURCES} | dict(f.record.spec.site_options) for f in (a, b))
    return Part("resources", _rows(one, other))


def _place(a: Facts, b: Facts) -> Part:
    keys = ("host", "prefix", "platform", "modules")
    one, other = (
        {k: f.here.get(k) for k in keys} | _container(f.here.get("container")) | dict(f.here.get("machine") or {})
        for f in (a, b)
    )
    # records of earlier versions do not name them
    blas = [dict(f.here.get("blas") or {}) for f in (a, b)]
    libraries = [{f"BLAS of {n}": found[n] for n in blas[0].keys() & blas[1].keys()} for found in blas]
    rounding = _rows(*libraries)
    environment = [dict(f.captured.get("environment") or {}) for f in (a, b)]
    sentence = "Other libraries did the linear algebra." if rounding else ""
    return Part("place", (*_rows(one, other), *rounding, *_rows(*environment)), 0, sentence)


def _container(record: Mapping[str, Any] | None) -> dict[str, Any]:
    return {f"container {key}" if key != "engine" else "container": value for key, value in (record or {}).items()}


def _rows(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    keys = dict.fromkeys((*one, *other))
    return tuple((key, _said(one.get(key)), _said(other.get(key))) for key in keys if one.get(key) != other.get(key))


def _said(value: Any) -> str:
    if value is None or value in ("", [], ()):
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _listed(words: Iterable[str]) -> str:
    found = list(words)
    return ", ".join(found[:12]) + (f" and {len(found) - 12} more" if len(found) > 12 else "") or "–"
