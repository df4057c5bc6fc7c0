"""The broker over HTTP: its own API (`api`), that of operators (`admin`), and the face of IBM's quantum compute service (`face`).

On the unix socket the kernel says who calls (SO_PEERCRED). On TCP a MUNGE credential, a token or, on the face, the key of a session does.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qhub_ext import __version__
from qhub_ext.broker.admin import add_admin
from qhub_ext.broker.api import add_api
from qhub_ext.broker.credentials import Tokens, uid_of_credential
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.face import add_face
from qhub_ext.broker.fleet import add_fleet
from qhub_ext.broker.front import Caller, Front, default_operators
from qhub_ext.broker.http_errors import REFUSED, add_refusals, refusal, status_of
from qhub_ext.broker.idle import Idle
from qhub_ext.broker.membership import Membership, Timed
from qhub_ext.broker.metrics import health_of, metrics_text
from qhub_ext.broker.refusals import UnknownCallerError
from qhub_ext.broker.summaries import DAY_S, Summaries
from qhub_ext.errors import QhubError
from qhub_ext.settings import BrokerSettings

__all__ = ["build", "default_operators"]

LARGEST_BODY = 64 * 2**20
_OPEN = frozenset({"/health", "/metrics", "/identity/token", "/openapi.json", "/docs"})


class Door:
    """Before everything else: how large a request is, and who sent it. A body that was read to see who sent it is given on."""

    def __init__(self, app: ASGIApp, caller_of: Callable[[Request], Awaitable[Caller | None]], idle: Idle) -> None:
        self._app, self._caller_of, self._idle = app, caller_of, idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._idle.visit(scope["method"], scope["path"]) as welcome:
            if welcome:
                await self._answer(scope, receive, send)
            else:
                await refusal(503, "This broker leaves: the next one is there in a moment.")(scope, receive, send)  # fmt: skip

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        length = request.headers.get("content-length", "0")
        refused: Response | None = None
        if "transfer-encoding" in request.headers:
            refused = refusal(411, "A body comes with its length.")
        elif not length.isdigit() or int(length) > LARGEST_BODY:
            refused = refusal(413, f"A body of more than {LARGEST_BODY >> 20} MiB is not taken.")
        else:
            try:
                scope.setdefault("state", {})["caller"] = await self._caller_of(request)
            except QhubError as error:
                refused = refusal(status_of(error), error.message, error)
        if refused is not None:
            await refused(scope, receive, send)
            return
        read = getattr(request, "_body", None)
        await self._app(scope, receive if read is None else _again(read, receive), send)


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def once_more() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once_more


def build(
    desk: Desk,
    threads: Mapping[str, DeviceThread],
    *,
    url: Callable[[], str],
    membership: Membership,
    operators: frozenset[int],
    munge_socket: Path | None = None,
    given: BrokerSettings | None = None,
    idle: Idle | None = None,
) -> FastAPI:
    app = FastAPI(title="qhub_ext broker", summary="A second-level scheduler of quantum tasks.", version=__version__, responses=REFUSED)  # fmt: skip
    given = given or BrokerSettings()
    site = membership if isinstance(membership, Timed) else Timed(membership)
    front = Front(desk, threads, url, site, operators)
    summaries = Summaries(desk.ledger, desk.clock, given.summaries_days * DAY_S)
    tokens = Tokens(desk.ledger.directory / "tokens")

    def caller_over_tcp(request: Request, body: bytes) -> Caller:
        kind, _, word = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "munge":
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return front.known(uid_of_credential(word.strip(), request.method, target, body, munge_socket))
        found = front.by_seal(word)
        if found is None and (uid := tokens.uid(word)) is not None:
            found = front.known(uid)
        if found is None:
            raise UnknownCallerError("The token is not valid.")
        return found

    async def caller_of(request: Request) -> Caller | None:
        host = request.client.host if request.client else ""
        if host.startswith("uid:"):
            return front.known(int(host.removeprefix("uid:")))
        if request.url.path in _OPEN:
            return None
        return await anyio.to_thread.run_sync(caller_over_tcp, request, await request.body())

    app.add_middleware(Door, caller_of=caller_of, idle=idle or Idle(math.inf, lambda: desk.busy))

    add_refusals(app)

    @app.get("/health")
    def health() -> Response:
        dead = [name for name, thread in threads.items() if thread.begun and not thread.is_alive()]
        found = health_of(desk, __version__, dead)
        return JSONResponse(found, status_code=200 if found["ok"] else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        return PlainTextResponse(metrics_text(desk, summaries, site, threads), media_type="text/plain; version=0.0.4")

    add_api(app, front)
    add_admin(app, front, tokens)
    add_fleet(app, front, summaries, given)
    app.state.summaries = summaries
    add_face(app, front)
    return app
