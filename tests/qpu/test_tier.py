"""The tier qpu gives what the other tiers give, from the same code, through the genuine client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qhub_ext.errors import PreflightError
from qhub_ext.job import context
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.tiers.qpu import backend as tier
from tests.qpu.conftest import VirtualQpu, isa


@pytest.fixture(autouse=True)
def _on_qpu(qpu: VirtualQpu) -> Any:
    with context.using(tier="qpu", device="kingston"):
        yield


def test_a_sampler_returns_the_device_s_counts(bell: QuantumCircuit) -> None:
    counts = Sampler().run([bell], shots=2000).result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 2000
    assert counts["00"] + counts["11"] > 1700


def test_many_parameters_keep_their_order_and_the_pub_its_shape() -> None:
    angles = ParameterVector("θ", 12)  # by name, θ[10] would come before θ[2]
    circuit = QuantumCircuit(12)
    for qubit in range(12):
        circuit.rx(angles[qubit], qubit)
    circuit.measure_all()
    on = np.eye(12) * np.pi
    laid_out = isa(circuit)
    order = [circuit.parameters.data.index(p) for p in laid_out.parameters]
    result = Sampler().run([(laid_out, on.reshape(3, 4, 12)[..., order], 200)]).result()[0].data.meas
    assert result.shape == (3, 4)
    for qubit in range(12):
        counts = result.get_counts((qubit // 4, qubit % 4))
        assert max(counts, key=counts.get) == format(1 << qubit, "012b")


def test_registers_bits_out_of_order_and_bits_that_nobody_writes_come_back_in_place() -> None:
    qubits, first, second = QuantumRegister(3), ClassicalRegister(9, "first"), ClassicalRegister(2, "second")
    circuit = QuantumCircuit(qubits, first, second)
    circuit.x(0)
    circuit.measure(0, second[1])
    circuit.measure(1, first[0])
    circuit.x(2)
    circuit.measure(2, first[8])
    data = Sampler().run([isa(circuit)], shots=400).result()[0].data
    assert max(data.first.get_counts(), key=data.first.get_counts().get) == "100000000"
    assert max(data.second.get_counts(), key=data.second.get_counts().get) == "10"


def test_several_pubs_of_one_call_are_one_task_on_the_device(qpu: VirtualQpu, bell: QuantumCircuit) -> None:
    before = len(qpu.tasks())
    result = Sampler().run([(bell, None, 100), (bell, None, 300)]).result()
    assert [pub.data.meas.num_shots for pub in result] == [100, 300]
    assert len(qpu.tasks()) == before + 1


def test_an_estimator_measures_on_the_device(qpu: VirtualQpu) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    laid_out = isa(circuit)
    observables = [SparsePauliOp(words).apply_layout(laid_out.layout) for words in ("ZZ", "XX", "ZI")]
    before = len(qpu.tasks())
    values = Estimator().run([(laid_out, observables)]).result()[0].data.evs
    assert values[0] > 0.85
    assert values[1] > 0.85
    assert abs(values[2]) < 0.15
    assert len(qpu.tasks()) == before + 1


def test_code_that_calls_backend_run_runs_on_the_device(bell: QuantumCircuit) -> None:
    counts = backend(tier="qpu").run(bell, shots=500, memory=True).result().get_counts()
    assert sum(counts.values()) == 500
    assert counts["00"] + counts["11"] > 400


def test_what_the_device_would_refuse_is_refused_before_anything_is_sent(qpu: VirtualQpu) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    before = len(qpu.tasks())
    with pytest.raises(PreflightError, match="'h'"):
        Sampler().run([circuit])
    assert len(qpu.tasks()) == before


def test_the_record_says_what_ran_where_and_how_long_the_device_was_busy(bell: QuantumCircuit) -> None:
    records: list[dict[str, Any]] = []
    with context.using(tier="qpu", record=records.append):
        Sampler().run([bell], shots=1000).result()
    (record,) = records
    (task,) = record["device_tasks"]
    assert task["state"] == "completed"
    assert task["virtual"] is True
    assert task["resource"] == "kingston"
    assert record["shots"] == 1000
    # shots x (pause between shots + duration of the circuit), in the device's own time
    assert task["qpu_s"] == pytest.approx(record["estimated_qpu_s"], rel=0.01)


def test_a_task_is_written_down_before_it_is_sent(qpu: VirtualQpu, bell: QuantumCircuit) -> None:
    seen: list[tuple[str, int]] = []
    before = len(qpu.tasks())

    def announce(step: dict[str, Any]) -> None:
        seen.append((step["state"], len(qpu.tasks()) - before))

    with context.using(tier="qpu", announce=announce):
        Sampler().run([bell], shots=100).result()
    assert seen[0] == ("sending", 0)
    assert seen[1] == ("queued", 1)
    assert seen[-1][0] == "completed"


def test_cancelling_reaches_the_device(qpu: VirtualQpu, bell: QuantumCircuit) -> None:
    qpu.fault("paused")
    records: list[dict[str, Any]] = []
    with context.using(tier="qpu", announce=records.append):
        job = Sampler().run([bell], shots=100)
        from tests.waiting import wait_until

        wait_until(lambda: records and records[-1]["state"] == "queued", what="the task in the device's queue")
        job.cancel()
        with pytest.raises(Exception, match="cancelled"):
            job.result()
    states = {task["id"]: task["status"] for task in qpu.tasks()}
    assert states[records[-1]["task"]] == "Cancelled"


def test_no_credentials_in_what_a_task_leaves_behind(qpu: VirtualQpu, bell: QuantumCircuit) -> None:
    left: list[dict[str, Any]] = []
    with context.using(tier="qpu", announce=left.append, record=left.append):
        Sampler().run([bell], shots=100).result()
        assert qpu.key not in json.dumps(left)
        processes = list(tier._processes.values())
    assert processes
    for process in processes:  # what ps shows to everybody, and what /proc shows to its owner
        shown = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        assert not any(qpu.key.encode() in text for text in shown)


APART = """
import sys
import qhub_ext
from qhub_ext.job import context
context.enter(context.ExecutionContext(tier="qpu", device="kingston"))
from qhub_ext import Estimator, Sampler, backend
from qhub_ext.service import JobService
from qhub_ext.service.resources import standing
from qhub_ext.settings import load_settings
from qiskit import QuantumCircuit
circuit = QuantumCircuit(backend().num_qubits, 1)
circuit.x(0)
circuit.measure(0, 0)
counts = Sampler().run([circuit], shots=100).result()[0].data.c.get_counts()
assert sum(counts.values()) == 100
assert standing(load_settings())[0].state == "online"
with open("/proc/self/maps") as file:
    mapped = [line for line in file if "qrmi" in line]
print(sorted(name for name in sys.modules if name.partition(".")[0] == "qrmi"), mapped)
"""


def test_the_vendor_s_client_never_enters_the_user_s_process(qpu: VirtualQpu) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", APART], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[] []"
