"""A real broker in a process of its own, before a real virtual QPU, and its desk in this process where a test holds the clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from qiskit import qasm3

from qhub_ext.tiers.qpu import standing
from qhub_ext.tiers.qpu.brokered import UnixConnection, ask_broker
from qhub_ext.tiers.qpu.pool import close_all
from qhub_ext.tiers.qpu.wire import untagged
from tests.broker.house import ask, desk
from tests.circuits import bell_pair
from tests.qpu.conftest import PATIENCE_S, VirtualQpu, isa, server
from tests.waiting import wait_until

__all__ = ["ask", "desk", "server"]


@dataclass
class Broker:
    """One that can be killed and started again on the same ledger."""

    directory: Path
    server: VirtualQpu
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        given = dict(pairwise(self.options)).get("--socket")
        return Path(given) if given else self.directory / "broker.sock"

    @property
    def record(self) -> dict[str, Any]:
        """What it says of itself in its folder."""
        return dict(json.loads((self.directory / "broker.json").read_text()))

    @property
    def url(self) -> str:
        """Its address over TCP."""
        return str(self.record["url"])

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics", trust_env=False, timeout=PATIENCE_S).text

    def start(self) -> None:
        self.directory.mkdir(exist_ok=True)
        before = self.instance()
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "qhub_ext.broker",
                    "--directory",
                    str(self.directory),
                    "--device",
                    "kingston",
                    *self.options,
                ],
                env=os.environ | {"QHUB_QPU_VIRTUAL_DIRECTORY": str(self.server.directory), **self.environment},
                stdout=log,
                stderr=log,
            )
        wait_until(
            lambda: self.instance() != before or self.process.poll() is not None,
            within_s=120,
            what="the broker",
        )
        assert self.process.poll() is None, (self.directory / "log").read_text()
        wait_until(self.answers, what="an answer of the broker")

    def instance(self) -> str:
        try:
            return str(self.record["instance"])
        except (OSError, ValueError):
            return ""

    def answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/health"))
        except Exception:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def ask(self, method: str, target: str, body: Any = None) -> Any:
        return ask_broker(self.socket, method, target, body)

    def session(self, profile: str = "development", job: str = "") -> dict[str, Any]:
        return dict(self.ask("POST", "/v1/sessions", {"profile": profile, "job": job}))

    def submit(self, session: dict[str, Any], circuit: str, shots: int, **more: Any) -> str:
        params = {"pubs": [[circuit, None, shots]], "version": 2, "support_qiskit": True, "options": {}}
        body = {"session": session["id"], "device": "kingston", "program": "sampler", "params": params, **more}
        return str(self.ask("POST", "/v1/tasks", body)["id"])

    def task(self, task_id: str, wait: float = 0.0) -> dict[str, Any]:
        return dict(self.ask("GET", f"/v1/tasks/{task_id}?wait={wait}"))

    def until_ended(self, task_id: str) -> dict[str, Any]:
        wait_until(lambda: self.task(task_id, 20.0)["ended_at"] is not None, within_s=120, what=f"the end of {task_id}")
        return self.task(task_id)


@pytest.fixture
def new_broker(server: VirtualQpu, tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    made: list[Broker] = []

    def make(**environment: str) -> Broker:
        broker = Broker(tmp_path / "broker", server, environment)
        broker.start()
        made.append(broker)
        return broker

    try:
        yield make
    finally:
        server.admin("DELETE")
        for broker in made:
            broker.stop()


@pytest.fixture
def through_the_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Broker], None]]:
    """The tier qpu of this process takes its turn at a broker."""

    def go(broker: Broker) -> None:
        monkeypatch.setenv("QHUB_BROKER_SOCKET", str(broker.socket))

    try:
        yield go
    finally:
        standing._sessions.clear()
        close_all()


@pytest.fixture(scope="session")
def bell_qasm() -> str:
    return str(qasm3.dumps(isa(bell_pair())))


def decoded(broker: Broker, task_id: str) -> Any:
    connection = UnixConnection(broker.socket)
    connection.request("GET", f"/v1/tasks/{task_id}/result")
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    return untagged(json.loads(content))
