"""The whole API of the broker, asked at random by its own description: nothing makes it answer 500."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings

from qhub_ext.broker.app import build
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.membership import OneUser

_folder = tempfile.TemporaryDirectory(prefix="qhub-broker-fuzz-")
_desk = Desk(Path(_folder.name) / "ledger", ["kingston"])
_app = build(
    _desk, {}, url=lambda: "http://127.0.0.1:1", membership=OneUser(_desk.policy.profiles), operators=frozenset({5003})
)
_session = _desk.sessions.open(5003, "operator", profile="test")


class _Known:
    """The broker as a caller sees it whom the socket named, or who has a token."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "client": ("uid:5003", 1)}
        await _app(scope, receive, send)


schema = schemathesis.openapi.from_dict(_app.openapi())
schema.app = _Known()


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_broker_fail(case: schemathesis.Case) -> None:
    answer = case.call(app=schema.app, base_url="http://broker")
    assert answer.status_code < 500, (case.as_curl_command(), answer.text)
