"""Resources that are dead stand beside one that works: each has its row with its reason, and the good one is as quick as alone."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from qiskit import QuantumCircuit

from qhub_ext.job import context
from qhub_ext.primitives import Sampler
from qhub_ext.service.resources import list_states
from qhub_ext.settings import load_settings
from qhub_ext.tiers.qpu import target
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
