"""The part of the API of IQM's servers that the genuine client speaks, for devices of IQM's gates.

/iqm/api/v1/quantum-computers/NAME              its state and queue
/iqm/api/v1/calibration-sets/NAME/default ...   architecture, calibration set, quality metrics
/iqm/api/v1/jobs/NAME/circuit                   a job; /jobs/ID, /jobs/ID/cancel, /jobs/ID/artifacts/measurements ...

Shapes are those of the client that QRMI 0.26 carries (dependencies/iqm_client) and of iqm-station-control-client 14. The Qiskit provider of the
wheel itself (`qrmi.qiskit_iqm`, with iqm-client 34) makes circuits ready for this, runs them and reads their counts, unpatched.
"""

from __future__ import annotations

import json
import time
import uuid
import zlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.iqm import MARK
from qhub_ext.virtualqpu.house import House
from qhub_ext.virtualqpu.iqm_machine import MOST_CIRCUITS, MOST_EXECUTIONS, MOST_SHOTS, NAMES, IqmMachine
from qhub_ext.virtualqpu.iqm_target import NAMESPACE, architecture, calibration_set_id, observation_sets
from qhub_ext.virtualqpu.line import VirtualTask

PREFIX = "/iqm/"
SOURCE = "iqm-station-control"
STATES = {"Queued": "waiting", "Running": "processing", "Completed": "completed", "Failed": "failed", "Cancelled": "cancelled"}  # fmt: skip
HELD_S = 30
"""A question may wait so long for the end of a job."""


def add_iqm(app: FastAPI, house: House) -> None:
    sets: dict[str, dict[str, Device]] = {}

    def device_of(name: str, wanted: str = "default") -> Device | Response:
        """The device with a calibration set that it has or had."""
        found = house.resolve(name.replace(":", "_"))
        if found not in NAMES or house.faults.strikes("null_target", found):
            return trouble(404, "quantum_computer_not_found", f"There is no quantum computer {name!r}.")
        now = house.present(found)
        known = sets.setdefault(found, {})
        known[calibration_set_id(now)] = now
        device = now if wanted == "default" else known.get(wanted)
        return device or trouble(404, "calibration_set_not_found", f"There is no calibration set {wanted!r}.")

    @app.get("/iqm/api/v1/quantum-computers")
    def computers() -> Any:
        return {"quantum_computers": [{"id": _id(name), "alias": name, "display_name": _title(name)} for name in NAMES]}

    @app.get("/iqm/api/v1/quantum-computers/{name}")
    def computer(name: str) -> Any:
        device = device_of(name)
        if isinstance(device, Response):
            return device
        line = house.lines().get(device.name)
        kinds = {f["kind"] for f in house.faults.listed()}
        still = bool({"paused", "offline", "calibrating"} & kinds) or house.moment(device.name).calibrating
        health = None if still else {"healthy": True, "updated_at": _stamp(time.time())}
        return {
            "id": _id(name),
            "alias": device.name,
            "display_name": _title(device.name),
            "description": f"Simulated: a virtual {device.name} of qhub_ext",
            "backend_type": "qpu",
            "number_of_qubits": device.qubits,
            "pulla_enabled": False,
            "limits": {
                "max_instructions_per_circuit": 10_000,
                "max_shots_per_circuit": MOST_SHOTS,
                "max_circuits_per_job": MOST_CIRCUITS,
                "max_executions_per_job": MOST_EXECUTIONS,
                "max_queued_jobs_per_user": 1_000,
            },
            "operational_status": "maintenance" if still else "online",
            "health": health,
            "queue_length": line.length if line else 0,
            "pricing": {"payg_price_per_second": "0.00"},
            "additional_info": {"academy_url": "", "best_suited_for": [], "documentation_url": "", "mock_url": ""},
            "simulated": True,
        }

    @app.get("/iqm/api/v1/quantum-computers/{name}/artifacts/static-quantum-architectures")
    def static_architecture(name: str) -> Any:
        device = device_of(name)
        if isinstance(device, Response):
            return device
        own = device.configuration[MARK]
        return [{"dut_label": device.name, "qubits": own["names"], "computational_resonators": [], "connectivity": own["cz"]}]  # fmt: skip

    @app.get("/iqm/api/v1/calibration-sets/{name}/{wanted}/dynamic-quantum-architecture")
    def dynamic_architecture(name: str, wanted: str) -> Any:
        device = device_of(name, wanted)
        return device if isinstance(device, Response) else architecture(device)

    @app.get("/iqm/api/v1/calibration-sets/{name}/{wanted}/metrics")
    def metrics(name: str, wanted: str) -> Any:
        device = device_of(name, wanted)
        return device if isinstance(device, Response) else observation_sets(device)[1]

    @app.get("/iqm/api/v1/calibration-sets/{name}/{wanted}")
    def calibration_set(name: str, wanted: str) -> Any:
        device = device_of(name, wanted)
        return device if isinstance(device, Response) else observation_sets(device)[0]

    @app.post("/iqm/api/v1/jobs/{name}/circuit")
    async def start(name: str, request: Request, tag: str = "") -> Any:
        try:
            body = json.loads(await request.body())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return trouble(400, "invalid_job_payload", "The job is no JSON object.")
        device = await anyio.to_thread.run_sync(device_of, name, str(body.get("calibration_set_id") or "default"))
        if isinstance(device, Response):
            return device
        machine = await anyio.to_thread.run_sync(house.machine, device.name)
        assert isinstance(machine, IqmMachine)
        try:
            program = await anyio.to_thread.run_sync(machine.read_batch, body)
        except InvalidOptionError as error:
            return trouble(400, "invalid_job_payload", str(error))
        task = VirtualTask(device.name, program, tag, zlib.compress(json.dumps(body).encode(), 1), id=str(uuid.uuid4()))
        task.notes = _ignored(body)
        house.line(device.name).accept(task)
        return described(task)

    @app.get("/iqm/api/v1/jobs/{task_id}")
    async def job(task_id: str, wait_until_terminal: str = "", timeout_seconds: int = 10) -> Any:
        found = house.task(task_id)
        if found is None:
            return trouble(404, "job_not_found", f"There is no job {task_id!r}.")
        task = found[1]
        until = time.monotonic() + max(0, min(timeout_seconds, HELD_S))
        while wait_until_terminal == "true" and not task.ended and time.monotonic() < until:
            await anyio.sleep(0.01)
        late = {"IQM-Long-Poll-Timed-Out": "true"} if wait_until_terminal == "true" and not task.ended else None
        return JSONResponse(described(task), headers=late)

    @app.get("/iqm/api/v1/jobs/{task_id}/payload")
    def payload(task_id: str) -> Any:
        found = house.task(task_id)
        if found is None:
            return trouble(404, "job_not_found", f"There is no job {task_id!r}.")
        return Response(zlib.decompress(found[1].params), media_type="application/json", headers={"IQM-Job-Type": "circuit"})  # fmt: skip

    @app.get("/iqm/api/v1/jobs/{task_id}/artifacts/{kind}")
    def artifact(task_id: str, kind: str) -> Any:
        found = house.task(task_id)
        if found is None or found[1].result is None or kind not in ("measurements", "measurement_counts"):
            return trouble(404, "job_artifact_not_found", f"The job {task_id!r} has no artifact {kind!r}.")
        if kind == "measurements":
            return Response(found[1].result, media_type="application/json")
        measured = json.loads(found[1].result)
        return [_counted(one) for one in measured] if isinstance(measured, list) else measured

    @app.post("/iqm/api/v1/jobs/{task_id}/cancel")
    def cancel(task_id: str) -> Any:
        found = house.task(task_id)
        if found is None:
            return trouble(404, "job_not_found", f"There is no job {task_id!r}.")
        line, task = found
        if task.ended:
            return trouble(403, "illegal_job_status", f"The job {task_id!r} has ended: {STATES[task.state]}.")
        line.cancel(task)
        return described(task)


