"""How a calibration differs from the one before it: the vendor's properties of a real snapshot, moved as real devices move.

Each value is the real one times exp(sigma x), where x of each qubit and each edge is a first-order autoregression of unit variance that starts
at 0 and keeps the share `memory` from one calibration to the next. The numbers are measured: robust standard deviations (1.4826 MAD) of
ln(new / old) between two real snapshots of one device that lie up to seven weeks apart, divided by sqrt(2) because both of them drift. The
pairs are those that the history of qiskit-ibm-runtime's fake_provider holds: fez (0.9 and 34 days, 156 qubits), sherbrooke (41 days,
127 qubits), hanoi (14 and 41 days, 27 qubits). `memory` comes from fez after 0.9 days beside fez after 34. Over years the same pairs
spread no wider, so there is no trend.

Switched-off edges: sherbrooke went from 4 to 6 of 144 in 41 days and hanoi from 4 to 2 of 56.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhub_ext.job.calibration import DEAD


@dataclass(frozen=True)
class Drift:
    """`sigma` of the logarithm, `memory` the correlation of two calibrations in a row."""

    sigma: float
    memory: float


T1 = Drift(0.26, 0.2)
T2 = Drift(0.19, 0.6)
READOUT = Drift(0.19, 0.8)
ONE_QUBIT = Drift(0.30, 0.8)
TWO_QUBITS = Drift(0.28, 0.8)

GATE_LOST = 4e-4
"""Chance that an edge is switched off by one calibration."""
GATE_REGAINED = 0.02
"""Chance that a switched-off edge works again after one."""

REACH = 40
"""Calibrations that are looked back upon: what memory 0.8 leaves of one further away is 1e-4."""
MOST_ERROR = 0.5

_QUBIT_KINDS = {
    "T1": "t1",
    "T2": "t2",
    "readout_error": "readout",
    "prob_meas0_prep1": "readout",
    "prob_meas1_prep0": "readout",
}
_DRIFTS = {"t1": T1, "t2": T2, "readout": READOUT, "gate": ONE_QUBIT}


def drifted(properties: Mapping[str, Any], device: str, seed: int, cycle: int, at: float) -> dict[str, Any]:
    """The vendor's properties after `cycle` calibrations; `at` in s since 1970 UTC dates them. Cycle 0 is the real snapshot, as it is.

    The numbers follow from (properties, device, seed, cycle) alone.
    """
    moved = copy.deepcopy(dict(properties))
    if cycle <= 0:
        return moved
    errors = _edge_errors(moved)
    edges = sorted(errors)
    dead = {edge for edge, found in errors.items() if found and min(found) >= DEAD}
    state = _walk(len(moved["qubits"]), edges, dead, device, seed, cycle)
    date = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    for qubit, parameters in enumerate(moved["qubits"]):
        _move_qubit(parameters, {kind: float(state.factors[kind][qubit]) for kind in _DRIFTS}, date)
    usual = _usual_errors(moved)
    for gate in moved["gates"]:
        qubits = gate["qubits"]
        for parameter in gate["parameters"]:
            parameter["date"] = date
            if parameter["name"] != "gate_error" or not isinstance(parameter["value"], int | float):
                continue
            if len(qubits) == 1:
                parameter["value"] = _error(parameter["value"], float(state.factors["gate"][qubits[0]]))
            elif len(qubits) == 2:
                edge = _edge(gate)
                if edge in state.dead:
                    parameter["value"] = DEAD
                else:
                    before = usual.get(gate["gate"], parameter["value"]) if edge in dead else parameter["value"]
                    parameter["value"] = _error(before, state.edges[edge])
    return moved | {"last_update_date": date, "simulated": True, "cycle": cycle}


@dataclass(frozen=True)
class _State:
    factors: Mapping[str, NDArray[np.float64]]
    edges: Mapping[tuple[int, int], float]
    dead: set[tuple[int, int]]


def _walk(
    width: int, edges: list[tuple[int, int]], dead: set[tuple[int, int]], device: str, seed: int, cycle: int
) -> _State:
    places = {kind: np.zeros(width) for kind in _DRIFTS}
    along = np.zeros(len(edges))
    off = np.array([edge in dead for edge in edges], dtype=bool)
    for step in range(max(0, cycle - REACH) + 1, cycle + 1):
        random = np.random.default_rng(list(hashlib.sha256(f"{device}:{seed}:{step}".encode()).digest()))
        for kind, drift in _DRIFTS.items():
            places[kind] = _next(places[kind], drift, random.standard_normal(width))
        along = _next(along, TWO_QUBITS, random.standard_normal(len(edges)))
        chance = random.random(len(edges))
        off = np.where(off, chance >= GATE_REGAINED, chance < GATE_LOST)
    return _State(
        {kind: np.exp(drift.sigma * places[kind]) for kind, drift in _DRIFTS.items()},
        dict(zip(edges, np.exp(TWO_QUBITS.sigma * along).tolist(), strict=True)),
        {edge for edge, is_off in zip(edges, off, strict=True) if is_off},
    )


def _next(before: NDArray[np.float64], drift: Drift, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    return drift.memory * before + np.sqrt(1 - drift.memory**2) * noise


def _move_qubit(parameters: list[dict[str, Any]], factors: Mapping[str, float], date: str) -> None:
    known = {p["name"]: p for p in parameters}
    physical = _ratio(known) <= 2
    for parameter in parameters:
        parameter["date"] = date
        kind = _QUBIT_KINDS.get(parameter["name"])
        if kind is None or not isinstance(parameter["value"], int | float):
            continue
        if kind == "readout":
            parameter["value"] = _error(parameter["value"], factors[kind])
        else:
            parameter["value"] *= factors[kind]
    if physical and _ratio(known) > 2:  # T2 may not leave 2 T1 behind where it had not
        known["T2"]["value"] *= 2 / _ratio(known)


def _ratio(known: Mapping[str, dict[str, Any]]) -> float:
    """T2 / T1, 0 where one of them is not known."""
    t1, t2 = (known[name]["value"] if name in known else None for name in ("T1", "T2"))
    if not t1 or not t2 or known["T1"].get("unit") != known["T2"].get("unit"):
        return 0.0
    return float(t2 / t1)


def _error(value: float, factor: float) -> float:
    """A dead gate stays dead, and an error below 1/2 stays there."""
    return value if value >= MOST_ERROR else min(MOST_ERROR, value * factor)


def _edge(gate: Mapping[str, Any]) -> tuple[int, int]:
    a, b = gate["qubits"]
    return (min(a, b), max(a, b))


def _edge_errors(properties: Mapping[str, Any]) -> dict[tuple[int, int], list[float]]:
    found: dict[tuple[int, int], list[float]] = {}
    for gate in properties["gates"]:
        if len(gate["qubits"]) == 2:
            errors = [p["value"] for p in gate["parameters"] if p["name"] == "gate_error" and p["value"] is not None]
            found.setdefault(_edge(gate), []).extend(errors)
    return found


def _usual_errors(properties: Mapping[str, Any]) -> dict[str, float]:
    """Per two-qubit gate, the median error of the edges that work: what a regained edge begins with."""
    by_gate: dict[str, list[float]] = {}
    for gate in properties["gates"]:
        if len(gate["qubits"]) == 2:
            by_gate.setdefault(gate["gate"], []).extend(
                p["value"] for p in gate["parameters"] if p["name"] == "gate_error" and p["value"] and p["value"] < DEAD
            )
    return {name: float(np.median(errors)) for name, errors in by_gate.items() if errors}
