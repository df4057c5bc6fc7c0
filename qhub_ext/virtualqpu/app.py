"""The HTTP API, in the shape that the genuine client of IBM's quantum compute service expects, and a few doors of our own.

/identity/token                       a token for the key
/api/v1/backends ...                  devices, configuration, properties
/api/v1/sessions ..., /api/v1/jobs ...
/core-fast/api ...                     Pasqal's, see `pasqal`
/iqm/api ...                           IQM's, see `iqm`
/health, /spans/{task}, /admin/faults, /admin/calibration   ours
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from qhub_ext import __version__
from qhub_ext.errors import InvalidOptionError, QhubError, UnknownNameError
from qhub_ext.telemetry.answers import TIME_HEADER, Piece, answer_spans
from qhub_ext.tiers import catalog
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.qpu import qcs
from qhub_ext.virtualqpu import iqm
from qhub_ext.virtualqpu.calendar import Calendar, Moment
from qhub_ext.virtualqpu.faults import Fault, Faults
from qhub_ext.virtualqpu.iqm import IqmMachine, add_iqm
from qhub_ext.virtualqpu.line import Line, VirtualTask, described
from qhub_ext.virtualqpu.machine import Machine
from qhub_ext.virtualqpu.pasqal import OPEN, PREFIX, Bench, add_pasqal
from qhub_ext.virtualqpu.running import run_program


@dataclass(frozen=True)
class Cycles:
    """How the devices of a house are calibrated: every `period_s` (None: when told to) for `window_s`, in their own time.

    `replay` has the vendor's documents of several real snapshots per device, see `Machine`.
    """

    period_s: float | None = None
    window_s: float = 600.0
    seed: int = 0
    replay: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


NEVER = Cycles()


class House:
    """The devices of one server; each is opened when it is first asked for. `devices` empty: any of the catalog. `our_qpu=manila` is a
    manila that is called our_qpu.
    """

    def __init__(self, devices: tuple[str, ...], speed: float, cycles: Cycles = NEVER) -> None:
        self._models = dict(_called(words) for words in devices)
        self.devices = tuple(self._models)
        self.speed = speed
        self.cycles = cycles
        self.faults = Faults()
        self.instance = uuid.uuid4().hex
        self.last_asked = time.monotonic()
        self._machines: dict[str, Machine] = {}
        self._lines: dict[str, Line] = {}
        self._calendars: dict[str, Calendar] = {}
        self._opened = threading.RLock()
        self.sequences = Bench(self.faults, speed, self.calendar)

    def resolve(self, name: str) -> str:
        """Raises UnknownNameError."""
        found = name if name in (*self._models, *iqm.NAMES) else catalog.resolve(name)
        if self.devices and found not in self.devices:
            raise UnknownNameError.among("device", name, list(self.devices))
        return found

    def machine(self, name: str) -> Machine:
        with self._opened:
            if name not in self._machines:
                replay = self.cycles.replay.get(name, ())
                self._machines[name] = (
                    IqmMachine(name, seed=self.cycles.seed, replay=replay)
                    if name in iqm.NAMES
                    else Machine(name, self._models.get(name, name), seed=self.cycles.seed, replay=replay)
                )
            return self._machines[name]

    def calendar(self, name: str) -> Calendar:
        with self._opened:
            if name not in self._calendars:
                self._calendars[name] = Calendar(self.cycles.period_s, self.cycles.window_s, self.speed)
            return self._calendars[name]

    def present(self, name: str) -> Device:
        """The device with the snapshot that is in force now."""
        moment = self.calendar(name).now()
        return self.machine(name).at(moment.cycle, moment.since)

    def moment(self, name: str) -> Moment:
        return self.calendar(name).now()

    def line(self, name: str) -> Line:
        with self._opened:
            if name not in self._lines:
                calendar = self.calendar(name)
                self._lines[name] = Line(
                    lambda task: run_program(self.machine(name), task, calendar, self.speed), self.faults, calendar
                )
            return self._lines[name]

    def lines(self) -> dict[str, Line]:
        return dict(self._lines)

    def task(self, task_id: str) -> tuple[Line, VirtualTask] | None:
        for line in self._lines.values():
            task = line.get(task_id)
            if task is not None:
                return line, task
        return None

    @property
    def busy(self) -> bool:
        return any(line.length for line in (*self._lines.values(), *self.sequences.lines))

    def marks(self) -> dict[str, str]:
        """Per device that has been calibrated here, a word that changes with each calibration."""
        cycles = {name: calendar.now().cycle for name, calendar in dict(self._calendars).items()}
        return {name: f"{self.instance} {cycle}" for name, cycle in cycles.items() if cycle}

    def standing(self) -> dict[str, dict[str, Any]]:
        """Per device that somebody has used: tasks that wait or run, and its calendar (s since 1970 UTC)."""
        found = {}
        for name in {*self._lines, *self._machines}:
            moment, line = self.calendar(name).now(), self._lines.get(name)
            found[name] = {
                "queue": line.length if line else 0,
                "calibrating_until": moment.until,
                "next_calibration_at": moment.next_at,
            }
        return found

    def known(self) -> list[str]:
        return list(self.devices) or sorted({*self._lines, *self._machines})

    def close(self) -> None:
        for line in (*self._lines.values(), *self.sequences.lines):
            line.close()


def _called(words: str) -> tuple[str, str]:
    """`kingston` or `NAME=kingston` -> (name, device). Raises UnknownNameError."""
    name, equals, model = words.partition("=")
    if name in iqm.NAMES and not equals:
        return name, name
    if model in iqm.NAMES:
        raise InvalidOptionError(f"A virtual {model} goes by that name only.", advice=f"Write --device {model}.")
    found = catalog.resolve(model if equals else name)
    return (name.strip(), found) if equals else (found, found)


def build(house: House, key: str) -> FastAPI:
    app = FastAPI(
        title="qhub_ext virtual QPU", summary="Simulated. Speaks as IBM's quantum compute service does.", version="1"
    )
    tokens: dict[str, float] = {}
    sessions: dict[str, dict[str, Any]] = {}

    @app.middleware("http")
    async def door(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        path = request.url.path
        if path.startswith(("/api/", PREFIX, iqm.PREFIX)):
            house.last_asked = time.monotonic()
            fault = house.faults.at_the_door(request.method, path)
            if fault is not None:
                if fault.kind == "hang":
                    await anyio.sleep(3600)
                elif fault.kind == "slow":
                    await anyio.sleep(fault.delay_s)
                elif fault.kind != "late":
                    return refusal(int(fault.kind), f"a fault that was switched on ({fault.kind})")
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if path.startswith(iqm.PREFIX):  # IQM's tokens are made by hand and hold: the key is one
                if not hmac.compare_digest(bearer.encode(), key.encode()):
                    return iqm.trouble(401, "unauthorized", "The token is not valid.")
            elif path not in OPEN and tokens.get(bearer, 0.0) < time.time():
                return refusal(401, "The token is not valid.")
            if fault is not None and fault.kind == "late":
                answer = await go_on(request)
                await anyio.sleep(fault.delay_s)
                return answer
        elif path.startswith(("/admin/", "/spans/")) and not hmac.compare_digest(
            request.headers.get("x-api-key", ""), key
        ):
            return refusal(401, "The key is not valid.")
        return await go_on(request)

    @app.middleware("http")
    async def clock(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        answer = await go_on(request)
        answer.headers[TIME_HEADER] = f"{time.time():.6f}"
        return answer

    @app.exception_handler(QhubError)
    async def refused(_: Request, error: QhubError) -> Response:
        return refusal(404 if isinstance(error, UnknownNameError) else 400, str(error))

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {
            "instance": house.instance,
            "version": __version__,
            "simulated": True,
            "devices": house.known(),
            "cycles": house.marks(),
            "standing": house.standing(),
        }

    @app.get("/spans/{task_id}")
    def spans(task_id: str, traceparent: Annotated[str, Header(max_length=512)] = "") -> Any:
        """When the task waited and when it ran, as OTLP JSON below the span that the `traceparent` names."""
        found = house.task(task_id)
        if found is None:
            return refusal(404, f"There is no task {task_id!r}.")
        task = found[1]
        named: dict[str, Any] = {"qhub.task.vendor_id": task_id}
        ran = named if task.qpu_s is None else {**named, "qhub.qpu.seconds": float(task.qpu_s)}
        pieces = [
            Piece("wait at the device", "device_queue", task.created_at, task.started_at or task.ended_at, named),
            Piece("on the device", "quantum", task.started_at, task.ended_at, ran),
        ]
        return answer_spans("qhub-virtual-qpu", traceparent, task_id, pieces)

    @app.post("/identity/token")
    async def token(request: Request) -> Response:
        given = qcs.read_apikey(await request.body())
        if not hmac.compare_digest(given.encode(), key.encode()):
            return refusal(400, "Provided API key could not be found.")
        made, now = secrets.token_urlsafe(32), time.time()
        tokens[made] = now + qcs.TOKEN_S
        return JSONResponse(qcs.token_answer(made, now))

    @app.get("/api/v1/backends")
    def backends() -> dict[str, Any]:
        named = [name for name in house.devices or tuple(catalog.packaged_names()) if name not in iqm.NAMES]
        listed = [_backend(house, name) for name in named]
        # IBM's own name as well: a site that names its resource so finds it in the list
        return {"devices": [*listed, *({**one, "name": f"ibm_{one['name']}"} for one in listed)]}

    @app.get("/api/v1/backends/{name}/status")
    def backend_status(name: str) -> dict[str, Any]:
        found = house.resolve(name)
        line = house.lines().get(found)
        return {
            "length_queue": line.length if line else 0,
            "status": _condition(house, found)[0],
            "state": _condition(house, found)[0] == "active",
            "message": _condition(house, found)[1] or "available",
        }

    @app.get("/api/v1/backends/{name}/configuration")
    def configuration(name: str) -> Any:
        found = house.resolve(name)
        if house.faults.strikes("null_target", found):
            return refusal(404, "There is no configuration (a fault that was switched on).")
        return {
            **house.present(found).configuration,
            "description": f"Simulated: a virtual {found} of qhub_ext",
            "simulated": True,
        }

    @app.get("/api/v1/backends/{name}/properties")
    def properties(name: str) -> Any:
        return dict(house.present(house.resolve(name)).properties)

    @app.post("/api/v1/sessions")
    async def open_session(request: Request) -> dict[str, Any]:
        body = await request.json()
        name = house.resolve(str(body.get("backend") or body.get("backend_name")))
        session = {"id": uuid.uuid4().hex, "backend_name": name, "mode": body.get("mode", "dedicated"), "max_ttl": body.get("max_ttl", 28800), "active_ttl": 0, "state": "open", "accepting_jobs": True}  # fmt: skip
        sessions[session["id"]] = session
        return session

    @app.get("/api/v1/sessions/{session}")
    def session_state(session: str) -> Any:
        return sessions.get(session) or refusal(404, f"There is no session {session!r}.")

    @app.patch("/api/v1/sessions/{session}")
    def stop_session(session: str) -> Response:
        if session not in sessions:
            return refusal(404, f"There is no session {session!r}.")
        sessions[session] |= {"accepting_jobs": False, "state": "closed"}
        return Response(status_code=204)

    @app.delete("/api/v1/sessions/{session}/close")
    def close_session(session: str) -> Response:
        for line in house.lines().values():
            for task in line.tasks():
                if task.session == session and not task.ended:
                    line.cancel(task, "Its session was closed.")
        return stop_session(session)

    @app.get("/api/v1/jobs")
    def jobs(
        pending: str = "",
        backend: str = "",
        session_id: str = "",
        created_after: str = "",
        created_before: str = "",
        limit: int = 200,
        offset: int = 0,
    ) -> dict[str, Any]:
        wanted = house.resolve(backend) if backend else ""
        found = [
            task
            for line in house.lines().values()
            for task in line.tasks()
            if (not wanted or task.backend == wanted)
            and (not session_id or task.session == session_id)
            and (pending.lower() != "true" or not task.ended)
            and (not created_after or task.created_at >= _seconds(created_after))
            and (not created_before or task.created_at <= _seconds(created_before))
        ]
        found.sort(key=lambda task: -task.created_at)
        page = found[offset : offset + limit]
        return {"jobs": [described(task) for task in page], "count": len(found), "limit": limit, "offset": offset}

    @app.post("/api/v1/jobs")
    async def start(request: Request) -> Any:
        body = await request.json()
        name = house.resolve(str(body.get("backend")))
        if name in iqm.NAMES:
            return refusal(404, f"{name} takes jobs of IQM's API only, under {iqm.PREFIX}api.")
        session = str(body.get("session_id") or "")
        if session and (house.faults.strikes("session_expired") or not sessions.get(session, {}).get("accepting_jobs")):
            return refusal(409, f"The session {session} has ended and takes no more jobs.")
        machine = await anyio.to_thread.run_sync(house.machine, name)
        program = await anyio.to_thread.run_sync(machine.read, str(body.get("program_id")), body.get("params") or {})
        sent = zlib.compress(json.dumps(body.get("params") or {}).encode(), 1)
        notes = (f"Taken, and not simulated: {', '.join(program.ignored)}.",) if program.ignored else ()
        task = VirtualTask(name, program, session, sent, notes=notes)
        house.line(name).accept(task)
        return {"id": task.id, "backend": name}

    @app.get("/api/v1/jobs/{task_id}")
    def job(task_id: str, exclude_params: str = "true") -> Any:
        found = house.task(task_id)
        wanted = exclude_params.lower() == "false"
        return described(found[1], params=wanted) if found else refusal(404, f"There is no job {task_id!r}.")

    @app.get("/api/v1/jobs/{task_id}/results")
    def results(task_id: str) -> Response:
        found = house.task(task_id)
        if found is None or found[1].result is None:
            return refusal(404, f"The job {task_id!r} has no results.")
        return PlainTextResponse(found[1].result)

    @app.get("/api/v1/jobs/{task_id}/logs")
    def logs(task_id: str) -> Response:
        found = house.task(task_id)
        if found is None:
            return refusal(404, f"There is no job {task_id!r}.")
        task = found[1]
        text = f"simulated on a virtual {task.backend}: {task.state}"
        first = f"{text}: {task.reason}" if task.reason else text
        return PlainTextResponse("\n".join((first, *task.notes)) + "\n")

    @app.post("/api/v1/jobs/{task_id}/cancel")
    def cancel(task_id: str) -> Response:
        found = house.task(task_id)
        if found is None:
            return refusal(404, f"There is no job {task_id!r}.")
        line, task = found
        if task.ended:
            return refusal(409, f"The job {task_id!r} has ended: {task.state}.")
        line.cancel(task)
        return Response(status_code=204)

    add_pasqal(app, house.sequences, key, lambda token: tokens.update({token: time.time() + qcs.TOKEN_S}), house.faults)

    add_iqm(app, house, house.resolve)

    @app.get("/admin/faults")
    def list_faults() -> dict[str, Any]:
        return {"faults": house.faults.listed()}

    @app.post("/admin/faults")
    async def switch_on(request: Request) -> dict[str, Any]:
        body = await request.json()
        known = {name: body[name] for name in ("kind", "where", "times", "delay_s", "method") if name in body}
        house.faults.switch_on(Fault(**known))
        return list_faults()

    @app.delete("/admin/faults")
    def switch_off() -> dict[str, Any]:
        house.faults.clear()
        return list_faults()

    @app.get("/admin/calibration")
    def calibrations() -> dict[str, Any]:
        return {"devices": {name: _calibration(house, name) for name in house.known()}}

    @app.post("/admin/calibration/{name}")
    def calibrate(
        name: str, window_s: Annotated[float | None, Query(ge=0, allow_inf_nan=False)] = None
    ) -> dict[str, Any]:
        found = house.resolve(name)
        house.calendar(found).calibrate(window_s)
        return _calibration(house, found)

    return app


def _seconds(moment: str) -> float:
    """ISO 8601 -> s since 1970 UTC. Raises InvalidOptionError."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        raise InvalidOptionError(f"{moment!r} is no moment.") from None


def refusal(code: int, message: str) -> Response:
    return JSONResponse(qcs.error_body(code, message), status_code=code)


def _condition(house: House, name: str) -> tuple[str, str]:
    """The service's word for the state of a device, and the reason when it is not active."""
    kinds = {f["kind"] for f in house.faults.listed()}
    if "offline" in kinds:
        return "offline", "under maintenance"
    if "calibrating" in kinds or house.calendar(name).now().calibrating:
        return "paused", "calibrating"
    return ("paused", "paused by its operator") if "paused" in kinds else ("active", "")


def _backend(house: House, name: str) -> dict[str, Any]:
    line = house.lines().get(name)
    condition, reason = _condition(house, name)
    status = {"name": {"active": "online"}.get(condition, condition)} | ({"reason": reason} if reason else {})
    return {"name": name, "status": status, "queue_length": line.length if line else 0, "is_simulator": False, "qubits": 0, "simulated": True}  # fmt: skip


def _calibration(house: House, name: str) -> dict[str, Any]:
    moment = house.calendar(name).now()
    return vars(moment) | {"snapshot": house.machine(name).at(moment.cycle, moment.since).snapshot.id}
