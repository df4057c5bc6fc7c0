"""The broker over HTTP: its own API for people and tools of the site, and the face of IBM's quantum compute service, so that the genuine
client takes its turn like everyone else.

On the unix socket the kernel says who calls (SO_PEERCRED); on TCP the key of a session does, or a token that was given for it.
"""

from __future__ import annotations

import os
import pwd
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from qhub_ext import __version__
from qhub_ext.broker.desk import ConflictError, Desk, NotAllowedError, TaskState
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.ledger import Session, TaskRow
from qhub_ext.broker.membership import Membership
from qhub_ext.broker.tokens import TokenSeal
from qhub_ext.broker.windows import Window
from qhub_ext.errors import DeviceError, QhubError, UnknownNameError, UserError
from qhub_ext.tiers import catalog
from qhub_ext.tiers.qpu import qcs

LONGEST_WAIT_S = 60.0
LARGEST_BODY = 64 * 2**20

Limit = Annotated[int, Query(ge=0, le=10_000)]
Offset = Annotated[int, Query(ge=0, le=10**12)]
Seconds = Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)]
Days = Annotated[float, Query(gt=0, le=3650)]

_VENDOR_STATES = {
    "queued": "Queued",
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SessionBody(_Body):
    """`job` is the site scheduler's id; the profile is the site's word for that job, and `profile` counts only where the site has none."""

    job: str = Field(default="", max_length=200)
    profile: str = Field(default="", max_length=100)
    account: str = Field(default="", max_length=200)


class TaskBody(_Body):
    id: str = Field(
        default="", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="Made by the client: sent again, it is the same task."
    )
    session: str = Field(max_length=64)
    device: str = Field(max_length=100)
    program: str = Field(max_length=40)
    params: dict[str, Any]
    deadline_at: float | None = None


class WindowBody(_Body):
    """`start` in s since 1970 UTC; `rule` an iCalendar RRULE, "" for a window that comes once; `device` "" for all."""

    start: float = Field(ge=0, le=1e11)
    length_s: float = Field(gt=0, le=31 * 86400)
    rule: str = Field(default="", max_length=500)
    device: str = Field(default="", max_length=100)
    note: str = Field(default="", max_length=500)


class DrainBody(_Body):
    note: str = Field(default="", max_length=500)


class Caller:
    """Who asks: a uid by the socket, or a session by its key. `operator` may order."""

    def __init__(self, uid: int, user: str, session: Session | None, *, operator: bool) -> None:
        self.uid, self.user, self.session, self.operator = uid, user, session, operator


def build(
    desk: Desk,
    threads: dict[str, DeviceThread],
    *,
    url: Callable[[], str],
    membership: Membership,
    operators: frozenset[int],
) -> FastAPI:
    app = FastAPI(title="qhub_ext broker", summary="A second-level scheduler of quantum tasks.", version=__version__)
    seal = TokenSeal(desk.ledger.secret())
    virtual = sorted(name for name, thread in threads.items() if thread.virtual)

    def session_of_token(request: Request) -> Session | None:
        session_id = seal.open(request.headers.get("authorization", "").removeprefix("Bearer "), time.time())
        session = desk.ledger.session(id=session_id) if session_id else None
        return None if session is None or session.ended_at is not None else session

    def caller(request: Request) -> Caller:
        found = getattr(request.state, "caller", None)
        if not isinstance(found, Caller):
            raise NotAllowedError("Who calls is not known.", advice="Use the unix socket, or the key of a session.")
        return found

    def operator(request: Request) -> Caller:
        found = caller(request)
        if not found.operator:
            raise NotAllowedError(f"{found.user} is no operator of this broker.", advice="Ask one.")
        return found

    def own_task(request: Request, task_id: str) -> TaskRow:
        """A stranger's task is as unknown as one that never was."""
        row, who = desk.ledger.task(task_id), caller(request)
        if row is None or (row.uid != who.uid and not who.operator):
            raise UnknownNameError(f"There is no task {task_id!r}.")
        return row

    @app.middleware("http")
    async def door(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
            return refusal(413, f"A body of more than {LARGEST_BODY >> 20} MiB is not taken.")
        host = request.client.host if request.client else ""
        try:
            if host.startswith("uid:"):
                uid = int(host.removeprefix("uid:"))
                request.state.caller = Caller(uid, user_name(uid), None, operator=uid in operators)
            elif request.url.path not in _OPEN:
                session = session_of_token(request)
                if session is None:
                    return refusal(401, "The token is not valid.")
                request.state.caller = Caller(session.uid, session.user, session, operator=False)
        except NotAllowedError as error:
            return refusal(401, error.message)
        return await go_on(request)

    @app.exception_handler(QhubError)
    async def refused(_: Request, error: QhubError) -> Response:
        return refusal(_status(error), str(error), error)

    # ------------------------------------------------------------------ for everybody

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"version": __version__, "devices": list(desk.devices)}

    @app.get("/metrics")
    def metrics() -> Response:
        return PlainTextResponse(metrics_text(desk), media_type="text/plain; version=0.0.4")

    # ------------------------------------------------------------------ our own API

    @app.get("/v1/status")
    def status(request: Request) -> dict[str, Any]:
        caller(request)
        now = desk.clock()
        rows = desk.ledger.open_tasks()
        return {
            "version": __version__,
            "at": now,
            "devices": [{**_device(desk, name, now, rows), "virtual": name in virtual} for name in desk.devices],
            "profiles": [vars(p) for p in desk.policy.profiles.values()],
        }

    @app.post("/v1/sessions", status_code=201)
    def open_session(body: SessionBody, request: Request) -> dict[str, Any]:
        who = caller(request)
        if who.session is not None:
            raise NotAllowedError("A session is opened on the unix socket, where it is known who asks.")
        found = membership.find(who.uid, body.job, body.profile, body.account)
        session = desk.open_session(who.uid, who.user, profile=found.profile, account=found.account, job=body.job)
        return {"id": session.id, "key": session.key, "url": url(), "profile": session.profile, "until": session.until, "virtual": virtual}  # fmt: skip

    @app.delete("/v1/sessions/{session_id}", status_code=204)
    def close_session(session_id: str, request: Request) -> Response:
        found, who = desk.ledger.session(id=session_id), caller(request)
        if found is None or (found.uid != who.uid and not who.operator):
            raise UnknownNameError(f"There is no session {session_id!r}.")
        desk.close_session(session_id)
        return Response(status_code=204)

    @app.post("/v1/tasks", status_code=201)
    def submit(body: TaskBody, request: Request) -> dict[str, Any]:
        session, who = desk.ledger.session(id=body.session), caller(request)
        if session is None or session.uid != who.uid:
            raise UnknownNameError(f"There is no session {body.session!r}.")
        if session.ended_at is not None:
            raise NotAllowedError(f"The session {session.id} has ended.", advice="Open another one.")
        row = desk.submit(session, _named(desk, body.device), body.program, body.params, task_id=body.id, deadline_at=body.deadline_at)  # fmt: skip
        return described(desk.state(row.id))

    @app.get("/v1/tasks")
    def tasks(request: Request, everybody: bool = False, limit: Limit = 200, offset: Offset = 0) -> dict[str, Any]:
        """Those that wait or run, in the order in which they would run now. Others' are shown without what is theirs alone."""
        who = caller(request)
        found = [
            {**_summary(row, mine=row.uid == who.uid or who.operator), "reason": wait.reason if wait else "", "why": wait.sentence if wait else "", "place": place}
            for place, (row, wait) in enumerate(desk.queue(), 1)
            if everybody or row.uid == who.uid
        ]  # fmt: skip
        return {"tasks": found[offset : offset + limit], "total": len(found)}

    @app.get("/v1/tasks/{task_id}")
    async def task(task_id: str, request: Request, wait: Seconds = 0.0) -> dict[str, Any]:
        """With `wait`, answers when the task has ended or after so many seconds."""
        own_task(request, task_id)
        return described(await anyio.to_thread.run_sync(desk.wait_for, task_id, wait, abandon_on_cancel=True))

    @app.get("/v1/tasks/{task_id}/result")
    def result(task_id: str, request: Request) -> Response:
        return _result(desk, own_task(request, task_id))

    @app.post("/v1/tasks/{task_id}/cancel")
    def cancel(task_id: str, request: Request) -> dict[str, Any]:
        row, who = own_task(request, task_id), caller(request)
        desk.cancel(
            row.id, "It was cancelled by its owner." if row.uid == who.uid else f"It was cancelled by {who.user}."
        )
        if row.uid != who.uid:
            desk.order(who.user, "cancel", row.id)
        return described(desk.state(row.id))

    @app.get("/v1/usage")
    def usage(request: Request, days: Days = 1.0) -> dict[str, Any]:
        who = caller(request)
        rows = desk.ledger.usage(desk.clock() - days * 86400)
        return {"usage": [row for row in rows if who.operator or row["user"] == who.user]}

    # ------------------------------------------------------------------ for operators

    @app.post("/v1/devices/{name}/drain")
    def drain(name: str, body: DrainBody, request: Request) -> dict[str, Any]:
        desk.drain(_named(desk, name), operator(request).user, drained=True, note=body.note)
        return {"drained": desk.ledger.drained()}

    @app.post("/v1/devices/{name}/resume")
    def resume(name: str, request: Request) -> dict[str, Any]:
        desk.drain(_named(desk, name), operator(request).user, drained=False)
        return {"drained": desk.ledger.drained()}

    @app.get("/v1/windows")
    def windows(request: Request) -> dict[str, Any]:
        caller(request)
        return {"windows": [{"id": number, **vars(window)} for number, window in desk.ledger.windows()]}

    @app.post("/v1/windows", status_code=201)
    def add_window(body: WindowBody, request: Request) -> dict[str, Any]:
        who = operator(request)
        device = _named(desk, body.device) if body.device else ""
        return {"id": desk.add_window(Window(body.start, body.length_s, body.rule, device, body.note), who.user)}

    @app.delete("/v1/windows/{number}", status_code=204)
    def remove_window(number: int, request: Request) -> Response:
        who = operator(request)
        if not -(2**63) <= number < 2**63 or not desk.ledger.remove_window(number):
            raise UnknownNameError(f"There is no window {number}.")
        desk.order(who.user, "remove window", str(number))
        return Response(status_code=204)

    @app.get("/v1/audit")
    def audit(request: Request) -> dict[str, Any]:
        operator(request)
        return {"audit": desk.ledger.audit()}

    # ------------------------------------------------------------------ as IBM's quantum compute service speaks

    @app.post("/identity/token")
    async def token(request: Request) -> Response:
        try:
            session = desk.session_of(qcs.read_apikey(await request.body()))
        except NotAllowedError as error:
            return refusal(400, error.message)
        now = time.time()
        return JSONResponse(qcs.token_answer(seal.make(session.id, now + qcs.TOKEN_S), now))

    @app.get("/api/v1/backends")
    def backends() -> dict[str, Any]:
        now = desk.clock()
        rows = desk.ledger.open_tasks()
        return {"devices": [_backend(desk, name, now, rows) for name in desk.devices]}

    @app.get("/api/v1/backends/{name}/status")
    def backend_status(name: str) -> dict[str, Any]:
        found = _named(desk, name)
        waiting = sum(row.device == found for row in desk.ledger.open_tasks())
        state = desk.facts(found).state(desk.clock())
        return {"length_queue": waiting, "status": "active" if state != "down" else "offline", "state": state != "down"}

    @app.get("/api/v1/backends/{name}/{part}")
    def backend_part(name: str, part: str) -> Any:
        """Configuration and properties as the device itself gives them."""
        if part not in ("configuration", "properties"):
            return refusal(404, f"There is no {part!r} of a backend.")
        thread = threads[_named(desk, name)]
        target = thread.target()
        return target.get(part) or refusal(404, f"The device gives no {part}.")

    @app.post("/api/v1/sessions")
    async def vendor_session(request: Request) -> dict[str, Any]:
        session = _of_key(caller(request))
        body = await _json(request)
        name = _named(desk, str(body.get("backend") or body.get("backend_name")))
        return {"id": session.id, "backend_name": name, "mode": "batch", "max_ttl": 28800, "active_ttl": 0, "state": "open", "accepting_jobs": True}  # fmt: skip

    @app.get("/api/v1/sessions/{session_id}")
    def vendor_session_state(session_id: str, request: Request) -> Any:
        session = _of_key(caller(request))
        if session.id != session_id:
            return refusal(404, f"There is no session {session_id!r}.")
        return {"id": session.id, "mode": "batch", "state": "open", "accepting_jobs": True, "max_ttl": 28800, "active_ttl": 0}  # fmt: skip

    @app.patch("/api/v1/sessions/{session_id}")
    def vendor_session_stop(session_id: str, request: Request) -> Response:
        """A client lets go of the device; the session itself ends with its site job."""
        return (
            Response(status_code=204)
            if _of_key(caller(request)).id == session_id
            else refusal(404, "There is no such session.")
        )

    @app.delete("/api/v1/sessions/{session_id}/close")
    def vendor_session_close(session_id: str, request: Request) -> Response:
        return vendor_session_stop(session_id, request)

    @app.get("/api/v1/jobs")
    def vendor_jobs(request: Request, pending: str = "", limit: Limit = 200, offset: Offset = 0) -> dict[str, Any]:
        who = caller(request)
        rows = desk.ledger.tasks(uid=who.uid, limit=limit, offset=offset, open_only=pending.lower() == "true")  # fmt: skip
        return {"jobs": [vendor_described(row) for row in rows], "count": len(rows), "limit": limit, "offset": offset}

    @app.post("/api/v1/jobs")
    async def vendor_start(request: Request) -> Any:
        session = _of_key(caller(request))
        body = await _json(request)
        params = body.get("params")
        if not isinstance(params, dict):
            return refusal(400, "`params` must be an object.")
        name, program = _named(desk, str(body.get("backend"))), str(body.get("program_id"))
        row = await anyio.to_thread.run_sync(lambda: desk.submit(session, name, program, params))
        return {"id": row.id, "backend": name}

    @app.get("/api/v1/jobs/{task_id}")
    def vendor_job(task_id: str, request: Request) -> dict[str, Any]:
        return vendor_described(own_task(request, task_id))

    @app.get("/api/v1/jobs/{task_id}/results")
    def vendor_results(task_id: str, request: Request) -> Response:
        return _result(desk, own_task(request, task_id))

    @app.get("/api/v1/jobs/{task_id}/logs")
    def vendor_logs(task_id: str, request: Request) -> Response:
        found = desk.state(own_task(request, task_id).id)
        told = found.wait.sentence if found.wait else found.row.message
        return PlainTextResponse(f"broker: {found.row.state}: {told}\n" if told else f"broker: {found.row.state}\n")

    @app.post("/api/v1/jobs/{task_id}/cancel", status_code=204)
    def vendor_cancel(task_id: str, request: Request) -> Response:
        desk.cancel(own_task(request, task_id).id, "It was cancelled by its owner.")
        return Response(status_code=204)

    return app


_OPEN = frozenset({"/health", "/metrics", "/identity/token", "/openapi.json", "/docs"})


def described(found: TaskState) -> dict[str, Any]:
    """A task for its owner. Moments in s since 1970 UTC, `qpu_s` in seconds of QPU."""
    row = found.row
    return {
        **_summary(row, mine=True),
        "reason": found.wait.reason if found.wait else "",
        "why": found.wait.sentence if found.wait else "",
        "device_state": found.device_state,
        "cause": row.cause,
        "message": row.message,
        "advice": row.advice,
        "slices": [
            {"number": s.number, "state": s.state, "vendor": s.vendor, "sent_at": s.sent_at, "ended_at": s.ended_at, "qpu_s": s.qpu_s,
             "snapshot": s.snapshot, "units": sum(p.units for p in s.pieces)}
            for s in found.slices
        ],
    }  # fmt: skip


def _summary(row: TaskRow, *, mine: bool) -> dict[str, Any]:
    return {
        "id": row.id if mine else "", "mine": mine, "user": row.user, "account": row.account, "profile": row.profile,
        "job": row.job if mine else "", "session": row.session if mine else "", "device": row.device, "program": row.program,
        "state": row.state, "submitted_at": row.submitted_at, "started_at": row.started_at, "ended_at": row.ended_at,
        "deadline_at": row.deadline_at, "done": row.done, "of": row.shots, "qpu_s": row.qpu_s,
    }  # fmt: skip


def vendor_described(row: TaskRow) -> dict[str, Any]:
    state = _VENDOR_STATES[row.state]
    return {
        "id": row.id, "backend": row.device, "state": {"status": state, "reason": row.message}, "status": state,
        "program": {"id": row.program}, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.submitted_at)),
        "cost": 0, "session_id": row.session, "usage": {"seconds": row.qpu_s},
    }  # fmt: skip


