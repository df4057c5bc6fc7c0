"""Which outcomes a circuit can give without errors, and how many of its shots must fall among them if the device is as calibrated.

A shot without an error gives one of the ideal outcomes, so their share is at least the probability of no error at all. That is bounded from
below by what the calibration says: process fidelities of the gates, the worse of the readout errors, and for the whole length of the circuit the
decay of every qubit, also where gates have it in their error already. What no calibration measures (crosstalk, leakage) is allowed for by errors
half again as large.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError

from qhub_ext.job.calibration import DEAD
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.facts import circuit_seconds
from qhub_ext.tiers.findings import NOTE, Finding

MOST_QUBITS, MOST_GATES = 10, 600
"""A state vector of so many is made in a few milliseconds."""
ALLOWANCE = 1.5
POSSIBLE = 1e-9
"""An outcome that is less probable is rounding."""
_SILENT = ("barrier", "id", "delay")


@dataclass(frozen=True, eq=False)
class Expectation:
    """`possible[n]` for the number n that the bits at `places` make, the first the lowest. `at_least` is their share."""

    places: tuple[int, ...]
    possible: NDArray[np.bool_]
    at_least: float

    def hits(self, bits: NDArray[np.uint8]) -> int:
        """How many rows of packed bits (the last clbit first) are possible."""
        single = np.unpackbits(bits, axis=-1)
        columns = single[..., [single.shape[-1] - 1 - place for place in self.places]].astype(np.int64)
        numbers = columns @ (1 << np.arange(len(self.places), dtype=np.int64))
        return int(self.possible[numbers].sum())


def expectation(circuit: QuantumCircuit, device: Device) -> Expectation | None:
    """Of an ISA circuit without parameters whose measurements come last; None for others, for large ones, and where the calibration lacks a value."""
    if circuit.num_parameters or len(circuit.data) > MOST_GATES:
        return None
    index: dict[int, int] = {}
    gates, measured = [], {}
    uses: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for instruction in circuit.data:
        name = instruction.name
        if name == "barrier":
            continue
        places = tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        if instruction.is_control_flow() or name == "reset" or any(place in measured for place in places):
            return None
        if name == "measure":
            measured[places[0]] = circuit.find_bit(instruction.clbits[0]).index
        uses[name, places] += 1
        for place in places:
            index.setdefault(place, len(index))
        if name not in (*_SILENT, "measure"):
            gates.append((instruction.operation, places))
    if not measured or len(index) > MOST_QUBITS or len(set(measured.values())) < len(measured):
        return None
    share = _share(circuit, uses, index, device)
    state = None if share is None else _state(gates, index)
    if share is None or state is None:
        return None
    axes = [index[qubit] for qubit in measured]
    others = tuple(axis for axis in range(len(index)) if axis not in axes)
    probable = (np.abs(state) ** 2).sum(axis=others)
    kept = [axis for axis in range(len(index)) if axis in axes]
    in_order = probable.transpose([kept.index(axis) for axis in reversed(axes)])
    return Expectation(tuple(measured.values()), in_order.ravel() > POSSIBLE, share)


def _state(gates: Iterable[tuple[object, tuple[int, ...]]], index: dict[int, int]) -> NDArray[np.complex128] | None:
    width = len(index)
    state = np.zeros((2,) * width, dtype=np.complex128)
    state[(0,) * width] = 1.0
    for operation, places in gates:
        try:
            matrix = np.asarray(operation.to_matrix())  # type: ignore[attr-defined]
        except (AttributeError, TypeError, QiskitError):
            return None
        count = len(places)
        axes = [index[place] for place in reversed(places)]  # of a matrix the first qubit is the lowest
        tensor = matrix.reshape((2,) * (2 * count))
        moved = np.tensordot(tensor, state, axes=(range(count, 2 * count), axes))
        state = np.moveaxis(moved, range(count), axes)
    return state


def _share(
    circuit: QuantumCircuit, uses: Counter[tuple[str, tuple[int, ...]]], qubits: Iterable[int], device: Device
) -> float | None:
    """Shots without an error, at least; None where the calibration lacks what that takes."""
    target, snapshot = device.target, device.snapshot
    costs: list[float] = []
    for (name, places), count in uses.items():
        if name == "delay":
            continue
        if name == "measure":
            known = [snapshot.columns[c][places[0]] for c in _READOUT if c in snapshot.columns]
            error = max((e for e in known if e is not None), default=None)
        else:
            properties = target[name].get(places)
            error = None if properties is None else properties.error
            if error is not None:  # of the mean state; a process is off by more
                error *= (2 ** len(places) + 1) / 2 ** len(places)
        if error is None or error >= DEAD:
            return None
        costs.append(count * math.log1p(-error))
    seconds = _seconds(circuit, device)
    if seconds is None:
        return None
    for qubit in qubits:
        t1, t2 = (snapshot.columns[c][qubit] if c in snapshot.columns else None for c in ("t1_s", "t2_s"))
        if not t1 or not t2:
            return None
        costs.append(-seconds * (1 / t1 + 1 / t2) / 2)
    return math.exp(ALLOWANCE * math.fsum(costs))


_READOUT = ("readout_error", "prob_meas0_prep1", "prob_meas1_prep0")


def _seconds(circuit: QuantumCircuit, device: Device) -> float | None:
    """Until the measurements: those have their own error."""
    bare = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.name not in ("measure", "barrier"):
            bare.append(instruction)
    return circuit_seconds(bare, device)


def check_outcomes(seen: Iterable[tuple[Expectation, int, int]], device: Device) -> list[Finding]:
    """One finding for a task: (what was expected, hits, shots) of the circuits whose outcomes are known."""
    found = list(seen)
    shots = sum(n for _, _, n in found)
    if not shots:
        return []
    hits = sum(h for _, h, _ in found)
    success = sum(one.at_least * n for one, _, n in found) / shots
    numbers = {"hits": hits, "shots": shots, "success": round(success, 6), "circuits": len(found)}
    sentence = f"{hits:,} of {shots:,} shots gave an outcome that is possible without errors; by the calibration of {device.name} it is {success:.2g} of them at least."
    return [Finding(NOTE, "expected-outcomes", sentence, numbers=numbers)]
