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
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import anyio
import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from qiskit.circuit import ClassicalRegister, QuantumCircuit, QuantumRegister

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import GateTable
from qhub_ext.tiers import devices
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.iqm import MARK
from qhub_ext.virtualqpu.calendar import Moment
from qhub_ext.virtualqpu.faults import Faults
from qhub_ext.virtualqpu.garnet import NAME, garnet
from qhub_ext.virtualqpu.line import Line, VirtualTask
from qhub_ext.virtualqpu.machine import Machine, Program, Pub, Run

PREFIX = "/iqm/"
NAMES = (NAME,)
STATES = {"Queued": "waiting", "Running": "processing", "Completed": "completed", "Failed": "failed", "Cancelled": "cancelled"}  # fmt: skip
MOST_CIRCUITS, MOST_SHOTS, MOST_EXECUTIONS = 200, 100_000, 1_000_000
HELD_S = 30
"""A question may wait so long for the end of a job."""
_IMPLEMENTATIONS = {"prx": "drag_crf", "cz": "crf_crf", "measure": "constant"}
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122's, for names that are addresses


class House(Protocol):
    """As much of `app.House` as is asked here."""

    faults: Faults

    def machine(self, name: str) -> Machine: ...
    def line(self, name: str) -> Line: ...
    def lines(self) -> dict[str, Line]: ...
    def present(self, name: str) -> Device: ...
    def moment(self, name: str) -> Moment: ...
    def task(self, task_id: str) -> tuple[Line, VirtualTask] | None: ...


class IqmMachine(Machine):
    """Takes batches of circuits in IQM's own instructions, and gives the bits of each measurement under its key."""

    def __init__(self, name: str, *, seed: int = 0, replay: Sequence[Mapping[str, Any]] = ()) -> None:
        devices.install(garnet(name))
        super().__init__(name, seed=seed, replay=replay)

    def read_batch(self, body: Mapping[str, Any]) -> Program:
        """Raises InvalidOptionError in the words of a service that refuses a request."""
        shots, circuits = body.get("shots", 1), body.get("circuits")
        if isinstance(shots, bool) or not isinstance(shots, int) or not 1 <= shots <= MOST_SHOTS:
            raise InvalidOptionError(f"shots: {shots!r} is not between 1 and {MOST_SHOTS}.")
        if not isinstance(circuits, list) or not 1 <= len(circuits) <= MOST_CIRCUITS:
            raise InvalidOptionError(f"circuits: a list of 1 to {MOST_CIRCUITS} circuits is expected.")
        if shots * len(circuits) > MOST_EXECUTIONS:
            raise InvalidOptionError(f"circuits: {shots * len(circuits)} executions are more than {MOST_EXECUTIONS}.")
        made = [circuit_of(given, self.device, f"circuits.{number}") for number, given in enumerate(circuits)]
        return Program("circuit", tuple(Pub(circuit, None, shots) for circuit in made))

    def encode(self, program: Program, runs: Sequence[Run]) -> str:  # noqa: ARG002 - the keys are in the results
        return json.dumps([_measurements(run.result) for run in runs])


def _measurements(result: Any) -> dict[str, list[list[int]]]:
    """Key -> a row per shot; each key is a register of one bit."""
    found = {}
    for register, array in result.data.items():
        bits = np.unpackbits(array.array, axis=-1)[:, -1]
        found[result.metadata["circuit_metadata"]["keys"][register]] = [[int(bit)] for bit in bits]
    return found


def circuit_of(given: Any, device: Device, where: str) -> QuantumCircuit:
    """A circuit on the device's qubits. Raises InvalidOptionError in the words of a service that refuses a request."""
    if not isinstance(given, dict) or not isinstance(given.get("instructions"), list):
        raise InvalidOptionError(f"{where}: a circuit with a name and instructions is expected.")
    place = {name: number for number, name in enumerate(device.configuration[MARK]["names"])}
    pairs = {frozenset(locus) for locus in device.configuration[MARK]["cz"]}
    circuit = QuantumCircuit(QuantumRegister(device.qubits, "q"), name=str(given.get("name") or "circuit"))
    keys: dict[str, str] = {}
    for number, step in enumerate(given["instructions"]):
        at = f"{where}.instructions.{number}"
        try:
            name, locus, args = step["name"], [str(n) for n in step["locus"]], step.get("args") or {}
            qubits = [place[component] for component in locus]
        except (KeyError, TypeError, AttributeError):
            raise InvalidOptionError(
                f"{at}: a name, and a locus of components of {device.name}, are expected."
            ) from None
        width = {"prx": 1, "cz": 2, "delay": 1, "measure": 1}.get(name)
        if width is not None and (len(qubits) != width or len(set(qubits)) != width):
            raise InvalidOptionError(f"{at}: {name} acts on {width} components, not on {', '.join(locus)}.")
        try:
            if name == "prx":
                circuit.r(_finite(args["angle"]), _finite(args["phase"]), qubits[0])
            elif name == "cz":
                if frozenset(locus) not in pairs:
                    raise InvalidOptionError(f"{at}: cz is not calibrated on {', '.join(locus)}.")
                circuit.cz(*qubits)
            elif name == "barrier":
                circuit.barrier(qubits)
            elif name == "delay":
                circuit.delay(_finite(args["duration"]), qubits[0], unit="s")
            elif name == "measure":
                key = str(args["key"])
                if not key or key in keys.values():
                    raise InvalidOptionError(f"{at}: the measurement key {key!r} is not unique.")
                register = ClassicalRegister(1, f"k{len(keys)}")
                keys[register.name] = key
                circuit.add_register(register)
                circuit.measure(qubits[0], register[0])
            else:
                raise InvalidOptionError(
                    f"{at}: there is no operation {name!r}; there are prx, cz, measure, barrier, delay."
                )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidOptionError(f"{at}: the arguments of {name} cannot be read: {error}") from error
    if not keys:
        raise InvalidOptionError(f"{where}: a circuit without a measurement has no result.")
    circuit.metadata = {"keys": keys}
    return circuit