def metrics_text(desk: Desk) -> str:
    """In the text format of Prometheus."""
    rows = desk.ledger.open_tasks()
    waiting = Counter((row.device, row.profile, row.state) for row in rows)
    lines = ["# HELP qhub_broker_tasks Tasks that wait or run.", "# TYPE qhub_broker_tasks gauge"]
    for (device, profile, state), count in sorted(waiting.items()):
        lines.append(f'qhub_broker_tasks{{device="{device}",profile="{profile}",state="{state}"}} {count}')
    lines += ["# HELP qhub_broker_device_up Whether the device answers.", "# TYPE qhub_broker_device_up gauge"]
    lines += [f'qhub_broker_device_up{{device="{d}"}} {int(not desk.trouble(d))}' for d in desk.devices]
    used: Counter[tuple[str, str]] = Counter()
    for row in desk.ledger.usage(0.0):
        used[row["device"], row["profile"]] += row["qpu_s"]
    lines += [
        "# HELP qhub_broker_qpu_seconds_total Seconds of QPU of slices that ended.",
        "# TYPE qhub_broker_qpu_seconds_total counter",
    ]
    lines += [f'qhub_broker_qpu_seconds_total{{device="{d}",profile="{p}"}} {s}' for (d, p), s in sorted(used.items())]
    return "\n".join(lines) + "\n"


