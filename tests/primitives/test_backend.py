from __future__ import annotations

import copy
import pickle

import pytest
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.providers import BackendV2, JobStatus

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.job.context import using
from qhub_ext.primitives import backend


def test_it_is_a_qiskit_backend_that_names_tier_and_device(tier):
    ours = backend("FakeKingston")
    assert isinstance(ours, BackendV2)
    assert ours.name == f"{tier}:kingston"
    assert (ours.num_qubits, ours.max_circuits, ours.max_shots) == (156, None, 100_000)
    assert ours.coupling_map.size() == 156
    assert {"cz", "sx", "rz", "if_else"} <= set(ours.operation_names)
    assert repr(ours) == f"<QhubBackend tier={tier!r} device='kingston'>"


def test_it_goes_by_name_and_never_by_content():
    ours = backend(tier="emulation")
    data = pickle.dumps(ours)
    assert len(data) < 300
    assert pickle.loads(data).target is ours.target
    assert copy.deepcopy(ours).target is ours.target


def test_counts_and_memory_of_one_run_agree(tier, bell):
    result = backend().run(bell, shots=300, memory=True).result()
    memory = result.get_memory()
    assert len(memory) == 300
    assert {k: memory.count(k) for k in set(memory)} == dict(result.get_counts())
    assert result.success
    assert result.results[0].shots == 300


def test_memory_does_not_change_the_counts(tier, bell):
    runs = [backend().run(bell, seed_simulator=5, memory=memory).result().get_counts() for memory in (True, False)]
    assert dict(runs[0]) == dict(runs[1])


def test_several_circuits_come_back_in_order(tier, bell):
    flipped = QuantumCircuit(7, 1)
    flipped.x(0)
    flipped.measure(0, 0)
    result = backend().run([bell, flipped, bell], shots=100).result()
    assert [set(c) <= {"00", "01", "10", "11"} for c in result.get_counts()] == [True, False, True]
    assert result.get_counts(1).get("1", 0) > 80


def test_the_job_is_a_qiskit_job(bell, records):
    job = backend().run(bell, shots=10)
    assert job.result().job_id == records[-1]["id"] == job.job_id()
    assert job.status() == JobStatus.DONE
    assert job.backend() is not None


def test_options_set_on_the_backend_are_its_defaults(bell):
    ours = backend()
    ours.set_options(shots=12)
    assert sum(ours.run(bell).result().get_counts().values()) == 12
    assert sum(ours.run(bell, shots=13).result().get_counts().values()) == 13


@pytest.mark.parametrize("shots", [0, -1, 1.5, "many", True])
def test_shots_that_are_no_number_of_shots_are_refused(bell, shots):
    with pytest.raises(InvalidOptionError, match="not accepted"):
        backend().run(bell, shots=shots)


def test_open_parameters_are_refused_by_name(tier):
    circuit = QuantumCircuit(7, 1)
    circuit.rz(Parameter("angle"), 0)
    circuit.measure(0, 0)
    with pytest.raises(InvalidOptionError, match=r"angle.*assign_parameters"):
        backend().run(circuit)


def test_what_is_no_circuit_is_refused():
    with pytest.raises(InvalidOptionError, match="takes circuits, not str"):
        backend().run(["circuit"])


def test_unknown_names_are_told_when_it_is_asked_for():
    with pytest.raises(UnknownNameError, match="no tier 'quantum'"):
        backend(tier="quantum")
    with using(device="nowhere"), pytest.raises(UnknownNameError, match="no device 'nowhere'"):
        backend()
