"""A circuit -> the facts that the choice of method depends on."""

from __future__ import annotations

import math

from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import RZGate
from qiskit.exceptions import QiskitError
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import reverse_cuthill_mckee

from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.method import CircuitFacts

_CLIFFORD = frozenset({"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr", "pauli"})
_SILENT = frozenset({"barrier", "delay", "measure", "store"})
_RANK_ONE = frozenset({"cx", "cy", "cz", "ecr", "rzz", "rxx", "ryy", "rzx", "cp", "crx", "cry", "crz", "csx", "ch"})
"""Two-qubit gates of operator Schmidt rank 2: each adds at most one bit to a bond. Others add at most two."""


def line_order(circuit: QuantumCircuit) -> tuple[int, ...]:
    """The qubits in an order that keeps those that interact close together (reverse Cuthill-McKee)."""
    width = circuit.num_qubits
    rows: list[int] = []
    columns: list[int] = []
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        if len(instruction.qubits) > 1 and instruction.name != "barrier":
            places = [index[q] for q in instruction.qubits]
            rows.extend(places[:-1])
            columns.extend(places[1:])
    if not rows:
        return tuple(range(width))
    graph = csr_matrix(([1] * (2 * len(rows)), (rows + columns, columns + rows)), shape=(width, width))
    return tuple(int(q) for q in reverse_cuthill_mckee(graph, symmetric_mode=True))


def circuit_facts(circuit: QuantumCircuit, order: tuple[int, ...] | None = None) -> CircuitFacts:
    """Facts of a reduced circuit, whose qubits a matrix product state would hold in `order`.

    A rotation by an unbound parameter counts as not Clifford.
    """
    width = circuit.num_qubits
    index = {circuit.qubits[q]: i for i, q in enumerate(order or range(width))}
    crossing = [0] * max(0, width - 1)
    measured: set[int] = set()
    touched: set[int] = set()
    gates, sampled, clifford, resets = 0, True, True, False
    for instruction in circuit.data:
        name = instruction.name
        places = [index[q] for q in instruction.qubits]
        if instruction.is_control_flow():
            inner = [circuit_facts(block) for block in instruction.operation.blocks]
            gates += sum(f.gates for f in inner)
            clifford = clifford and all(f.clifford for f in inner)
            sampled = False
            _cross(crossing, places, 2 * sum(f.gates for f in inner))
            continue
        if name == "barrier":
            continue
        if name == "measure":
            sampled = sampled and not measured.intersection(places)
            measured.update(places)
            continue
        if measured.intersection(places) and name != "delay":
            sampled = False
        if name == "reset":
            resets = resets or bool(touched.intersection(places))
        elif name not in _SILENT:
            gates += 1
            clifford = clifford and (name in _CLIFFORD or _is_quarter_turn(name, instruction.params))
            if len(places) > 1:
                _cross(crossing, places, 1 if name in _RANK_ONE else 2 * (len(places) - 1))
        elif name == "delay":
            gates += 1
        touched.update(places)
    bounded = tuple(min(bits, k + 1, width - 1 - k) for k, bits in enumerate(crossing))
    return CircuitFacts(width, gates, bounded, sampled, clifford, resets)


def _cross(crossing: list[int], places: list[int], bits: int) -> None:
    for k in range(min(places), max(places)):
        crossing[k] += bits


def exact_quarter_turns(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same Clifford circuit with every rz at exactly k pi/2: Aer's stabilizer method refuses what is 1e-15 beside it,
    and the transpiler's sums of angles are.
    """
    exact = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if instruction.name == "rz":
            operation = RZGate(round(float(operation.params[0]) / (math.pi / 2)) * (math.pi / 2))
        elif instruction.is_control_flow():
            operation = operation.replace_blocks([exact_quarter_turns(block) for block in operation.blocks])
        exact.append(operation, instruction.qubits, instruction.clbits)
    return exact


def _is_quarter_turn(name: str, params: list[object]) -> bool:
    """Aer's stabilizer method takes rz by multiples of pi/2, and no other rotation."""
    if name != "rz" or not isinstance(params[0], int | float):
        return False
    turns = float(params[0]) / (math.pi / 2)
    return abs(turns - round(turns)) < 1e-9


def shot_seconds(circuit: QuantumCircuit, device: Device) -> float | None:
    """The device's time for one shot: the circuit's duration and the pause before the next."""
    duration = None if device.rep_delay_s is None else circuit_seconds(circuit, device)
    return None if duration is None or device.rep_delay_s is None else duration + device.rep_delay_s


def circuit_seconds(circuit: QuantumCircuit, device: Device) -> float | None:
    """The circuit's duration: the least that a shot takes, where the pause between shots is not told."""
    if any(instruction.is_control_flow() for instruction in circuit.data):
        return None
    try:
        return float(circuit.estimate_duration(device.target, unit="s"))
    except (QiskitError, KeyError, TypeError, ValueError, AttributeError):
        return None  # a snapshot that lacks a duration: there is no estimate then
