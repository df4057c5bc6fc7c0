"""A snapshot as a map to draw: a row per qubit with its place, a row per edge; every value with the moment of its measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from qhub_ext.job.calibration import DEAD, ONE_QUBIT_GATES, Snapshot


def chart(snapshot: Snapshot, configuration: Mapping[str, Any], *, dates: bool = False) -> dict[str, Any]:
    """Moments in s since 1970 UTC. `dated_at` is the oldest moment among the values of a row.

    With `dates` each qubit also has the moment of each of its values, by the value's name.
    """
    places = coordinates(snapshot, configuration)
    t1, t2, readout = (snapshot.column(name) for name in ("t1_s", "t2_s", "readout_error"))
    dead = set(snapshot.dead_qubits)
    qubits: list[dict[str, Any]] = [
        {
            "index": q,
            "x": places[q][0],
            "y": places[q][1],
            "t1_s": t1[q],
            "t2_s": t2[q],
            "readout_error": readout[q],
            "one_qubit_error": snapshot.one_qubit_errors[q],
            "dated_at": _oldest(t1.at[q], t2.at[q], readout.at[q]),
            "dead": q in dead,
        }
        for q in range(snapshot.qubits)
    ]
    if dates:
        one_qubit = _one_qubit_dates(snapshot)
        for q, row in enumerate(qubits):
            moments = {
                "t1_s": t1.at[q],
                "t2_s": t2.at[q],
                "readout_error": readout.at[q],
                "one_qubit_error": one_qubit[q],
            }
            row["dates"] = {name: _oldest(at) for name, at in moments.items()}
    gates = _best_gates(snapshot)
    edges = [
        {
            "a": a,
            "b": b,
            "error": error,
            "dead": error == DEAD,
            "gate": gates.get((a, b), ("", None))[0],
            "dated_at": _oldest(gates.get((a, b), ("", None))[1]),
        }
        for (a, b), error in snapshot.edges.items()
    ]
    return {
        "device": snapshot.device,
        "snapshot_id": snapshot.id,
        "snapshot_at": _oldest(snapshot.taken_at),
        "synthetic": snapshot.synthetic,
        "qubits": qubits,
        "edges": edges,
    }


def coordinates(snapshot: Snapshot, configuration: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Where the vendor draws each qubit. For devices without a drawing, such as IQM's, places that are as far apart as their qubits are
    along the edges; for large ones and those in several pieces, a circle in the order of a walk along the edges.
    """
    drawn = configuration.get("coords")
    if drawn and len(drawn) == snapshot.qubits:
        return [(float(x), float(y)) for x, y in drawn]
    if snapshot.qubits <= _MOST_UNFOLDED:
        unfolded = _unfolded(snapshot)
        if unfolded is not None:
            return unfolded
    radius = snapshot.qubits / (2 * math.pi)
    places = [(0.0, 0.0)] * snapshot.qubits
    for step, qubit in enumerate(_walk(snapshot)):
        angle = 2 * math.pi * step / snapshot.qubits
        places[qubit] = (round(radius * math.sin(angle), 4), round(radius * math.cos(angle), 4))
    return places


_MOST_UNFOLDED = 64
"""Qubits; the steps grow with their square, and the server does this without numpy."""
_STEPS = 120


def _unfolded(snapshot: Snapshot) -> list[tuple[float, float]] | None:
    """Classical multidimensional scaling of the distances along the edges, by power iteration; None where not all are joined."""
    width = snapshot.qubits
    near: list[list[int]] = [[] for _ in range(width)]
    for a, b in snapshot.edges:
        near[a].append(b)
        near[b].append(a)
    squares = []
    for start in range(width):
        hops, reached = {start: 0}, [start]
        for qubit in reached:
            for other in near[qubit]:
                if other not in hops:
                    hops[other] = hops[qubit] + 1
                    reached.append(other)
        if len(hops) < width:
            return None
        squares.append([float(hops[q] ** 2) for q in range(width)])
    rows = [sum(row) / width for row in squares]
    whole = sum(rows) / width
    matrix = [[-0.5 * (squares[i][j] - rows[i] - rows[j] + whole) for j in range(width)] for i in range(width)]
    axes: list[list[float]] = []
    for number in range(2):
        vector, value = [math.sin((number + 1.3) * (q + 1)) for q in range(width)], 0.0
        for _ in range(_STEPS):
            for axis in axes:
                share = math.fsum(map(float.__mul__, axis, vector)) / (math.fsum(x * x for x in axis) or 1.0)
                vector = [v - share * x for v, x in zip(vector, axis, strict=True)]
            value = math.sqrt(math.fsum(v * v for v in vector))
            if value < 1e-9:
                break
            vector = [v / value for v in vector]
            vector = [math.fsum(map(float.__mul__, row, vector)) for row in matrix]
        axes.append([v / math.sqrt(value) if value >= 1e-9 else 0.0 for v in vector])
    return [(round(x, 3), round(y, 3)) for x, y in zip(*axes, strict=True)]


def _walk(snapshot: Snapshot) -> list[int]:
    """All qubits, depth first, so that most edges join neighbours."""
    near: dict[int, list[int]] = {q: [] for q in range(snapshot.qubits)}
    for a, b in snapshot.edges:
        near[a].append(b)
        near[b].append(a)
    found: dict[int, None] = {}
    for start in sorted(near, key=lambda q: (len(near[q]), q)):
        stack = [start]
        while stack:
            qubit = stack.pop()
            if qubit not in found:
                found[qubit] = None
                stack += sorted(near[qubit], key=lambda q: -len(near[q]))
    return list(found)


def _one_qubit_dates(snapshot: Snapshot) -> list[str | None]:
    """Of the errors that `snapshot.one_qubit_errors` tells."""
    for name in ONE_QUBIT_GATES:
        if name in snapshot.gates and (not snapshot.basis or name in snapshot.basis):
            table = snapshot.gates[name]
            at = dict(zip(table.qubits, table.error.at, strict=True))
            return [at.get((q,)) for q in range(snapshot.qubits)]
    return [None] * snapshot.qubits


def _best_gates(snapshot: Snapshot) -> dict[tuple[int, int], tuple[str, str | None]]:
    """The gate whose error `snapshot.edges` tells, with the moment of its measurement."""
    found: dict[tuple[int, int], tuple[str, str | None]] = {}
    for name, table in snapshot.gates.items():
        if snapshot.basis and name not in snapshot.basis:
            continue
        for site, error, at in zip(table.qubits, table.error.values, table.error.at, strict=True):
            if len(site) == 2:
                edge = (min(site), max(site))
                if edge not in found or (error is not None and error == snapshot.edges.get(edge)):
                    found[edge] = (name, at)
    return found


def _oldest(*moments: str | None) -> float | None:
    return min((datetime.fromisoformat(m).timestamp() for m in moments if m), default=None)
