"""What a circuit does, as 16 bytes: equal for equal circuits in every process, whatever their names and metadata."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression, ParameterVectorElement, QuantumCircuit


def fingerprint(circuit: QuantumCircuit) -> bytes:
    """A hash of the registers, instructions, qubits, clbits, parameters and conditions; parameters count by name."""
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, circuit)
    return digest.digest()


def _feed(digest: Any, circuit: QuantumCircuit) -> None:
    registers = [(r.name, [circuit.find_bit(b).index for b in r]) for r in circuit.cregs]
    digest.update(repr((circuit.num_qubits, circuit.num_clbits, registers, _value(circuit.global_phase))).encode())
    qubit_index = {bit: i for i, bit in enumerate(circuit.qubits)}
    clbit_index = {bit: i for i, bit in enumerate(circuit.clbits)}
    lines: list[str] = []
    for instruction in circuit.data:
        places = [qubit_index[q] for q in instruction.qubits]
        bits = [clbit_index[c] for c in instruction.clbits]
        lines.append(f"{instruction.name}{places}{bits}")
        if instruction.is_control_flow():
            operation = instruction.operation
            lines.append(_header(operation, circuit))
            digest.update("\n".join(lines).encode())
            lines.clear()
            for block in operation.blocks:
                _feed(digest, block)
        else:
            lines.extend(_value(p) for p in instruction.params)
            if instruction.name == "delay":
                lines.append(str(instruction.operation.unit))
            if instruction.label:
                lines.append(instruction.label)
    digest.update("\n".join(lines).encode())


def _header(operation: Any, circuit: QuantumCircuit) -> str:
    """What decides whether and how often the blocks run."""
    parts = [type(operation).__name__]
    for name in ("condition", "target"):
        decides = getattr(operation, name, None)
        if isinstance(decides, tuple):
            bits = decides[0] if hasattr(decides[0], "__iter__") else [decides[0]]
            parts.append(repr(([circuit.find_bit(b).index for b in bits], decides[1])))
        elif decides is not None:
            parts.append(repr(decides))
    if hasattr(operation, "cases_specifier"):
        parts.append(repr([values for values, _ in operation.cases_specifier()]))
    if type(operation).__name__ == "ForLoopOp":
        parts.append(repr(operation.params[:2]))
    return "|".join(parts)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, ParameterVectorElement):
        return f"{value.vector.name}[{value.index}] of {len(value.vector)}"  # sorted by index, not by name
    if isinstance(value, Parameter):
        return value.name
    if isinstance(value, ParameterExpression):
        return str(value)
    if isinstance(value, np.ndarray):
        return hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16).hexdigest()
    if isinstance(value, int | np.number):
        return struct.pack("<d", float(value)).hex()
    return repr(value)
