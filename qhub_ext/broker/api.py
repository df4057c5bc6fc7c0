"""The broker's own API: sessions, tasks, leases and accounts, for people and tools of the site."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio
from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from qhub_ext import __version__
from qhub_ext.broker.device_spans import below_slices
from qhub_ext.broker.front import Days, Front, Limit, Offset, Seconds, Traceparent, Words, result_of
from qhub_ext.broker.refusals import NotAllowedError
from qhub_ext.broker.slips import IDENTIFIER
from qhub_ext.broker.told import described, device_facts, pieces_of, summary, waits
from qhub_ext.errors import UnknownNameError
from qhub_ext.telemetry.answers import answer_spans

WISH_LONGEST = 300
Short = Annotated[Words, Query(max_length=200)]
OnChange = Literal["", "accept", "flag", "restart"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SessionBody(Body):
    """`job` is the site scheduler's id; the profile is the site's word for that job, and `profile` counts only where the site has none.

    The session ends `life_s` after now, or `idle_s` after its last call; the broker's own settings are the longest.
    """

    job: Annotated[Words, Field(max_length=200)] = ""
    profile: Annotated[Words, Field(max_length=100)] = ""
    account: Annotated[Words, Field(max_length=200)] = ""
    idle_s: float | None = Field(default=None, gt=0, le=1e9)
    life_s: float | None = Field(default=None, gt=0, le=1e9)
    on_calibration_change: OnChange = Field(default="", description="For its tasks that do not say; default: the broker's setting.")  # fmt: skip


class TaskBody(Body):
    """`device` by its name, or by what it should be like: `qubits>=100, 2q<3e-3, least busy`."""

    id: str = Field(default="", pattern=IDENTIFIER, description="Made by the client: sent again, it is the same task.")
    session: Words = Field(max_length=64)
    device: Words = Field(max_length=WISH_LONGEST)
    program: str = Field(max_length=40)
    params: dict[str, Any]
    deadline_at: float | None = Field(default=None, ge=0, le=1e12)
    on_calibration_change: OnChange = Field(default="", description="A calibration between two slices: say nothing (accept), say it (flag), or run once more what ran before it (restart).")  # fmt: skip


class LeaseBody(Body):
    session: Words = Field(max_length=64)
    length_s: float = Field(gt=0, le=1e9)


def add_api(app: FastAPI, front: Front) -> None:
    desk = front.desk

    @app.get("/v1/status")
    def status(request: Request) -> dict[str, Any]:
        front.caller(request)
        now = desk.clock()
        return {
            "version": __version__,
            "at": now,
            "devices": [
                {**device_facts(desk, name, now), "virtual": name in front.virtual, "type": front.types.get(name, "")}
                for name in desk.devices
            ],
            "profiles": [vars(p) for p in desk.policy.profiles.values()],
        }

    @app.get("/v1/me")
    def me(
        request: Request, profile: Short = "", qos: Short = "", partition: Short = "", account: Short = ""
    ) -> dict[str, Any]:
        """Who asks, and which profile a job of theirs would have with this QOS, partition and account."""
        who, site = front.caller(request), front.membership
        given = site.would(profile, qos, partition, account)
        return {"user": who.user, "uid": who.uid, "operator": who.operator, "jobs": site.kind, "profile": given}

    @app.get("/v1/devices/{name}/target")
    def target(name: str, request: Request) -> dict[str, Any]:
        """What the device says of itself, in the shape of its type; null where it says nothing."""
        front.caller(request)
        found = front.device(name)
        link = front.link(found)
        return {
            "device": found,
            "type": front.types.get(found, ""),
            "target": (link.target() if link else None) or None,
        }

    @app.get("/v1/choice")
    def choice(request: Request, wish: Annotated[Words, Field(max_length=WISH_LONGEST)]) -> dict[str, Any]:
        """The device of this broker that fits a wish best now, such as `qubits>=100, 2q<3e-3, least busy`."""
        front.caller(request)
        return front.choice(wish)

    @app.post("/v1/sessions", status_code=201)
    def open_session(body: SessionBody, request: Request, traceparent: Traceparent = "") -> dict[str, Any]:
        """A `traceparent` is that of the job: logs of its tasks have the id of its trace."""
        who = front.caller(request)
        if who.session is not None:
            raise NotAllowedError("A session is opened where it is known who asks, not with the key of another one.")
        found = front.membership.find(who.uid, body.job, body.profile, body.account)
        session = desk.sessions.open(
            who.uid, who.user, profile=found.profile, account=found.account, job=body.job, idle_s=body.idle_s, life_s=body.life_s,
            on_calibration_change=body.on_calibration_change, traceparent=traceparent,
        )  # fmt: skip
        on_socket = request.client is not None and request.client.host.startswith("uid:")
        url = front.url() if on_socket else str(request.base_url).rstrip("/")
        return {"id": session.id, "key": session.key, "url": url, "profile": session.profile, "idle_s": session.idle_s, "until": session.until, "virtual": front.virtual, "types": front.types}  # fmt: skip

    @app.delete("/v1/sessions/{session_id}", status_code=204)
    def close_session(session_id: str, request: Request) -> Response:
        who = front.caller(request)
        found = desk.ledger.session(id=session_id.replace("\0", " "))
        if found is None or (found.uid != who.uid and not who.operator):
            raise UnknownNameError(f"There is no session {session_id!r}.")
        desk.close_session(found.id, by="" if found.uid == who.uid else who.user)
        return Response(status_code=204)

    @app.post("/v1/tasks", status_code=201)
    def submit(body: TaskBody, request: Request, traceparent: Traceparent = "") -> dict[str, Any]:
        session = front.own_session(request, body.session)
        row = front.submit(
            session, body.device, body.program, body.params, task_id=body.id, deadline_at=body.deadline_at,
            on_calibration_change=body.on_calibration_change, traceparent=traceparent,
        )  # fmt: skip
        return described(desk, desk.state(row.id))

    @app.get("/v1/tasks")
    def tasks(request: Request, everybody: bool = False, limit: Limit = 200, offset: Offset = 0) -> dict[str, Any]:
        """Those that wait or run, in the order in which they would run now. Others' are shown without what is theirs alone."""
        who = front.caller(request)
        shown, total = desk.queue("" if everybody else who.user, limit, offset)
        found = [
            {**summary(row, mine=row.uid == who.uid or who.operator), **waits(desk, row.id, wait), "place": place}
            for place, row, wait in shown
        ]  # fmt: skip
        return {"tasks": found, "total": total}

    @app.get("/v1/tasks/{task_id}")
    async def task(task_id: str, request: Request, wait: Seconds = 0.0) -> dict[str, Any]:
        """With `wait`, answers when the task has ended or after so many seconds."""
        row = await anyio.to_thread.run_sync(front.own_task, request, task_id)
        await desk.changed.until(lambda: not desk.is_open(row.id), wait)
        return await anyio.to_thread.run_sync(lambda: described(desk, desk.state(row.id)))

    @app.get("/v1/tasks/{task_id}/result")
    def result(task_id: str, request: Request) -> Response:
        return result_of(desk, front.own_task(request, task_id))

    @app.get("/v1/tasks/{task_id}/spans")
    def spans(task_id: str, request: Request, traceparent: Traceparent = "") -> dict[str, Any]:
        """When it waited and when each slice was at the device, as OTLP JSON below the span that the `traceparent` names; below each slice what its helper
        and a virtual QPU tell of it.
        """
        found = desk.state(front.own_task(request, task_id).id)
        pieces, slices = pieces_of(found), sorted(found.slices, key=lambda one: one.sent_at)
        answer = answer_spans("qhub-broker", traceparent, found.row.id, pieces)
        nearer = below_slices(found.row.id, slices, pieces, traceparent, front.link)
        return {**answer, "resourceSpans": [*answer["resourceSpans"], *nearer]}

    @app.post("/v1/tasks/{task_id}/cancel")
    def cancel(task_id: str, request: Request) -> dict[str, Any]:
        return described(desk, desk.state(front.cancel(request, task_id).id))

    @app.get("/v1/leases")
    def leases(request: Request) -> dict[str, Any]:
        """Who has a device alone, and until when."""
        who, now = front.caller(request), desk.clock()
        held = [one for one in desk.orders.leases.values() if now < one.until]
        shown = [{"device": one.device, "user": one.user, "profile": one.profile, "since": one.since, "until": one.until, "mine": one.user == who.user} for one in held]  # fmt: skip
        return {"leases": shown}

    @app.post("/v1/devices/{name}/lease", status_code=201)
    def take_lease(name: str, body: LeaseBody, request: Request) -> dict[str, Any]:
        """The device for one session alone, for as long as its profile allows; what runs of others ends its slice."""
        session = front.own_session(request, body.session)
        return vars(desk.take_lease(front.device(name), session, body.length_s)) | {"session": session.id}

    @app.delete("/v1/devices/{name}/lease", status_code=204)
    def end_lease(name: str, request: Request) -> Response:
        device, who = front.named(name), front.caller(request)
        held = desk.orders.leases.get(device)
        if held is not None and held.user != who.user and not who.operator:
            raise NotAllowedError(f"The lease of {device} is {held.user}'s.", advice="They or an operator can end it.")
        desk.orders.end_lease(device, who.user)
        return Response(status_code=204)

    @app.get("/v1/usage")
    def usage(request: Request, days: Days = 1.0) -> dict[str, Any]:
        who = front.caller(request)
        rows = desk.ledger.accounts.usage(desk.clock() - days * 86400)
        return {"usage": [row for row in rows if who.operator or row["user"] == who.user]}
