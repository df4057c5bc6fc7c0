"""Tasks on a virtual QPU, side by side with the genuine client used by hand: each side a fresh process, the same circuit, the same server.

The virtual QPU's clock runs a thousand times faster, so that what is left is what client and wire cost.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qpy

from tests.benchmarks.line import Line
from tests.qpu.conftest import VirtualQpu, isa, running_server

SHOTS = 100

OURS = """
import json, sys, time
asked = json.loads(sys.stdin.read())
began = time.perf_counter()
from qiskit import QuantumCircuit, qpy
from qhub_ext.job import context
from qhub_ext.primitives import Sampler
context.enter(context.ExecutionContext(tier="qpu", device="kingston"))
with open(asked["circuit"], "rb") as file:
    (circuit,) = qpy.load(file)
sampler = Sampler()
def task():
    began = time.perf_counter()
    counts = sampler.run([circuit], shots=asked["shots"]).result()[0].data.meas.get_counts()
    assert sum(counts.values()) == asked["shots"]
    return time.perf_counter() - began
task()
first = time.perf_counter() - began
print(json.dumps({"first": first, "tasks": [task() for _ in range(asked["tasks"])]}))
"""

THEIRS = """
import json, sys, time
asked = json.loads(sys.stdin.read())
began = time.perf_counter()
import qrmi
from qiskit import QuantumCircuit, qpy
from qrmi.primitives.ibm import SamplerV2
resource = qrmi.QuantumResource.from_config("kingston", qrmi.ResourceType.IBMQuantumComputeService, asked["config"])
token = resource.acquire()
with open(asked["circuit"], "rb") as file:
    (circuit,) = qpy.load(file)
sampler = SamplerV2(resource)
def task():
    began = time.perf_counter()
    counts = sampler.run([(circuit,)], shots=asked["shots"]).result()[0].data.meas.get_counts()
    assert sum(counts.values()) == asked["shots"]
    return time.perf_counter() - began
task()
first = time.perf_counter() - began
tasks = [task() for _ in range(asked["tasks"])]
resource.release(token)
print(json.dumps({"first": first, "tasks": tasks}))
"""


def lines(quick: bool) -> list[Line]:
    tasks = 3 if quick else 100
    with tempfile.TemporaryDirectory(prefix="qhub-qpu-") as folder, running_server(Path(folder) / "qpu") as server:
        circuit = bell(Path(folder))
        counts = (tasks,) if quick else (1, 1, tasks)
        rounds = [[side(code, server, circuit, count) for code in (OURS, THEIRS)] for count in counts]
    first = [statistics.median(found[side]["first"] for found in rounds) for side in (0, 1)]
    ours, theirs = (found["tasks"] for found in rounds[-1])
    each = [statistics.median(ours), statistics.median(theirs)]
    return [
        Line(
            "a task, with its result", each[0], "`qrmi.primitives.ibm.SamplerV2` by hand", each[1],
            at_most=1.1 * each[1] + 0.02, note="1.1 x plus 20 ms",
        ),
        Line(f"{tasks} small tasks, one after another", sum(ours), "the same client, which polls every second", sum(theirs), ratio_at_most=1.0),
        Line("from a fresh Python to the first result, imports included", first[0], "the same client", first[1], ratio_at_most=1.0),
    ]  # fmt: skip


def bell(folder: Path) -> Path:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    path = folder / "bell.qpy"
    with path.open("wb") as file:
        qpy.dump(isa(circuit), file)
    return path


def side(code: str, server: VirtualQpu, circuit: Path, tasks: int) -> dict[str, Any]:
    asked = {"circuit": str(circuit), "shots": SHOTS, "tasks": tasks, "config": server.config}
    environment = os.environ | {"QHUB_QPU_VIRTUAL_DIRECTORY": str(server.directory), "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], input=json.dumps(asked), env=environment,
        capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
