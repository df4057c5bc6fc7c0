"""Jobs that complete, and whose results are not what they seem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhub_ext.service import Job
from tests.diagnosis.corpus.case import NOTHING, Case
from tests.diagnosis.corpus.devices import BELL
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.diagnosis.corpus.place import Place

DEAD = """
from qiskit import QuantumCircuit
from qhub_ext import Sampler, backend
here = backend()
a, b = next(pair for pair, facts in here.target['cz'].items() if facts.error == 1.0)
circuit = QuantumCircuit(here.num_qubits, 2)
circuit.sx(a)
circuit.cz(a, b)
circuit.measure([a, b], [0, 1])
Sampler().run([circuit], shots=20).result()
"""
DEEP = BELL.replace("circuit.cz(0, 1)\n", "for _ in range(2000):\n    circuit.cz(0, 1)\n    circuit.sx(0)\n")


def calibrate_now(job: Job, place: Place) -> None:
    """Between the start of the job and its task."""
    house = place.virtuals[job.service.spec(job.id).name].house
    wait_until(lambda: job.service.shelf.record(job.id).attempt.phase == "device", what="the task at the device")
    house.calendar("kingston").calibrate()
    house.faults.clear()


CASES = (
    Case("a gate that is switched off, refused", "calibration", DEAD, {"tier": "emulation"}, config='[preflight]\ndead = "refuse"', held_out=True),
    Case("a gate that is switched off", "calibration", DEAD, {"tier": "emulation"}, rules=("dead edge",)),
    Case("an option without effect", "code", BELL.replace("Sampler()", "Sampler(options={'dynamical_decoupling': {'enable': True}})"), {"tier": "local"}),
    Case("a value that cannot come back", "code", "import threading\nlock = threading.Lock()"),
    Case("a circuit too deep for its device", "calibration", DEEP, {"tier": "emulation"}, config="[preflight]\nsuccess_warn = 0.5", held_out=True),
    Case("a task whose failure was caught", "device", BELL.replace("counts = ", "try:\n    counts = ") + "except Exception:\n    pass\n", {"tier": "qpu"}, fault={"kind": "failed_job"}, held_out=True),
    Case("a device that is calibrated before the task runs", "calibration", BELL, {"tier": "qpu"}, fault={"kind": "paused"}, meanwhile=calibrate_now, rules=("calibration changed",)),
    Case("a clock that is ahead", "integration", clock_s=3600.0, rules=("clocks differ",)),
    Case("good counts in emulation", NOTHING, BELL, {"tier": "emulation"}, held_out=True),
    Case("counts that come back", NOTHING, BELL, {"tier": "local"}),
)  # fmt: skip
