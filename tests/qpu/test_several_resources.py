"""Resources that are dead stand beside one that works: each has its row with its reason, and the good one is as quick as alone."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from qiskit import QuantumCircuit

from qhub_ext.job import context
from qhub_ext.primitives import Sampler
from qhub_ext.service.resources import list_states
from qhub_ext.settings import load_settings
from qhub_ext.tiers.qpu import target
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import resource_for
from tests.qpu.conftest import VirtualQpu

QCS = "ibm-quantum-compute-service"
DEADLINE_S, MARGIN_S = 8.0, 60.0


@pytest.fixture
def beside(qpu: VirtualQpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of a site: a host where nobody listens, one that takes connections and never answers, a type that is none, and the server of the tests."""
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as silent:
        closed.bind(("127.0.0.1", 0))  # held, and nobody listens there
        hosts = {"ibm_dead": closed, "ibm_silent": silent}
        config = [
            {
                "name": name,
                "type": QCS,
                "environment": {**qpu.config, **_at(f"http://127.0.0.1:{host.getsockname()[1]}")},
            }
            for name, host in hosts.items()
        ]
        config.append({"name": "odd", "type": "abacus", "environment": {}})
        config.append({"name": "kingston", "type": QCS, "environment": qpu.config})
        path = tmp_path / "qrmi_config.json"
        path.write_text(json.dumps({"resources": config}))
        monkeypatch.setenv("QHUB_QPU_CONFIG_FILE", str(path))
        monkeypatch.setenv("QHUB_QPU_DEADLINE_S", str(DEADLINE_S))
        monkeypatch.setenv("QHUB_QPU_STALE_S", "1e12")
        try:
            yield
        finally:
            target._live.clear()


def _at(url: str) -> dict[str, str]:
    return {"QRMI_IBM_QCS_ENDPOINT": f"{url}/api/v1", "QRMI_IBM_QCS_IAM_ENDPOINT": url}


@pytest.mark.usefixtures("beside")
def test_each_resource_has_its_row_with_its_reason_and_all_are_told_within_one_deadline() -> None:
    began = time.monotonic()
    rows = {row.name: row for row in list_states(load_settings().qpu, ask=True)}
    took_s = time.monotonic() - began
    assert list(rows) == ["ibm_dead", "ibm_silent", "odd", "kingston"]
    assert (rows["kingston"].state, rows["kingston"].trouble) == ("online", "")
    assert (rows["ibm_dead"].state, rows["ibm_silent"].state) == ("unknown", "unknown")
    assert "cannot be reached" in rows["ibm_dead"].trouble
    assert f"no answer came within {DEADLINE_S:g} s" in rows["ibm_silent"].trouble
    assert "'abacus' is not known" in rows["odd"].trouble
    assert took_s < DEADLINE_S + MARGIN_S, "they are asked side by side, each until its deadline"


@pytest.mark.usefixtures("beside")
def test_a_task_for_the_good_one_does_not_wait_for_the_others(qpu: VirtualQpu, bell: QuantumCircuit) -> None:
    before = len(qpu.tasks())
    with context.using(tier="qpu", device="kingston"):
        counts = Sampler().run([bell], shots=100).result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 100
    assert len(qpu.tasks()) == before + 1


@pytest.mark.usefixtures("beside")
def test_calls_of_many_threads_take_their_turn_in_one_helper_and_each_has_its_own_answer(qpu: VirtualQpu) -> None:
    resource = resource_for("kingston", load_settings().qpu)
    assert resource is not None
    process = ResourceProcess(resource)
    calls = ["status", "target"] * 6
    try:
        with ThreadPoolExecutor(len(calls)) as pool:
            answers = list(pool.map(lambda call: process.call(call, deadline_s=60), calls))
        assert process.pid is not None
        shown = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    finally:
        process.close()
    for call, answer in zip(calls, answers, strict=True):
        assert ("configuration" in json.loads(answer)) if call == "target" else answer["status"] == "online"
    names = {pair.partition(b"=")[0].decode() for pair in shown if pair}
    assert not [name for name in names if name.startswith(("QHUB_", "QRMI_", "SLURM_", "PYTHON"))], (
        "little of ours goes along"
    )
