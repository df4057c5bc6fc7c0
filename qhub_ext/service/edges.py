"""Cells that run on one edge of a device: one that works, and one that the device's calibration calls dead."""

_CIRCUIT = """\
from qiskit import QuantumCircuit
from qhub_ext import Sampler, backend

a, b = {pair}
circuit = QuantumCircuit(backend().num_qubits, 2)
circuit.sx(a)
circuit.cz(a, b)
circuit.measure([a, b], [0, 1])
counts = Sampler().run([circuit], shots=100).result()[0].data.c.get_counts()
"""
ALIVE = _CIRCUIT.format(pair="0, 1")
DEAD = _CIRCUIT.format(pair="next(pair for pair, facts in backend().target['cz'].items() if facts.error == 1.0)")
