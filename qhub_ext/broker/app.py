"""The broker over HTTP: its own API (`api`), that of operators (`admin`), and the face of IBM's quantum compute service (`face`).

On the unix socket the kernel says who calls (SO_PEERCRED). On TCP a MUNGE credential, a token or, on the face, the key of a session does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from qhub_ext import __version__
from qhub_ext.broker.admin import add_admin
from qhub_ext.broker.api import add_api
from qhub_ext.broker.credentials import Tokens, uid_of_credential
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.face import add_face
from qhub_ext.broker.front import Caller, Front, default_operators, refusal, status_of
from qhub_ext.broker.membership import Membership
from qhub_ext.broker.metrics import health_of, metrics_text
from qhub_ext.broker.refusals import UnknownCallerError
from qhub_ext.errors import QhubError

__all__ = ["build", "default_operators"]

LARGEST_BODY = 64 * 2**20
_OPEN = frozenset({"/health", "/metrics", "/identity/token", "/openapi.json", "/docs"})


def build(
    desk: Desk,
    threads: Mapping[str, DeviceThread],
    *,
    url: Callable[[], str],
    membership: Membership,
    operators: frozenset[int],
    munge_socket: Path | None = None,
) -> FastAPI:
    app = FastAPI(title="qhub_ext broker", summary="A second-level scheduler of quantum tasks.", version=__version__)
    front = Front(desk, threads, url, membership, operators)
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

    @app.middleware("http")
    async def door(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        length = request.headers.get("content-length", "0")
        if "transfer-encoding" in request.headers:
            return refusal(411, "A body comes with its length.")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return refusal(413, f"A body of more than {LARGEST_BODY >> 20} MiB is not taken.")
        host = request.client.host if request.client else ""
        try:
            if host.startswith("uid:"):
                request.state.caller = front.known(int(host.removeprefix("uid:")))
            elif request.url.path not in _OPEN:
                body = await request.body()
                request.state.caller = await anyio.to_thread.run_sync(caller_over_tcp, request, body)
        except QhubError as error:
            return refusal(status_of(error), error.message, error)
        return await go_on(request)

    @app.exception_handler(QhubError)
    async def refused(_: Request, error: QhubError) -> Response:
        return refusal(status_of(error), str(error), error)

    @app.get("/health")
    def health() -> Response:
        dead = [name for name, thread in threads.items() if thread.begun and not thread.is_alive()]
        found = health_of(desk, __version__, dead)
        return _as_json(found, 200 if found["ok"] else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        return PlainTextResponse(metrics_text(desk), media_type="text/plain; version=0.0.4")

    add_api(app, front)
    add_admin(app, front, tokens)
    add_face(app, front)
    return app


def _as_json(content: dict[str, Any], code: int) -> Response:
    from fastapi.responses import JSONResponse

    return JSONResponse(content, status_code=code)
