"""The whole API of the broker, the vendor's face too, asked at random by its own description: nothing makes it answer 500, and no stranger gets through.

Each request comes from one of five callers: an operator and a user by the socket, a user with a token over TCP, the genuine client with the key of
a session, and somebody without a credential.
"""

from __future__ import annotations

import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from qhub_ext.broker.app import _OPEN, build
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.membership import OneUser
from qhub_ext.broker.tokens import TokenSeal

OPERATOR, ALICE, TCP = "uid:5003", "uid:5001", "127.0.0.1"
_folder = tempfile.TemporaryDirectory(prefix="qhub-broker-fuzz-")
_desk = Desk(Path(_folder.name) / "ledger", ["kingston"])
_app = build(
    _desk, {}, url=lambda: "http://127.0.0.1:1", membership=OneUser(_desk.policy.profiles), operators=frozenset({5003})
)
_session = _desk.sessions.open(5003, "operator", profile="test")
_hers = _desk.sessions.open(5001, "alice", profile="test")


def _token() -> str:
    from qhub_ext.broker.credentials import Tokens

    return Tokens(_desk.ledger.directory / "tokens").make("nobody")


CALLERS: tuple[tuple[str, dict[str, str]], ...] = (
    (OPERATOR, {}),
    (ALICE, {}),
    (TCP, {"authorization": f"Bearer {_token()}"}),
    (TCP, {"authorization": f"Bearer {TokenSeal(_desk.ledger.secret()).make(_hers.id, time.time() + 86400)}"}),
    (TCP, {}),
)
FOR_OPERATORS = {
    ("POST", "/v1/devices"), ("POST", "/v1/devices/{name}/drain"), ("POST", "/v1/devices/{name}/resume"), ("POST", "/v1/windows"),
    ("DELETE", "/v1/windows/{number}"), ("PUT", "/v1/limits/{scope}/{name}/{what}"), ("DELETE", "/v1/limits/{scope}/{name}/{what}"),
    ("PUT", "/v1/tasks/{task_id}/priority"), ("GET", "/v1/tokens"), ("POST", "/v1/tokens"), ("DELETE", "/v1/tokens/{user}"), ("GET", "/v1/audit"),
}  # fmt: skip


class _From:
    """The broker as a caller sees it whose end of the connection is this."""

    def __init__(self, host: str) -> None:
        self._host = host

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "client": (self._host, 1)}
        await _app(scope, receive, send)


schema = schemathesis.openapi.from_dict(_app.openapi())
schema.app = _From(OPERATOR)


@schema.parametrize()
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_broker_fail_and_no_stranger_gets_through(case: schemathesis.Case) -> None:
    host, headers = CALLERS[zlib.crc32(case.as_curl_command().encode()) % len(CALLERS)]
    # the first question about the fleet imports pandas, which takes a busy machine longer than schemathesis would wait
    answer = case.call(app=_From(host), base_url="http://broker", headers=headers, timeout=60)
    told = (host, case.as_curl_command(), answer.text)
    assert answer.status_code < 500, told
    if host != OPERATOR and (case.method, case.path) in FOR_OPERATORS:
        assert answer.status_code >= 400, told
    if host == TCP and not headers and case.path not in _OPEN:
        assert answer.status_code >= 400, told


def test_the_description_has_the_bodies_of_the_vendors_face_and_the_list_of_orders_is_whole() -> None:
    paths = _app.openapi()["paths"]
    assert all("requestBody" in paths[path]["post"] for path in ("/api/v1/jobs", "/api/v1/sessions", "/identity/token"))
    assert {path for _, path in FOR_OPERATORS} <= set(paths)


@pytest.mark.parametrize("who", range(1, len(CALLERS)))
def test_no_order_is_taken_from_who_is_no_operator(who: int) -> None:
    """Well-formed ones, which a random request seldom is."""
    import anyio
    import httpx

    bodies = {"/v1/devices": {"device": "fez"}, "/v1/windows": {"start": 1, "length_s": 60}, "/v1/limits/{scope}/{name}/{what}": {"value": 5},
              "/v1/tasks/{task_id}/priority": {"priority": 1}, "/v1/tokens": {"user": "nobody"}, "/v1/devices/{name}/drain": {}}  # fmt: skip
    names = {"name": "kingston", "scope": "profile", "what": "slots", "number": 1, "task_id": "t", "user": "nobody"}
    host, headers = CALLERS[who]

    async def go() -> dict[tuple[str, str], int]:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=_From(host)), base_url="http://broker"
        ) as client:
            return {
                (verb, path): (await client.request(verb, path.format(**names), json=bodies.get(path), headers=headers)).status_code
                for verb, path in FOR_OPERATORS
            }  # fmt: skip

    found = anyio.run(go)
    assert set(found.values()) == {403 if headers or host != TCP else 401}, found
