"""Devices, their services, the configuration: the tier qpu through the genuine client, before a real virtual QPU."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.device_tasks import read_device_tasks
from qhub_ext.service import Job
from qhub_ext.service.draft import Draft
from tests.diagnosis.corpus.case import NOTHING, Case, at_the_device
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.diagnosis.corpus.place import Place

BELL = """
from qiskit import QuantumCircuit
from qhub_ext import Sampler
circuit = QuantumCircuit(2)
circuit.sx(0)
circuit.cz(0, 1)
circuit.sx(1)
circuit.measure_all()
counts = Sampler().run([circuit], shots=100).result()[0].data.meas.get_counts()
"""
CAUGHT = (
    BELL.replace("counts = ", "try:\n    counts = ")
    + "except Exception as error:\n    raise RuntimeError('VQE failed') from error\n"
)
QPU = {"tier": "qpu"}


def at_the_start(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "where": "/jobs", "method": "POST", **more}


def short(draft: Draft) -> Draft:
    """And long enough to come as far as the device, on a busy machine too."""
    return replace(draft, spec=replace(draft.spec, time_s=45, grace_s=2))


def helper_killed(job: Job, _: Place) -> None:
    """The process that speaks for the device, while it sends the task; a child of the job's own."""

    def sending() -> int | None:
        if not any(task.state == "sending" for task in read_device_tasks(job.folder)):
            return None
        session = int(read_json(job.folder.attempt(1).launch)["session"])
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError, ValueError, IndexError):
                if b"qpu/helper.py" in line.read_bytes() and session in _above(int(line.parent.name)):
                    return int(line.parent.name)
        return None

    os.kill(wait_until(sending, what="the helper of the task on its way"), signal.SIGKILL)  # type: ignore[arg-type]


def _above(pid: int) -> list[int]:
    """Its parents, and the sessions that they are in."""
    found = []
    while pid > 1:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pid = int(words[1])
        found += [pid, int(words[3])]
    return found


def case(name: str, cause: str, fault: dict[str, Any] | None = None, cell: str = BELL, **more: Any) -> Case:
    if fault is None and "resource" not in more:
        more["resource"] = {}
    return Case(name, cause, cell, {**QPU, **more.pop("options", {})}, fault=fault, **more)


CASES = (
    case("a device that answers", NOTHING),
    case("a slow service", NOTHING, {"kind": "slow", "delay_s": 1.0, "times": 3}, held_out=True),
    case("401 at the start", "integration", at_the_start("401"), rules=("credentials",)),
    case("403 at the start", "queue policy", at_the_start("403"), rules=("denied",)),
    case("404 at the start", "integration", at_the_start("404")),
    case("409 at the start", "integration", at_the_start("409"), held_out=True),
    case("429 at the start", "queue policy", at_the_start("429"), rules=("too many requests",)),
    case("500 at the start", "device", at_the_start("500")),
    case("503 at the start", "device", at_the_start("503")),
    case("503 behind an error of its own", "device", at_the_start("503"), CAUGHT, held_out=True),
    case("a start that is never answered", "integration", at_the_start("hang"), config="[qpu]\nstale_s = 1e12\ndeadline_s = 12\npatience_s = 1"),
    case("a helper that is killed while it sends", "integration", at_the_start("slow", delay_s=8.0, times=1), act=helper_killed, held_out=True),
    case("a task that fails", "device", {"kind": "failed_job"}, rules=("task failed",)),
    case("a result that does not decode", "integration", {"kind": "bad_result"}, rules=("result unreadable",)),
    case("a target that is null", NOTHING, {"kind": "null_target"}, held_out=True),
    case("a session that has ended", "integration", resource={"QRMI_IBM_QCS_SESSION_ID": "an-old-one"}),
    case("a session that ends on the way", "integration", {"kind": "session_expired"}, resource={"QRMI_IBM_QCS_SESSION_ID": "one"}, held_out=True),
    case("a wrong port", "integration", resource={"QRMI_IBM_QCS_ENDPOINT": "$CLOSED/api/v1"}, rules=("wrong address",)),
    case("a wrong path", "integration", resource={"QRMI_IBM_QCS_ENDPOINT": "$URL/api/v7"}),
    case("wrong credentials", "integration", resource={"QRMI_IBM_QCS_IAM_APIKEY": "wrong"}, rules=("credentials",)),
    case("a variable that is missing", "integration", resource={"QRMI_IBM_QCS_IAM_ENDPOINT": ""}),
    case("a wrong type", "integration", resource={"type": "ibm-quantum-system"}, held_out=True),
    case("a resource that its service does not know", "integration", resource={"name": "ibm_atlantis"}, held_out=True),
    case("a device that is paused", "device", {"kind": "paused"}, until=at_the_device),
    case("a device that is offline", "device", {"kind": "offline"}, until=at_the_device, held_out=True),
    case("a device that is being calibrated", "calibration", {"kind": "calibrating"}, until=at_the_device),
    case("more QPU time than the profile gives", "queue policy", config="[profiles.development]\nqpu_s = 0.001", rules=("policy limit",)),
    case("a broker that is not there", "integration", config='[broker]\nsocket = "$ROOT/no-broker.sock"', rules=("broker away",)),
)  # fmt: skip
LONG = (
    case("a wall time that went at a device in calibration", "calibration", {"kind": "calibrating"}, shape=short),
    case("a wall time that went at a paused device", "device", {"kind": "paused"}, shape=short, held_out=True),
)
