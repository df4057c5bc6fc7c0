"""`qhub virtual-qpu` as an operator types it: it serves the genuine client, and ends at a signal with nothing left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from qhub_ext.tiers.qpu.qcs import client_config
from tests.qpu.by_hand import by_hand
from tests.qpu.conftest import VirtualQpu, start_server

BY_HAND = """
import json, sys
import qrmi

asked = json.loads(sys.stdin.read())
resource = qrmi.QuantumResource.from_config(asked["name"], qrmi.ResourceType.IBMQuantumComputeService, asked["config"])
assert str(resource.status().to_dict()["status"]).endswith("online")
target = json.loads(resource.target().value)
qasm = 'OPENQASM 3.0; include "stdgates.inc"; bit[1] c; x $0; c[0] = measure $0;'
payload = {"pubs": [[qasm, None, 100]], "version": 2, "support_qiskit": True, "options": {}}
task = resource.task_start(qrmi.Payload.QiskitPrimitive(input=json.dumps(payload), program_id="sampler"))
while str(resource.task_status(task)).rpartition(".")[2] in ("Queued", "Running"):
    pass
state = str(resource.task_status(task)).rpartition(".")[2]
print(json.dumps([target["configuration"]["n_qubits"], state, len(resource.task_result(task).value) > 0]))
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_genuine_client_until_a_signal_ends_it(tmp_path: Path, ending: signal.Signals) -> None:
    directory = tmp_path / "a qpu"
    process, server = start_server(directory, "--device", "our_qpu=manila", module=("qhub_ext.cli", "virtual-qpu"))
    try:
        if ending is signal.SIGTERM:
            assert use(server) == [5, "Completed", True]
        process.send_signal(ending)
        code = process.wait(60)
    finally:
        process.kill()
        process.wait()
    said = (tmp_path / "server.log").read_text()
    assert f"virtual QPU (simulated) at {server.url}" in said
    assert server.key not in said
    assert "Traceback" not in said, said
    assert code in (0, 130, 128 + ending, -ending), said
    assert not (directory / "server.json").exists(), "who looks for it starts another"
    assert not server.answers()


def use(server: VirtualQpu) -> object:
    config = client_config(server.url, server.key, "virtual")
    return by_hand(BY_HAND, {"name": "our_qpu", "config": config})