def _finite(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number


# ---------------------------------------------------------------------- what the device says of itself


def calibration_set_id(device: Device) -> str:
    return str(uuid.uuid5(_NAMESPACE, device.snapshot.id))


def architecture(device: Device) -> dict[str, Any]:
    names, pairs = device.configuration[MARK]["names"], device.configuration[MARK]["cz"]
    sites = {"prx": [[name] for name in names], "measure": [[name] for name in names], "cz": pairs}
    return {
        "calibration_set_id": calibration_set_id(device),
        "qubits": names,
        "computational_resonators": [],
        "simulated": True,
        "gates": {
            gate: {
                "implementations": {_IMPLEMENTATIONS[gate]: {"loci": loci}},
                "default_implementation": _IMPLEMENTATIONS[gate],
                "override_default_implementation": {},
            }
            for gate, loci in sites.items()
        },
    }


def observation_sets(device: Device) -> tuple[dict[str, Any], dict[str, Any]]:
    """The calibration set, and the quality metrics."""
    names = device.configuration[MARK]["names"]
    snapshot, stamp = device.snapshot, device.snapshot.taken_at
    definition: list[dict[str, Any]] = []
    metrics: list[dict[str, Any]] = []

    def observe(where: list[dict[str, Any]], field: str, value: float | None, unit: str = "") -> None:
        if value is not None:
            number = len(definition) + len(metrics)
            where.append({"observation_id": number, "dut_field": field, "value": value, "unit": unit, "uncertainty": None, "invalid": False, "created_timestamp": stamp, "modified_timestamp": stamp})  # fmt: skip

    for number, name in enumerate(names):
        model, measured = f"characterization.model.{name}", f"metrics.ssro.measure.constant.{name}"
        observe(metrics, f"{model}.t1_time", snapshot.column("t1_s")[number], "s")
        observe(metrics, f"{model}.t2_time", snapshot.column("t2_s")[number], "s")
        readout = snapshot.column("readout_error")[number]
        observe(metrics, f"{measured}.fidelity", None if readout is None else 1 - readout)
        observe(metrics, f"{measured}.error_0_to_1", snapshot.column("prob_meas1_prep0")[number])
        observe(metrics, f"{measured}.error_1_to_0", snapshot.column("prob_meas0_prep1")[number])
        observe(definition, f"gates.measure.constant.{name}.duration", snapshot.column("readout_length_s")[number], "s")
    for gate, ours, method in (("prx", "r", "rb"), ("cz", "cz", "irb")):
        table: GateTable = snapshot.gates[ours]
        calibrated = {tuple(names.index(n) for n in locus) for locus in device.configuration[MARK]["cz"]}
        for row, site in enumerate(table.qubits):
            if gate == "cz" and site not in calibrated:
                continue
            locus, implementation = "__".join(names[q] for q in site), _IMPLEMENTATIONS[gate]
            error = table.error[row]
            observe(
                metrics,
                f"metrics.{method}.{gate}.{implementation}.{locus}.fidelity:par=d2",
                None if error is None else 1 - error,
            )
            observe(definition, f"gates.{gate}.{implementation}.{locus}.duration", table.length_s[row], "s")
    identity = calibration_set_id(device)

    def gathered(kind: str, observations: list[dict[str, Any]], own: str, describes: str | None) -> dict[str, Any]:
        return {"observation_set_id": own, "observation_set_type": kind, "describes_id": describes, "invalid": False, "dut_label": device.name, "created_timestamp": stamp, "end_timestamp": stamp, "observations": observations}  # fmt: skip

    own = str(uuid.uuid5(_NAMESPACE, f"metrics of {identity}"))
    return gathered("calibration-set", definition, identity, None), gathered("quality-metric-set", metrics, own, identity)  # fmt: skip


# ---------------------------------------------------------------------- the doors


def add_iqm(app: FastAPI, house: House, resolve: Callable[[str], str]) -> None:
    sets: dict[str, dict[str, Device]] = {}

    def device_of(name: str, wanted: str = "default") -> Device | Response:
        """The device with a calibration set that it has or had."""
        found = resolve(name.replace(":", "_"))
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


SOURCE = "iqm-station-control"


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
    return str(uuid.uuid5(_NAMESPACE, f"virtual {name}"))


def _title(name: str) -> str:
    return f"Virtual {name.title()} (simulated)"


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
