"""Eight hybrid jobs on a real Slurm, ten seconds classical to two of the device, at one virtual QPU: each in turn with the device's licence to
itself, and all at once through the broker. Skipped, with the reason, where no cluster can be had.

A job is bare Python that sleeps and calls the device through the genuine `qrmi` client, so that nothing but the turns differs. Its parts are drawn
exponentially, the same in every run, and are 10 s and 2 s on average, as in the simulation that the target comes from; there eight such jobs
could use a device for 93 percent of the time. The time that a job needs to start is left out on both sides: at a site it is small beside the work,
here it would be most of it. `python -m tests.benchmarks.bench_hybrid ROUNDS` runs it alone: with 20 rounds some eight minutes, on a quiet machine.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.benchmarks.line import Line
from tests.broker.conftest import Broker
from tests.qpu.conftest import VirtualQpu, isa, running_server
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import end_cluster, running_cluster
from tests.waiting import wait_until

JOBS, ROUNDS, QUICK_ROUNDS = 8, 20, 2
ALONE_JOBS, ALONE_ROUNDS = 2, 4
SPEED = 10.0
"""The virtual QPU's clock: a second on the device takes a tenth of one."""
QUANTUM_S, CLASSICAL_S = 2.0, 10.0
"""Of wall time, on average."""
PATIENT = {"QHUB_QPU_POLL_S": "0.02", "QHUB_QPU_POLL_MAX_S": "0.05"}

JOB = """
import json, sys, time
from pathlib import Path
from qhub_ext.tiers.qpu import qcs
from qhub_ext.tiers.qpu.brokered import brokered_resource
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import Resource

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
    if list(folder.glob("failed-*")):
        sys.exit("another job failed")
    time.sleep(0.02)
begin = time.time()
for classical_s, shots in plan["parts"][name]:
    time.sleep(classical_s)
    pubs = [[plan["circuit"], None, min(100_000, shots - done)] for done in range(0, shots, 100_000)]  # of one PUB the device takes no more
    params = json.dumps({**plan["params"], "pubs": pubs})
    task = device.call("task_start", deadline_s=60, payload={"kind": "primitive", "program": "sampler", "input": params})
    while (state := device.call("task_status", task, deadline_s=60)) in ("Queued", "Running"):
        time.sleep(0.05)
    if state != "Completed":
        sys.exit(f"the task {task} ended as {state}: {device.call('task_logs', task, deadline_s=60)}")
    device.call("task_result", task, deadline_s=60)
end = time.time()
device.close()
beside = folder / f".{name}"
beside.write_text(json.dumps([begin, end]))
beside.rename(folder / f"span-{name}")
"""


def lines(quick: bool) -> list[Line]:
    return measured(QUICK_ROUNDS if quick else ROUNDS)


def measured(rounds: int) -> list[Line]:
    if not isinstance(cluster := running_cluster(database=False), Cluster):
        print(f"skipped: {cluster}", file=sys.stderr)
        return []
    try:
        with tempfile.TemporaryDirectory(prefix="qhub-bench-", dir="/tmp") as name:
            Path(name).chmod(0o755)
            with running_server(Path(name) / "qpu", "--speed", str(SPEED)) as server:
                alone = exclusive(cluster, server, Path(name) / "alone", min(rounds, ALONE_ROUNDS))
                shared, together_all, stood = together(cluster, server, Path(name) / "shared", rounds)
    finally:
        end_cluster()
    worth = shared / alone
    return [
        Line(f"{JOBS} hybrid jobs, classical to quantum 10:2, {rounds} times each: device use, percent", 100 * shared, "each with the device to itself", 100 * alone, unit="%"),
        Line("times that use", worth, "asked for", 5.0, unit="x", note="holds" if worth >= 5 else "falls short"),
        Line("device use while all of them run, percent", 100 * together_all, "the most that eight such jobs ask for", 93.0, unit="%"),
        Line("the device stood still while a task waited, percent of the time", 100 * stood, unit="%", note="what is ours of the rest"),
    ]  # fmt: skip


def exclusive(cluster: Cluster, server: VirtualQpu, folder: Path, rounds: int) -> float:
    """All need the one licence: Slurm runs one after another. Use of the device while a job holds it."""
    plan = write_plan(folder, server, rounds, broker="", together=1)
    before = len(server.tasks())
    spans = [run(cluster, plan, [str(number)])[0] for number in range(ALONE_JOBS)]
    return busy_s(server.tasks()[: len(server.tasks()) - before]) / sum(end - begin for begin, end in spans)


def together(cluster: Cluster, server: VirtualQpu, folder: Path, rounds: int) -> tuple[float, float, float]:
    """Use from the first begin to the last end, use while all run, and the part of the time in which the device stood still and a task waited."""
    folder.mkdir()
    (folder / "qhub.toml").write_text("[broker]\noverhead_s = 0.0\nahead = {kingston = 2}\n")
    environment = cluster.environment | PATIENT | {"QHUB_CONFIG": str(folder / "qhub.toml")}
    broker = Broker(folder / "broker", server, environment, options=("--slurm",))
    broker.start()
    try:
        plan = write_plan(folder, server, rounds, broker=str(broker.socket), together=JOBS)
        before = len(server.tasks())
        spans = run(cluster, plan, [str(number) for number in range(JOBS)])
        tasks = server.tasks()[: len(server.tasks()) - before]
        submitted = submissions(folder / "broker" / "ledger" / "broker.sqlite")
    finally:
        broker.stop()
    begin, end = min(begin for begin, _ in spans), max(end for _, end in spans)
    all_run = max(begin for begin, _ in spans), min(end for _, end in spans)
    at_device = {str(task["id"]): ran_at(server, str(task["id"])) for task in tasks}
    waits = [(at, at_device[vendor][0]) for vendor, at in submitted.items() if vendor in at_device]
    ran = sorted(at_device.values())
    gaps = [(one[1], other[0]) for one, other in pairwise(ran) if other[0] > one[1]]
    stood = sum(covered(gap, waits) for gap in gaps)
    inside = sum(max(0.0, min(b, all_run[1]) - max(a, all_run[0])) for a, b in ran)
    return busy_s(tasks) / (end - begin), inside / (all_run[1] - all_run[0]), stood / (end - begin)


