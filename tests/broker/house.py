"""A broker's app without a device, asked as if the kernel had said who calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from qhub_ext.broker.app import build
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.membership import OneUser
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import DEFAULTS, Profile

ALICE, BOB, OPERATOR = 5001, 5002, 5003
PARAMS = {"pubs": [["OPENQASM 3.0;", None, 100]], "version": 2}
KNOWN = {p.name: p for p in DEFAULTS} | {
    "development": Profile("development", 0, user_queued=3, shots=5000, task_s=2.0)
}

Ask = Callable[..., httpx.Response]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "ledger", ["kingston"], Policy(profiles=KNOWN))
    yield made
    made.close()
    made.ledger.close()


@pytest.fixture
def ask(desk: Desk) -> Ask:
    return asker(desk)


def asker(desk: Desk) -> Ask:
    """`ask(uid, method, path)`; with uid None over TCP, where only a key says who it is."""
    app = build(desk, {}, url=lambda: "http://127.0.0.1:1", membership=OneUser(KNOWN), operators=frozenset({OPERATOR}))

    def call(uid: int | None, method: str, path: str, **more: Any) -> httpx.Response:
        async def go() -> httpx.Response:
            client = ("127.0.0.1", 9) if uid is None else (f"uid:{uid}", 9)
            transport = httpx.ASGITransport(app=app, client=client)
            async with httpx.AsyncClient(transport=transport, base_url="http://broker") as session:
                return await session.request(method, path, **more)

        return anyio.run(go)

    return call


def session(ask: Ask, uid: int, **more: str) -> dict[str, Any]:
    answer = ask(uid, "POST", "/v1/sessions", json=more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def submit(ask: Ask, uid: int, session_id: str, **more: Any) -> httpx.Response:
    body = {"session": session_id, "device": "kingston", "program": "sampler", "params": PARAMS, **more}
    return ask(uid, "POST", "/v1/tasks", json=body)
