"""The operators' API: drain, windows, limits, priorities, tokens, audit. Every order is in the audit, with who gave it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import Field

from qhub_ext.broker.api import Body
from qhub_ext.broker.credentials import Tokens
from qhub_ext.broker.devices import Devices
from qhub_ext.broker.front import Front, Words
from qhub_ext.broker.limits import PRIORITY, SCOPES, Limit
from qhub_ext.broker.refusals import NotAllowedError
from qhub_ext.broker.told import summary
from qhub_ext.tiers.windows import Window


class WindowBody(Body):
    """`start` in s since 1970 UTC; `rule` an iCalendar RRULE, "" for a window that comes once; `device` "" for all."""

    start: float = Field(ge=0, le=1e11)
    length_s: float = Field(gt=0, le=31 * 86400)
    rule: Words = Field(default="", max_length=500)
    device: Words = Field(default="", max_length=100)
    note: Words = Field(default="", max_length=500)


class DrainBody(Body):
    note: Words = Field(default="", max_length=500)


class LimitBody(Body):
    """`value` null for no limit at all."""

    value: float | None = Field(ge=0, le=1e12)


class PriorityBody(Body):
    """Higher goes first within the task's profile; a higher profile is never overtaken."""

    priority: int = Field(ge=-PRIORITY, le=PRIORITY)


class DeviceBody(Body):
    device: Words = Field(min_length=1, max_length=100)


class TokenBody(Body):
    user: Words = Field(min_length=1, max_length=100)


def add_admin(app: FastAPI, front: Front, tokens: Tokens) -> None:
    desk, orders = front.desk, front.desk.orders

    @app.post("/v1/devices", status_code=201)
    def take_device(body: DeviceBody, request: Request) -> dict[str, Any]:
        """One more device, at a user's own broker on demand; any other keeps to those that it was started for."""
        front.operator(request)
        if not isinstance(front.threads, Devices):
            raise NotAllowedError("This broker takes no device.")
        front.threads.take(body.device)
        return {"virtual": front.virtual, "types": front.types}

    @app.post("/v1/devices/{name}/drain")
    def drain(name: str, body: DrainBody, request: Request) -> dict[str, Any]:
        orders.drain(front.named(name), front.operator(request).user, drained=True, note=body.note)
        return {"drained": orders.drained}

    @app.post("/v1/devices/{name}/resume")
    def resume(name: str, request: Request) -> dict[str, Any]:
        orders.drain(front.named(name), front.operator(request).user, drained=False)
        return {"drained": orders.drained}

    @app.get("/v1/windows")
    def windows(request: Request) -> dict[str, Any]:
        front.caller(request)
        return {"windows": [{"id": number, **vars(window)} for number, window in orders.windows()]}

    @app.post("/v1/windows", status_code=201)
    def add_window(body: WindowBody, request: Request) -> dict[str, Any]:
        who = front.operator(request)
        device = front.named(body.device) if body.device else ""
        return {"id": orders.add_window(Window(body.start, body.length_s, body.rule, device, body.note), who.user)}

    @app.delete("/v1/windows/{number}", status_code=204)
    def remove_window(number: int, request: Request) -> Response:
        orders.remove_window(number, front.operator(request).user)
        return Response(status_code=204)

    @app.get("/v1/limits")
    def limits(request: Request) -> dict[str, Any]:
        """What holds: of each profile as the settings say, unless an operator set it; of users and accounts what was set. Null: no limit."""
        who = front.caller(request)
        set_now = [
            one for one in desk.policy.limits.all() if who.operator or one.scope != "user" or one.name == who.user
        ]
        chosen = {(one.scope, one.name, one.what) for one in set_now}
        found = [
            {"scope": "profile", "name": p.name, "what": what, "value": desk.policy.limits.cap(p, what), "set": ("profile", p.name, what) in chosen}
            for p in desk.policy.profiles.values()
            for what in SCOPES["profile"]
        ]  # fmt: skip
        found += [{**vars(one), "set": True} for one in set_now if one.scope != "profile"]
        return {"limits": found}

    @app.put("/v1/limits/{scope}/{name}/{what}")
    def set_limit(scope: str, name: str, what: str, body: LimitBody, request: Request) -> dict[str, Any]:
        limit = Limit(scope, name.replace("\0", " "), what, body.value)
        orders.set_limit(limit, front.operator(request).user)
        return vars(limit)

    @app.delete("/v1/limits/{scope}/{name}/{what}", status_code=204)
    def drop_limit(scope: str, name: str, what: str, request: Request) -> Response:
        """As the settings say again."""
        who = front.operator(request)
        scope, name, what = (text.replace("\0", " ") for text in (scope, name, what))
        orders.drop_limit(scope, name, what, who.user)
        return Response(status_code=204)

    @app.put("/v1/tasks/{task_id}/priority")
    def move(task_id: str, body: PriorityBody, request: Request) -> dict[str, Any]:
        who = front.operator(request)
        return summary(desk.move(front.own_task(request, task_id).id, body.priority, who.user), mine=True)

    @app.get("/v1/tokens")
    def users_with_tokens(request: Request) -> dict[str, Any]:
        front.operator(request)
        return {"users": tokens.users()}

    @app.post("/v1/tokens", status_code=201)
    def make_token(body: TokenBody, request: Request) -> dict[str, Any]:
        """A token for a user who comes over TCP without MUNGE: shown once, kept as its digest."""
        who = front.operator(request)
        token = tokens.make(body.user, lambda: orders.log(who.user, "token", body.user))
        return {"user": body.user, "token": token}

    @app.delete("/v1/tokens/{user}", status_code=204)
    def revoke_token(user: str, request: Request) -> Response:
        who = front.operator(request)
        tokens.revoke(user, lambda: orders.log(who.user, "revoke token", user))
        return Response(status_code=204)

    @app.get("/v1/audit")
    def audit(request: Request) -> dict[str, Any]:
        front.operator(request)
        return {"audit": desk.ledger.book.audit()}