def trouble(code: int, error_code: str, message: str) -> Response:
    body = {"error_code": error_code, "message": message, "request_id": uuid.uuid4().hex}
    return JSONResponse(body, status_code=code)


def described(task: VirtualTask) -> dict[str, Any]:
    events = [("received", task.created_at)]
    if task.started_at is not None:
        events.append(("execution_started", task.started_at))
        if task.state == "Completed":  # in the device's own time, whatever the speed of its clock
            events.append(("execution_ended", task.started_at + (task.qpu_s or 0.0)))
    return {
        "id": task.id,
        "type": "circuit",
        "tag": task.session or None,
        "qc": {"id": _id(task.backend)},
        "status": STATES[task.state],
        "artifacts": [{"type": kind} for kind in ("measurements", "measurement_counts") if task.result is not None],
        "messages": [_said(f"Simulated on a virtual {task.backend}."), *map(_said, (task.reason, *task.notes) if task.reason else task.notes)],
        "errors": [{"error_code": "execution_failed", "message": task.reason, "source": SOURCE}] if task.state == "Failed" else [],
        "timeline": [{"source": SOURCE, "status": status, "timestamp": _stamp(at)} for status, at in events],
        "compilation": {"calibration_set_id": _calibration_of(task)},
        "queue_position": None,
        "simulated": True,
    }  # fmt: skip


def _said(message: str) -> dict[str, str]:
    return {"source": SOURCE, "message": message}


def _calibration_of(task: VirtualTask) -> str | None:
    given = json.loads(zlib.decompress(task.params)).get("calibration_set_id") if task.params else None
    return None if given is None else str(given)


def _ignored(body: Mapping[str, Any]) -> tuple[str, ...]:
    """What a request asks for that is taken and not simulated."""
    asked = {key: body.get(key) for key in ("dd_mode", "heralding_mode", "active_reset_cycles", "qubit_mapping")}
    named = [key for key, value in asked.items() if value not in (None, "disabled", "none")]
    return (f"Taken, and not simulated: {', '.join(named)}.",) if named else ()


def _counted(measured: Mapping[str, list[list[int]]]) -> dict[str, Any]:
    keys = list(measured)
    words = ["".join(str(bit) for row in rows for bit in row) for rows in zip(*measured.values(), strict=True)]
    return {"measurement_keys": keys, "counts": dict(sorted(Counter(words).items()))}


def _id(name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"virtual {name}"))


def _title(name: str) -> str:
    return f"Virtual {name.title()} (simulated)"


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
