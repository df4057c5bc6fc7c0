"""The face of IBM's quantum compute service: with a session's key, the genuine client takes its turn like everyone else."""

from __future__ import annotations

import time
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.front import Front, Limit, Offset, Traceparent, json_body, result_of
from qhub_ext.broker.http_errors import refusal
from qhub_ext.broker.refusals import NotAllowedError
from qhub_ext.broker.rows import TaskRow
from qhub_ext.tiers.qpu import qcs

_VENDOR_STATES = {
    "queued": "Queued",
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


_TEXT = {"type": "string"}
_SESSION_BODY = {"type": "object", "properties": {"backend": _TEXT, "backend_name": _TEXT, "instance": _TEXT, "mode": _TEXT, "max_ttl": {"type": "integer"}}}  # fmt: skip
_JOB_BODY = {
    "type": "object", "required": ["program_id", "backend", "params"],
    "properties": {
        "program_id": {"enum": ["sampler", "estimator"]}, "backend": _TEXT, "session_id": _TEXT,
        "params": {
            "type": "object", "required": ["pubs"],
            "properties": {
                "pubs": {
                    "type": "array",
                    "items": {"type": "array", "minItems": 1, "description": "A sampler's [circuit, values, shots], an estimator's [circuit, observables, values, precision]."},
                },
                "version": {"type": "integer"}, "support_qiskit": {"type": "boolean"}, "shots": {"type": "integer"}, "options": {"type": "object"},
            },
        },
    },
}  # fmt: skip
_KEY_BODY = {"type": "object", "required": ["apikey"], "properties": {"grant_type": _TEXT, "apikey": _TEXT}}


def _takes(schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    """What a body is like, which is read by hand: the genuine client sends more than is needed here."""
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema}}}}


def add_face(app: FastAPI, front: Front) -> None:
    desk = front.desk

    @app.post("/identity/token", openapi_extra=_takes(_KEY_BODY, "application/x-www-form-urlencoded"))
    async def token(request: Request) -> Response:
        try:
            session = desk.sessions.of_key(qcs.read_apikey(await request.body()))
        except NotAllowedError as error:
            return refusal(400, error.message)
        now = time.time()
        return JSONResponse(qcs.token_answer(front.seal.make(session.id, now + qcs.TOKEN_S), now))

    @app.get("/api/v1/backends")
    def backends() -> dict[str, Any]:
        waiting = desk.standing.waiting()
        return {"devices": [_backend(desk, name, waiting[name]) for name in desk.devices]}

    @app.get("/api/v1/backends/{name}/status")
    def backend_status(name: str) -> dict[str, Any]:
        found = front.device(name)
        state = desk.turns.facts(found).state(desk.clock())
        return {
            "length_queue": desk.standing.waiting()[found],
            "status": "active" if state != "down" else "offline",
            "state": state != "down",
        }

    @app.get("/api/v1/backends/{name}/{part}")
    def backend_part(name: str, part: str) -> Any:
        """Configuration and properties as the device itself gives them."""
        if part not in ("configuration", "properties"):
            return refusal(404, f"There is no {part!r} of a backend.")
        target = front.threads[front.device(name)].link.target()
        return (target.get(part) if isinstance(target, dict) else None) or refusal(404, f"The device gives no {part}.")

    @app.post("/api/v1/sessions", openapi_extra=_takes(_SESSION_BODY))
    async def vendor_session(request: Request) -> dict[str, Any]:
        session = front.session_of(front.caller(request))
        body = await json_body(request)
        name = front.device(str(body.get("backend") or body.get("backend_name")))
        return {"id": session.id, "backend_name": name, "mode": "batch", "max_ttl": 28800, "active_ttl": 0, "state": "open", "accepting_jobs": True}  # fmt: skip

    @app.get("/api/v1/sessions/{session_id}")
    def vendor_session_state(session_id: str, request: Request) -> Any:
        session = front.session_of(front.caller(request))
        if session.id != session_id:
            return refusal(404, f"There is no session {session_id!r}.")
        return {"id": session.id, "mode": "batch", "state": "open", "accepting_jobs": True, "max_ttl": 28800, "active_ttl": 0}  # fmt: skip

    @app.patch("/api/v1/sessions/{session_id}")
    def vendor_session_stop(session_id: str, request: Request) -> Response:
        """A client lets go of the device; the session itself ends with its site job."""
        return (
            Response(status_code=204)
            if front.session_of(front.caller(request)).id == session_id
            else refusal(404, "There is no such session.")
        )

    @app.delete("/api/v1/sessions/{session_id}/close")
    def vendor_session_close(session_id: str, request: Request) -> Response:
        return vendor_session_stop(session_id, request)

    @app.get("/api/v1/jobs")
    def vendor_jobs(request: Request, pending: str = "", limit: Limit = 200, offset: Offset = 0) -> dict[str, Any]:
        who = front.caller(request)
        rows = desk.ledger.tasks(uid=who.uid, limit=limit, offset=offset, open_only=pending.lower() == "true")  # fmt: skip
        return {"jobs": [vendor_described(row) for row in rows], "count": len(rows), "limit": limit, "offset": offset}

    @app.post("/api/v1/jobs", openapi_extra=_takes(_JOB_BODY))
    async def vendor_start(request: Request, traceparent: Traceparent = "") -> Any:
        session = front.session_of(front.caller(request))
        body = await json_body(request)
        params = body.get("params")
        if not isinstance(params, dict):
            return refusal(400, "`params` must be an object.")
        name, program = str(body.get("backend")), str(body.get("program_id"))
        row = await anyio.to_thread.run_sync(
            lambda: front.submit(session, name, program, params, traceparent=traceparent)
        )
        return {"id": row.id, "backend": row.device}

    @app.get("/api/v1/jobs/{task_id}")
    def vendor_job(task_id: str, request: Request) -> dict[str, Any]:
        return vendor_described(front.own_task(request, task_id))

    @app.get("/api/v1/jobs/{task_id}/results")
    def vendor_results(task_id: str, request: Request) -> Response:
        return result_of(desk, front.own_task(request, task_id))

    @app.get("/api/v1/jobs/{task_id}/logs")
    def vendor_logs(task_id: str, request: Request) -> Response:
        found = desk.state(front.own_task(request, task_id).id)
        told = found.wait.sentence if found.wait else found.row.message
        return PlainTextResponse(f"broker: {found.row.state}: {told}\n" if told else f"broker: {found.row.state}\n")

    @app.post("/api/v1/jobs/{task_id}/cancel", status_code=204)
    def vendor_cancel(task_id: str, request: Request) -> Response:
        front.cancel(request, task_id)
        return Response(status_code=204)


def vendor_described(row: TaskRow) -> dict[str, Any]:
    state = _VENDOR_STATES[row.state]
    return {
        "id": row.id, "backend": row.device, "state": {"status": state, "reason": row.message}, "status": state,
        "program": {"id": row.program}, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.submitted_at)),
        "cost": 0, "session_id": row.session, "usage": {"seconds": row.qpu_s},
    }  # fmt: skip


def _backend(desk: Desk, name: str, waiting: int) -> dict[str, Any]:
    state = desk.turns.facts(name).state(desk.clock())
    told = {"down": "offline", "maintenance": "paused", "draining": "paused"}.get(state, "online")
    status = {"name": told}
    if told != "online":
        status["reason"] = desk.turns.trouble(name) or state
    return {"name": name, "status": status, "queue_length": waiting, "is_simulator": False, "qubits": 0}  # fmt: skip