def busy_s(tasks: list[dict[str, Any]]) -> float:
    """Wall time that the device ran them, by its own account."""
    return sum(float((task.get("usage") or {}).get("seconds") or 0.0) for task in tasks) / SPEED


def ran_at(server: VirtualQpu, task: str) -> tuple[float, float]:
    """From when to when it was on the device."""
    found = server._ask("GET", f"/spans/{task}")
    (span,) = (s for r in found["resourceSpans"] for o in r["scopeSpans"] for s in o["spans"] if s["name"] == "on the device")  # fmt: skip
    return int(span["startTimeUnixNano"]) / 1e9, int(span["endTimeUnixNano"]) / 1e9


def submissions(ledger: Path) -> dict[str, float]:
    """When the broker was given the task of each slice, by the device's own id."""
    query = "SELECT s.vendor, t.submitted_at FROM slices s JOIN tasks t ON t.id = s.task"
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=20) as db:
        found = {str(vendor): float(at) for vendor, at in db.execute(query)}
    db.close()
    return found


def covered(gap: tuple[float, float], spans: list[tuple[float, float]]) -> float:
    """How much of the gap at least one of the spans covers."""
    total, upto = 0.0, gap[0]
    for begin, end in sorted((max(gap[0], a), min(gap[1], b)) for a, b in spans if a < gap[1] and gap[0] < b):
        total += max(0.0, end - max(begin, upto))
        upto = max(upto, end)
    return total


def write_plan(folder: Path, server: VirtualQpu, rounds: int, *, broker: str, together: int) -> Path:
    from qiskit import QuantumCircuit, qasm3

    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    ready = isa(circuit)
    each = shot_s(ready)
    parts = {
        str(number): [(c, max(1, round(q * SPEED / each))) for c, q in zip(drawn(2 * number, CLASSICAL_S, rounds), drawn(2 * number + 1, QUANTUM_S, rounds), strict=True)]
        for number in range(JOBS)
    }  # fmt: skip
    params = {"version": 2, "support_qiskit": True, "options": {}}
    plan = {"broker": broker, "config": server.config, "parts": parts, "together": together, "params": params, "circuit": qasm3.dumps(ready)}  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "job.py").write_text(JOB)
    return folder / "plan.json"


def drawn(seed: int, mean: float, count: int) -> list[float]:
    """Exponential, and of exactly this mean: every job is as long as the others, and 10:2."""
    luck = random.Random(seed)
    found = [luck.expovariate(1.0) for _ in range(count)]
    return [mean * one * count / sum(found) for one in found]


def shot_s(circuit: Any) -> float:
    from qhub_ext.primitives import backend

    target = backend("kingston", tier="emulation").target
    return float(circuit.estimate_duration(target, unit="s")) + 250e-6


def run(cluster: Cluster, plan: Path, names: list[str]) -> list[tuple[float, float]]:
    """Each of the names as a job, by sbatch; their spans when all have ended. A job that fails ends the wait, with what it said."""
    folder = plan.parent
    for old in [path for kind in ("ready", "span", "failed") for path in folder.glob(f"{kind}-*")]:
        old.unlink()
    root = Path(__file__).resolve().parents[2]
    for name in names:
        words = f"cd {root} && {sys.executable} {folder / 'job.py'} {plan} {name} || touch {folder}/failed-{name}"
        exports = ",".join(["ALL", *(f"{key}={value}" for key, value in PATIENT.items())])
        done = cluster.run(
            "sbatch", "--parsable", "--time=30", "--licenses=qpu_cloud:1" if len(names) == 1 else "--comment=shared", "--partition=emulation,qpu,wide,narrow", "--mem=64",
            f"--output={folder}/log-{name}", f"--export={exports}", f"--wrap={words}", user=None,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
    parts = json.loads(plan.read_text())["parts"]
    due_s = sum(c for c, _ in parts[names[0]]) + len(names) * QUANTUM_S * len(parts[names[0]])
    found = [folder / f"span-{name}" for name in names]

    def ended() -> bool:
        failed = sorted(path.name.removeprefix("failed-") for path in folder.glob("failed-*"))
        if failed:
            said = {name: (folder / f"log-{name}").read_text()[-2000:] for name in failed}
            raise AssertionError("\n".join(f"The job {name} failed:\n{text}" for name, text in said.items()))
        return all(path.exists() for path in found)

    wait_until(ended, within_s=120 + 2 * due_s, every_s=0.1, what=f"the ends of {len(names)} jobs")
    return [tuple(json.loads(path.read_text())) for path in found]  # type: ignore[misc]


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[2])
    before = os.getloadavg()
    for line in measured(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS):
        print(line.what, round(line.ours, 2), line.peer, line.theirs, line.note)
    print(f"load {before[0]:.1f} before, {os.getloadavg()[0]:.1f} after")
