"""The API of IBM's quantum compute service, in the shape that its genuine client expects, for the devices of a house.

/identity/token                       a token for the key
/api/v1/backends ...                  devices, configuration, properties
/api/v1/sessions ..., /api/v1/jobs ...
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
import uuid
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers import catalog
from qhub_ext.tiers.qpu import qcs
from qhub_ext.virtualqpu import iqm, iqm_machine
from qhub_ext.virtualqpu.house import House
from qhub_ext.virtualqpu.line import VirtualTask, described

PREFIX = "/api/"


def add_ibm(app: FastAPI, house: House, key: str, admit: Callable[[str], None]) -> None:
    """`admit` lets a token in that was made for the key."""
    sessions: dict[str, dict[str, Any]] = {}

    @app.post("/identity/token")
    async def token(request: Request) -> Response:
        given = qcs.read_apikey(await request.body())
        if not hmac.compare_digest(given.encode(), key.encode()):
            return refusal(400, "Provided API key could not be found.")
        made, now = secrets.token_urlsafe(32), time.time()
        admit(made)
        return JSONResponse(qcs.token_answer(made, now))

    @app.get("/api/v1/backends")
    def backends() -> dict[str, Any]:
        named = [name for name in house.devices or tuple(catalog.packaged_names()) if name not in iqm_machine.NAMES]
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
        if name in iqm_machine.NAMES:
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
