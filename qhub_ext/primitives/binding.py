"""Parameter values of a PUB, one set at a time, with the bytes that tell one set from another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.bindings_array import BindingsArray


def bindings(values: BindingsArray, circuit: QuantumCircuit) -> Iterator[tuple[tuple[float, ...], bytes]]:
    """In the order of the PUB's shape, flattened; values in the order of `circuit.parameters`. A circuit without parameters has one empty set per place of the shape."""
    ordered = list(circuit.parameters)
    if not ordered:
        for _ in range(int(np.prod(values.shape, dtype=int))):
            yield (), b""
        return
    table = np.ascontiguousarray(values.as_array(ordered), dtype=np.float64).reshape(-1, len(ordered))
    for row in table:
        yield tuple(row.tolist()), row.tobytes()