def refusal(code: int, message: str, error: QhubError | None = None) -> Response:
    """In the vendor's shape, with ours beside."""
    ours = error.to_json() if error is not None else {"message": message}
    return JSONResponse({**qcs.error_body(code, message), **ours}, status_code=code)


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def default_operators() -> frozenset[int]:
    return frozenset({0, os.getuid()})


def _status(error: QhubError) -> int:
    if isinstance(error, UnknownNameError):
        return 404
    if isinstance(error, ConflictError):
        return 409
    if isinstance(error, NotAllowedError):
        return 403
    if isinstance(error, DeviceError):
        return 503 if error.transient else 502
    return 400 if isinstance(error, UserError) else 500


def _of_key(who: Caller) -> Session:
    if who.session is None:
        raise NotAllowedError("This needs the key of a session.")
    return who.session


def _named(desk: Desk, name: str) -> str:
    if name in desk.devices:
        return name
    try:
        found = catalog.resolve(name)
    except UnknownNameError:
        found = name
    if found not in desk.devices:
        raise UnknownNameError.among("device", name, list(desk.devices))
    return found


def _result(desk: Desk, row: TaskRow) -> Response:
    content = desk.ledger.result(row.id)
    if content is None:
        return refusal(404, f"The task {row.id} has no result: it is {row.state}.")
    return Response(content, media_type="text/plain; charset=utf-8")


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as error:
        raise NotJsonError(f"The body is no JSON: {error}.") from None
    if not isinstance(body, dict):
        raise NotJsonError("The body must be a JSON object.")
    return body


class NotJsonError(UserError):
    """The body of a request."""


def _backend(desk: Desk, name: str, now: float, rows: list[TaskRow]) -> dict[str, Any]:
    state = desk.facts(name).state(now)
    told = {"down": "offline", "maintenance": "paused", "draining": "paused"}.get(state, "online")
    status = {"name": told}
    if told != "online":
        status["reason"] = desk.trouble(name) or state
    return {"name": name, "status": status, "queue_length": sum(r.device == name for r in rows), "is_simulator": False, "qubits": 0}  # fmt: skip


def _device(desk: Desk, name: str, now: float, rows: list[TaskRow]) -> dict[str, Any]:
    facts = desk.facts(name)
    mine = [row for row in rows if row.device == name]
    return {
        "name": name, "state": facts.state(now), "trouble": desk.trouble(name), "down_since": facts.down_since, "window": facts.window,
        "waiting": sum(row.state == "queued" for row in mine), "running": sum(row.state == "running" for row in mine),
        "by_profile": dict(Counter(row.profile for row in mine)),
    }  # fmt: skip
