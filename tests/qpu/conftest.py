"""A real virtual QPU in a process of its own on loopback, and the tier qpu pointed at it through the genuine client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext.primitives import backend
from qhub_ext.tiers.qpu.pool import close_all
from tests.circuits import bell_pair
from tests.waiting import wait_until

PATIENCE_S = 60.0
"""For an answer of the server, or its end, on a busy machine."""


@dataclass
class VirtualQpu:
    """The server of the tests, with a hand on its switches."""

    directory: Path
    url: str
    key: str
    pid: int

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False, timeout=PATIENCE_S).status_code == 200
        except httpx.TransportError:
            return False

    def admin(self, verb: str, /, **body: Any) -> Any:
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
            answer = client.request(
                verb, f"{self.url}/admin/faults", json=body or None, headers={"x-api-key": self.key}
            )
        answer.raise_for_status()
        return answer.json()

    def calibrate(self, device: str = "kingston") -> dict[str, Any]:
        """Asks for a calibration now; answers with where it stands."""
        return self._ask("POST", f"/admin/calibration/{device}")

    def calibration(self, device: str = "kingston") -> dict[str, Any]:
        return self._ask("GET", "/admin/calibration")["devices"][device]

    def _ask(self, verb: str, path: str) -> Any:
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
            answer = client.request(verb, f"{self.url}{path}", headers={"x-api-key": self.key})
        answer.raise_for_status()
        return answer.json()

    def fault(self, kind: str, **more: Any) -> None:
        self.admin("POST", kind=kind, **more)

    @property
    def config(self) -> dict[str, str]:
        return {
            "QRMI_IBM_QCS_ENDPOINT": f"{self.url}/api/v1",
            "QRMI_IBM_QCS_IAM_ENDPOINT": self.url,
            "QRMI_IBM_QCS_IAM_APIKEY": self.key,
            "QRMI_IBM_QCS_SERVICE_CRN": "crn:v1:virtual",
        }

    def tasks(self) -> list[dict[str, Any]]:
        """As the service lists them."""
        return list(self._service("/jobs?limit=10000")["jobs"])

    def params(self, task: str) -> dict[str, Any]:
        """What the client sent for a task."""
        return dict(self._service(f"/jobs/{task}?exclude_params=false")["params"])

    def session(self, session: str) -> dict[str, Any]:
        return dict(self._service(f"/sessions/{session}"))

    def _service(self, path: str) -> Any:
        """Asked with a token of its own."""
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
            token = client.post(f"{self.url}/identity/token", data={"apikey": self.key}).json()["access_token"]
            answer = client.get(f"{self.url}/api/v1{path}", headers={"authorization": f"Bearer {token}"})
        answer.raise_for_status()
        return answer.json()


def start_server(
    directory: Path, *options: str, within_s: float = 60.0, module: Sequence[str] = ("qhub_ext.virtualqpu",)
) -> tuple[subprocess.Popen[bytes], VirtualQpu]:
    """What it says is in `server.log` beside its folder."""
    told = directory.parent / "server.log"
    with told.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module, "--directory", str(directory), "--speed", "1000", *options],
            stdout=log,
            stderr=log,
        )
    try:
        address = directory / "server.json"
        wait_until(lambda: address.exists() or process.poll() is not None, within_s=within_s, what="the virtual QPU")
        assert process.poll() is None, told.read_text()
        record = json.loads(address.read_text())
        server = VirtualQpu(directory, record["url"], record["key"], record["pid"])
        wait_until(server.answers, what="an answer of the virtual QPU")
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process, server


@contextmanager
def running_server(directory: Path, *options: str) -> Iterator[VirtualQpu]:
    process, server = start_server(directory, *options)
    try:
        yield server
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualQpu]:
    with running_server(tmp_path_factory.mktemp("virtual") / "qpu") as server:
        yield server


@pytest.fixture
def qpu(server: VirtualQpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[VirtualQpu]:
    """The tier qpu of this process finds the server by its folder; faults and helpers end with the test."""
    monkeypatch.setenv("QHUB_SHELF", str(tmp_path / "jobs"))
    monkeypatch.setenv("QHUB_QPU_VIRTUAL_DIRECTORY", str(server.directory))
    monkeypatch.setenv("QHUB_QPU_DEADLINE_S", "30")
    monkeypatch.setenv("QHUB_QPU_PATIENCE_S", "1")
    try:
        yield server
    finally:
        server.admin("DELETE")
        close_all()


@pytest.fixture(scope="session")
def bell() -> QuantumCircuit:
    return isa(bell_pair())


def isa(circuit: QuantumCircuit) -> QuantumCircuit:
    place = backend("kingston", tier="emulation")
    made: QuantumCircuit = generate_preset_pass_manager(2, backend=place, seed_transpiler=1).run(circuit)
    return made
