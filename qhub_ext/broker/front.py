"""Who asks, and what everybody who answers needs: the desk, the devices' threads, what is the caller's own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.device_link import DeviceLink
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.http_errors import refusal
from qhub_ext.broker.limits import has_controls
from qhub_ext.broker.membership import Membership, user_name
from qhub_ext.broker.refusals import NotAllowedError, UnknownCallerError
from qhub_ext.broker.rows import Session, TaskRow
from qhub_ext.broker.tokens import TokenSeal
from qhub_ext.errors import (
    InvalidOptionError,
    UnknownNameError,
    UserError,
)
from qhub_ext.telemetry.context import parse_traceparent
from qhub_ext.tiers import catalog
from qhub_ext.tiers.wishes import choose, is_wish

LONGEST_WAIT_S = 60.0

Limit = Annotated[int, Query(ge=0, le=10_000)]
Offset = Annotated[int, Query(ge=0, le=10**12)]
Seconds = Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)]
Days = Annotated[float, Query(gt=0, le=3650)]


def _no_controls(text: str) -> str:
    if has_controls(text):
        raise ValueError("a text without control characters")
    return text


Words = Annotated[str, AfterValidator(_no_controls)]
"""Text that every database can hold and every terminal can show: others read it."""


def _checked_trace(traceparent: str) -> str:
    """Empty for what is no traceparent: a trace is no reason to refuse anything."""
    found = parse_traceparent(traceparent)
    return found.traceparent if found else ""


Traceparent = Annotated[str, Header(max_length=512), AfterValidator(_checked_trace)]


@dataclass(frozen=True)
class Caller:
    """A uid by the socket, MUNGE or a token, or a session by its key. `operator` may order."""

    uid: int
    user: str
    session: Session | None
    operator: bool


class NotJsonError(UserError):
    """The body of a request."""


@dataclass
class Front:
    """`url` is where the genuine client finds this broker."""

    desk: Desk
    threads: Mapping[str, DeviceThread]
    url: Callable[[], str]
    membership: Membership
    operators: frozenset[int]

    def __post_init__(self) -> None:
        self.seal = TokenSeal(self.desk.ledger.secret())

    @property
    def virtual(self) -> list[str]:
        """Devices that a virtual QPU stands for."""
        return sorted(name for name, thread in self.threads.items() if thread.link.resource.virtual)

    @property
    def types(self) -> dict[str, str]:
        return {name: thread.link.resource.type for name, thread in self.threads.items()}

    def link(self, device: str) -> DeviceLink | None:
        thread = self.threads.get(device)
        return None if thread is None else thread.link

    def known(self, uid: int) -> Caller:
        return Caller(uid, user_name(uid), None, operator=uid in self.operators)

    def by_seal(self, token: str) -> Caller | None:
        """The session that a token of ours was made for, while it is open."""
        session_id = self.seal.open(token, time.time())
        session = self.desk.ledger.session(id=session_id) if session_id else None
        if session is None or session.ended_at is not None:
            return None
        self.desk.sessions.seen(session)
        return Caller(session.uid, session.user, session, operator=False)

    def caller(self, request: Request) -> Caller:
        found = getattr(request.state, "caller", None)
        if not isinstance(found, Caller):
            raise UnknownCallerError("Who calls is not known.", advice="Use the unix socket, or the key of a session.")
        return found

    def operator(self, request: Request) -> Caller:
        found = self.caller(request)
        if not found.operator:
            raise NotAllowedError(f"{found.user} is no operator of this broker.", advice="Ask one.")
        return found

    def own_task(self, request: Request, task_id: str) -> TaskRow:
        """A stranger's task is as unknown as one that never was."""
        row, who = self.desk.ledger.task(_no_nul_id(task_id)), self.caller(request)
        if row is None or (row.uid != who.uid and not who.operator):
            raise UnknownNameError(f"There is no task {task_id!r}.")
        if row.uid == who.uid and not row.ended:
            self._keep(row.session)
        return row

    def cancel(self, request: Request, task_id: str) -> TaskRow:
        """By its owner or, which is an order, by an operator."""
        row, who = self.own_task(request, task_id), self.caller(request)
        if row.uid == who.uid:
            return self.desk.cancel(row.id, "It was cancelled by its owner.")
        return self.desk.cancel(row.id, f"It was cancelled by {who.user}.", by=who.user)

    def own_session(self, request: Request, session_id: str) -> Session:
        found, who = self.desk.ledger.session(id=_no_nul_id(session_id)), self.caller(request)
        if found is None or found.uid != who.uid:
            raise UnknownNameError(f"There is no session {session_id!r}.")
        if found.ended_at is not None:
            raise NotAllowedError(f"The session {found.id} has ended.", advice="Open another one.")
        self.desk.sessions.seen(found)
        return found

    def _keep(self, session_id: str) -> None:
        session = self.desk.ledger.session(id=session_id)
        if session is not None and session.ended_at is None:
            self.desk.sessions.seen(session)

    def session_of(self, who: Caller) -> Session:
        if who.session is None:
            raise NotAllowedError("This needs the key of a session.")
        return who.session

    def submit(self, session: Session, name: str, program: str, params: Mapping[str, Any], **more: Any) -> TaskRow:
        """Raises InvalidOptionError for a payload that the device's type does not take, and what `Desk.submit` does."""
        device = self.device(name)
        link = self.link(device)
        if link is not None and program not in link.programs:
            raise InvalidOptionError(
                f"{device} (type {link.resource.type}) takes no task of the program {program!r}.",
                advice=f"It takes: {', '.join(link.programs)}.",
            )
        return self.desk.submit(session, device, program, params, **more)

    def device(self, name: str) -> str:
        """By its name, or by what it should be like: `qubits>=100, least busy`."""
        return str(self.choice(name)["device"]) if name not in self.desk.devices and is_wish(name) else self.named(name)

    def named(self, name: str) -> str:
        """By its name alone: an order is for one device, and not for whichever fits now."""
        if name in self.desk.devices:
            return name
        try:
            found = catalog.resolve(name)
        except UnknownNameError:
            found = name
        if found not in self.desk.devices:
            raise UnknownNameError.among("device", name, list(self.desk.devices))
        return found

    def choice(self, wish: str) -> dict[str, Any]:
        """The best of the devices that take tasks here, by what is known of them and by the seconds of QPU that wait."""
        desk, now = self.desk, self.desk.clock()
        usable = {d for d in desk.devices if desk.turns.facts(d).state(now) in ("available", "maintenance")}
        known = [d for d in catalog.list_devices() if d.name in usable]
        found = choose(
            wish, known, {device: count for device, count in desk.standing.waiting().items() if device in usable}
        )
        return {"device": found.name, "why": found.why}


def _no_nul_id(text: str) -> str:
    """An id that no row can have finds none."""
    return text.replace("\0", "\ufffd")


def default_operators() -> frozenset[int]:
    return frozenset({0, os.getuid()})


def result_of(desk: Desk, row: TaskRow) -> Response:
    # none of one that was cancelled while it was put together
    content = desk.ledger.files.result(row.id) if row.state == "completed" else None
    if content is None:
        return refusal(404, f"The task {row.id} has no result: it is {row.state}.")
    return Response(content, media_type="text/plain; charset=utf-8")


async def json_body(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"The body is no JSON: {error}.") from None
    if not isinstance(body, dict):
        raise NotJsonError("The body must be a JSON object.")
    return body
