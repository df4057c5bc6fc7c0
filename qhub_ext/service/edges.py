"""Cells that run on one edge of a device: one that works, one that the device's calibration calls dead, and one on a virtual QPU that fails."""

from textwrap import indent

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


def on_a_failing_device(switch: str) -> str:
    """The cell starts the virtual QPU that it runs on beside itself, wherever that is, and ends it. `switch` is a fault of it."""
    return f"""\
import shutil
from qhub_ext.job.context import current
from qhub_ext.service.faults import faulty_qpu
from qhub_ext.settings import current_settings

settings = current_settings()
try:
    with faulty_qpu(current().device, settings) as switch:
        switch({switch!r})
{indent(ALIVE, "        ")}finally:
    shutil.rmtree(settings.qpu.virtual_directory, ignore_errors=True)
"""
