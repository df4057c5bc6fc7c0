"""Eight hybrid jobs on a real Slurm, ten parts classical to two parts quantum, at one virtual QPU: each in turn with the device's licence to
itself, and all at once through the broker. Skipped, with the reason, where no cluster can be had.

A job is bare Python that sleeps and calls the device through the genuine `qrmi` client, so that nothing but the turns differs. The time that a job needs to
start is left out on both sides: at a site it is small beside the work, here it would be most of it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.line import Line
from tests.broker.conftest import Broker
from tests.qpu.conftest import VirtualQpu, isa, running_server
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import end_cluster, running_cluster
from tests.waiting import wait_until

JOBS = 8
SPEED = 10.0
"""The virtual QPU's clock: a second on the device takes a tenth of one."""
QUANTUM_S, CLASSICAL_S = 1.6, 8.0
"""Of wall time, 2:10."""
PATIENT = {"QHUB_QPU_POLL_S": "0.02", "QHUB_QPU_POLL_MAX_S": "0.05"}

JOB = """
import json, os, sys, time
from pathlib import Path
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers.qpu.brokered import brokered_resource
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import Resource
from qhub_ext.tiers.qpu import qcs

plan = json.loads(Path(sys.argv[1]).read_text())
name, folder = sys.argv[2], Path(sys.argv[1]).parent
if plan["broker"]:
    resource = brokered_resource("kingston", Path(plan["broker"]))
else:
    resource = Resource("kingston", qcs.TYPE, "benchmark", "kingston", plan["config"])
device = ResourceProcess(resource)
device.call("status", deadline_s=60)
(folder / f"ready-{name}").touch()
while len(list(folder.glob("ready-*"))) < plan["together"]:
    time.sleep(0.02)
begin = time.time()
for _ in range(plan["rounds"]):
    time.sleep(plan["classical_s"])
    task = device.call("task_start", deadline_s=60, payload={"kind": "primitive", "program": "sampler", "input": plan["input"]})
    while (state := device.call("task_status", task, deadline_s=60)) in ("Queued", "Running"):
        time.sleep(0.05)
    assert state == "Completed", state
    device.call("task_result", task, deadline_s=60)
device.close()
beside = folder / f".{name}"
beside.write_text(json.dumps([begin, time.time()]))
beside.rename(folder / f"span-{name}")
"""


def lines(quick: bool) -> list[Line]:
    if not isinstance(cluster := running_cluster(database=False), Cluster):
        print(f"skipped: {cluster}", file=sys.stderr)
        return []
    rounds = 1 if quick else 8  # the first classical part of all, in which the device waits, counts with the rest
    try:
        with tempfile.TemporaryDirectory(prefix="qhub-bench-", dir="/tmp") as name:
            Path(name).chmod(0o755)
            with running_server(Path(name) / "qpu", "--speed", str(SPEED)) as server:
                alone = exclusive(cluster, server, Path(name) / "alone", 1, JOBS if not quick else 2)
                shared = together(cluster, server, Path(name) / "shared", rounds)
    finally:
        end_cluster()
    return [
        Line(f"{JOBS} hybrid jobs, classical to quantum 10:2: device use, percent", 100 * shared, "each with the device to itself", 100 * alone, unit="%"),
        Line("times that use", shared / alone, "asked for", 5.0, unit="x", note="holds" if shared >= 5 * alone else "falls short"),
    ]  # fmt: skip


def exclusive(cluster: Cluster, server: VirtualQpu, folder: Path, rounds: int, jobs: int) -> float:
    """All need the one licence: Slurm runs one after another. Use of the device while a job holds it."""
    plan = write_plan(folder, server, rounds, broker="", jobs=1)
    before = len(server.tasks())
    spans = [run(cluster, plan, [str(number)])[0] for number in range(jobs)]
    return busy_s(server, before) / sum(end - begin for begin, end in spans)


def together(cluster: Cluster, server: VirtualQpu, folder: Path, rounds: int) -> float:
    broker = Broker(
        folder / "broker", server, cluster.environment | PATIENT | {"QHUB_BROKER_OVERHEAD_S": "0"}, options=("--slurm",)
    )
    folder.mkdir()
    broker.start()
    try:
        plan = write_plan(folder, server, rounds, broker=str(broker.socket), jobs=JOBS)
        before = len(server.tasks())
        spans = run(cluster, plan, [str(number) for number in range(JOBS)])
    finally:
        broker.stop()
    return busy_s(server, before) / (max(end for _, end in spans) - min(begin for begin, _ in spans))


def busy_s(server: VirtualQpu, before: int) -> float:
    """Wall time that the device ran the tasks of this run, by its own account."""
    tasks = sorted(server.tasks(), key=lambda task: str(task["created"]))[before:]
    return sum(float((task.get("usage") or {}).get("seconds") or 0.0) for task in tasks) / SPEED


def write_plan(folder: Path, server: VirtualQpu, rounds: int, *, broker: str, jobs: int) -> Path:
    from qiskit import QuantumCircuit, qasm3

    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    ready = isa(circuit)
    shots = max(1, round(QUANTUM_S * SPEED / shot_s(ready)))
    params = {"pubs": [[qasm3.dumps(ready), None, shots]], "version": 2, "support_qiskit": True, "options": {}}
    folder.mkdir(exist_ok=True)
    plan = {"broker": broker, "config": server.config, "rounds": rounds, "classical_s": CLASSICAL_S, "together": jobs, "input": json.dumps(params)}  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "job.py").write_text(JOB)
    return folder / "plan.json"


def shot_s(circuit: Any) -> float:
    from qhub_ext.primitives import backend

    target = backend("kingston", tier="emulation").target
    return float(circuit.estimate_duration(target, unit="s")) + 250e-6


def run(cluster: Cluster, plan: Path, names: list[str]) -> list[tuple[float, float]]:
    """Each of the names as a job, by sbatch; their spans when all have ended."""
    for old in [*plan.parent.glob("ready-*"), *plan.parent.glob("span-*")]:
        old.unlink()
    root = Path(__file__).resolve().parents[2]
    for name in names:
        words = f"cd {root} && exec {sys.executable} {plan.parent / 'job.py'} {plan} {name}"
        exports = ",".join(["ALL", *(f"{key}={value}" for key, value in PATIENT.items())])
        done = cluster.run(
            "sbatch", "--parsable", "--time=10", "--licenses=qpu_cloud:1" if len(names) == 1 else "--comment=shared", "--partition=emulation,qpu,wide,narrow", "--mem=64",
            f"--output={plan.parent}/log-{name}", f"--export={exports}", f"--wrap={words}", user=None,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
    found = [plan.parent / f"span-{name}" for name in names]
    wait_until(lambda: all(path.exists() for path in found), within_s=300, what=f"the ends of {len(names)} jobs: {[p.read_text()[-300:] for p in plan.parent.glob('log-*')]}")  # fmt: skip
    return [tuple(json.loads(path.read_text())) for path in found]  # type: ignore[misc]


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[2])
    for line in lines(True):
        print(line.what, line.ours, line.theirs, line.note)
