"""A circuit on the qubits that it uses. Simulating 10 qubits of a 156-qubit device then costs what 10 qubits cost.

A qubit is used when something other than a barrier or a delay touches it: a qubit that only waits cannot reach a result.
"""

from __future__ import annotations

from dataclasses import dataclass

from qiskit.circuit import BreakLoopOp, ContinueLoopOp, ControlFlowOp, QuantumCircuit, QuantumRegister

_WAITING = frozenset({"barrier", "delay", "break_loop", "continue_loop"})


@dataclass(frozen=True, eq=False)
class Reduction:
    """`active[i]` is the device's qubit that qubit i of `circuit` stands for. `note` says why when nothing was left out."""

    circuit: QuantumCircuit
    active: tuple[int, ...]
    note: str = ""


def reduce(circuit: QuantumCircuit) -> Reduction:
    """The circuit on its active qubits, in the device's order; classical bits, registers and parameters as they were.

    A circuit that cannot be rewritten comes back whole, with a note for the record.
    """
    active = active_qubits(circuit)
    if len(active) == circuit.num_qubits:
        return Reduction(circuit, active)
    try:
        return Reduction(_keep(circuit, active, QuantumRegister(len(active), "q")), active)
    except _NotReducible as reason:
        return Reduction(circuit, tuple(range(circuit.num_qubits)), note=f"not reduced: {reason}")


def active_qubits(circuit: QuantumCircuit) -> tuple[int, ...]:
    """Indices of the qubits that anything but a barrier or a delay touches, inside control flow too."""
    touched: set[int] = set()
    for instruction in circuit.data:
        if instruction.name in _WAITING:
            continue
        places = [circuit.find_bit(q).index for q in instruction.qubits]
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                touched.update(places[inner] for inner in active_qubits(block))
        else:
            touched.update(places)
    return tuple(sorted(touched))


def reorder(circuit: QuantumCircuit, order: tuple[int, ...]) -> QuantumCircuit:
    """The same circuit with its qubit `order[i]` at place i."""
    return _keep(circuit, order, QuantumRegister(len(order), "q"))


class _NotReducible(Exception):
    """Something that has no meaning on fewer qubits; the message says what."""


def _keep(circuit: QuantumCircuit, kept: tuple[int, ...], qubits: QuantumRegister) -> QuantumCircuit:
    index = {place: i for i, place in enumerate(kept)}
    out = QuantumCircuit(
        qubits,
        circuit.clbits,
        *circuit.cregs,
        name=circuit.name,
        global_phase=circuit.global_phase,
        metadata=circuit.metadata,
        inputs=circuit.iter_input_vars(),
        captures=circuit.iter_captured_vars(),
    )
    for variable in circuit.iter_declared_vars():
        out.add_uninitialized_var(variable)
    if circuit.num_stretches:
        raise _NotReducible("it has stretch variables")
    for instruction in circuit.data:
        places = [circuit.find_bit(q).index for q in instruction.qubits]
        staying = [i for i, place in enumerate(places) if place in index]
        targets = [out.qubits[index[places[i]]] for i in staying]
        operation = instruction.operation
        if len(staying) == len(places):
            out._append(instruction.replace(qubits=targets))  # validated where the circuit was made
        elif instruction.is_control_flow():
            out.append(_shrink(operation, tuple(staying)), targets, instruction.clbits)
        elif instruction.name == "barrier":
            if targets:
                out.barrier(targets)
        elif instruction.name == "break_loop":
            out.append(BreakLoopOp(len(targets), len(instruction.clbits)), targets, instruction.clbits)
        elif instruction.name == "continue_loop":
            out.append(ContinueLoopOp(len(targets), len(instruction.clbits)), targets, instruction.clbits)
        elif instruction.name != "delay":
            raise _NotReducible(f"{instruction.name} spans qubits that are not used")
    return out


def _shrink(operation: ControlFlowOp, staying: tuple[int, ...]) -> ControlFlowOp:
    blocks = [_keep(block, staying, QuantumRegister(len(staying), "q")) for block in operation.blocks]
    return operation.replace_blocks(blocks)
