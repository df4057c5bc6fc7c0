"""Circuits that many tests run."""

from __future__ import annotations

from qiskit import QuantumCircuit


def bell_pair() -> QuantumCircuit:
    """Both qubits are measured: 00 or 11."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit
