from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit.circuit import ClassicalRegister, Parameter, ParameterVector, QuantumCircuit, QuantumRegister
from qiskit.primitives import PrimitiveResult, SamplerPubResult, StatevectorSampler
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job import context
from qhub_ext.job.context import ExecutionContext, using
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.primitives.task import TaskCancelledError
from qhub_ext.tiers import engine
from qhub_ext.tiers.aer import pack_words


def rotation() -> tuple[QuantumCircuit, Parameter]:
    angle = Parameter("angle")
    circuit = QuantumCircuit(1)
    circuit.ry(angle, 0)
    circuit.measure_all()
    return circuit, angle


def ones(bits) -> np.ndarray:
    """Share of ones per place of the PUB."""
    return np.unpackbits(bits.array, axis=-1).mean(axis=(-1, -2)) * 8


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3)])
def test_parameters_broadcast_as_in_qiskits_reference(tier, transpiled, shape):
    circuit, _ = rotation()
    values = np.linspace(0, np.pi, int(np.prod(shape))).reshape(*shape, 1)
    ours = Sampler(seed=1).run([(transpiled(circuit), values)]).result()[0].data.meas
    theirs = StatevectorSampler(seed=1).run([(circuit, values)]).result()[0].data.meas
    assert ours.shape == theirs.shape == shape
    allowed = 0.03 if tier == "local" else 0.08
    np.testing.assert_allclose(ones(ours), ones(theirs), atol=allowed)


def test_parameters_may_come_by_name_in_any_order(transpiled):
    a, b = Parameter("b"), Parameter("a")
    circuit = QuantumCircuit(2)
    circuit.rx(a, 0)
    circuit.rx(b, 1)
    circuit.measure_all()
    isa = transpiled(circuit)
    by_name = Sampler(seed=1).run([(isa, {"b": np.pi, "a": 0.0})]).result()[0].data.meas.get_counts()
    assert by_name == {"01": 4096}
    assert Sampler(seed=1).run([(isa, {("a", "b"): [0.0, np.pi]})]).result()[0].data.meas.get_counts() == by_name


def test_an_empty_sweep_has_an_empty_result(tier, transpiled):
    circuit, _ = rotation()
    result = Sampler().run([(transpiled(circuit), np.zeros((0, 1)))]).result()
    assert result[0].data.meas.shape == (0,)


def test_each_pub_may_have_its_own_shots(tier, bell):
    result = Sampler(default_shots=7).run([bell, (bell, None, 20), (bell,)], shots=30).result()
    assert [r.data.meas.num_shots for r in result] == [30, 20, 30]
    assert Sampler(default_shots=7).run([bell]).result()[0].data.meas.num_shots == 7
    assert Sampler(options={"default_shots": 8}).run([bell]).result()[0].data.meas.num_shots == 8


def test_results_are_qiskits_own(tier, bell):
    bell.metadata = {"mine": 1}
    job = Sampler().run([bell], shots=10)
    result = job.result()
    assert type(result) is PrimitiveResult
    assert type(result[0]) is SamplerPubResult
    assert result[0].metadata == {"shots": 10, "circuit_metadata": {"mine": 1}}
    assert job.done()
    assert pickle.loads(pickle.dumps(result))[0].data.meas == result[0].data.meas
    assert pickle.loads(pickle.dumps(job)).result()[0].data.meas == result[0].data.meas


def test_several_registers_come_back_by_name_with_their_shots_in_step(tier, transpiled):
    circuit = QuantumCircuit(QuantumRegister(3), ClassicalRegister(1, "alpha"), ClassicalRegister(10, "beta"))
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    circuit.measure(0, 0)
    circuit.measure(1, 3)
    circuit.measure(2, 10)
    data = Sampler(seed=2).run([transpiled(circuit)]).result()[0].data
    assert (data.alpha.num_bits, data.beta.num_bits) == (1, 10)
    alpha = np.array([int(b) for b in data.alpha.get_bitstrings()])
    beta = np.array([int(b, 2) for b in data.beta.get_bitstrings()])
    agree = np.mean(beta == alpha * 0b1000000100)
    assert agree == 1 if tier == "local" else agree > 0.85


def test_measurements_on_the_way_and_feed_forward(tier, transpiled):
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "first"), ClassicalRegister(1, "last"))
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    data = Sampler(seed=2).run([transpiled(circuit)], shots=1000).result()[0].data
    agree = np.mean((data.first.array == data.last.array).ravel())
    assert agree == 1 if tier == "local" else agree > 0.9
    assert 400 < data.first.get_int_counts()[1] < 600


def test_wide_registers_keep_every_bit(transpiled):
    with using(device="kingston"):
        circuit = QuantumCircuit(156, 156)
        raised = [0, 7, 64, 65, 100, 155]
        circuit.x(raised)
        circuit.measure(range(156), range(156))
        bits = Sampler().run([circuit], shots=3).result()[0].data.c
    assert bits.get_int_counts() == {sum(1 << q for q in raised): 3}


def test_the_context_is_read_at_each_call(bell, records):
    sampler = Sampler()
    for tier in ("local", "emulation"):
        with using(tier=tier):
            sampler.run([bell], shots=10).result()
    assert [r["tier"] for r in records] == ["local", "emulation"]


def test_a_backend_fixes_tier_and_device(bell, records):
    emulated = backend(tier="emulation")
    for primitive in (Sampler(emulated), Sampler(mode=emulated), Sampler(backend=emulated)):
        primitive.run([bell], shots=10).result()
    assert [r["tier"] for r in records] == ["emulation"] * 3


def test_a_circuit_in_place_of_a_list_is_told(bell):
    with pytest.raises(InvalidOptionError, match=r"run\(\[circuit\]\)"):
        Sampler().run(bell)


def test_no_pubs_give_no_results(tier):
    assert len(Sampler().run([]).result()) == 0


def test_a_sweep_shares_runs_and_each_setting_has_a_seed(tier, transpiled, records):
    circuit, _ = rotation()
    Sampler(seed=1).run([(transpiled(circuit), np.zeros((100, 1)))], shots=50).result()
    assert records[-1]["executions"] == 100
    assert len(set(records[-1]["seeds"])) == 100


@pytest.fixture
def begun(transpiled, records, monkeypatch):
    """A task of 50 circuits in the middle of its first, and the event that lets it go on."""
    circuit, _ = rotation()
    isa = transpiled(circuit)
    monkeypatch.setattr(engine, "_TOGETHER", 1)
    here, go_on = threading.Event(), threading.Event()
    original = engine.run_aer

    def slow(*args, **kwargs):
        here.set()
        assert go_on.wait(60)
        return original(*args, **kwargs)

    monkeypatch.setattr(engine, "run_aer", slow)
    job = Sampler().run([(isa, np.zeros((50, 1)))], shots=5)
    assert here.wait(60)
    yield job, go_on
    go_on.set()


def test_a_cancelled_task_ends_between_circuits_and_leaves_a_record(begun, records):
    job, go_on = begun
    job.cancel()
    go_on.set()
    with pytest.raises(TaskCancelledError, match="cancelled after 1 circuits"):
        job.result()
    assert records[-1]["error"]["cause"] == "user"


def test_an_interrupted_wait_stops_what_nobody_waits_for(begun, records, monkeypatch):
    job, go_on = begun
    with monkeypatch.context() as patched:
        patched.setattr(job._future, "result", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            job.result()
    go_on.set()
    with pytest.raises(TaskCancelledError):
        job.result()
    assert records[-1]["executions"] == 1


def test_a_failure_of_aer_reaches_the_caller_and_the_record(bell, records, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the simulator fell over")

    monkeypatch.setattr(engine, "run_aer", broken)
    with pytest.raises(RuntimeError, match="fell over"):
        Sampler().run([bell]).result()
    assert records[-1]["error"] == {"error": "RuntimeError", "message": "the simulator fell over"}


@given(st.integers(1, 130).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, 2**n - 1), max_size=20))))
def test_words_are_packed_without_loss(case: tuple[int, list[int]]):
    clbits, words = case
    packed = pack_words([hex(word) for word in words], clbits)
    assert packed.shape == (len(words), -(-clbits // 8))
    assert [int.from_bytes(row.tobytes(), "big") for row in packed] == words


_ANGLES = st.lists(st.floats(-7, 7, allow_nan=False), min_size=6, max_size=6)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_ANGLES, st.permutations(range(3)))
def test_the_ideal_tier_samples_the_state_that_qiskit_computes(angles: list[float], order: list[int]):
    context.enter(ExecutionContext(tier="local", device="jakarta"))
    theta = ParameterVector("t", 6)
    circuit = QuantumCircuit(3)
    for k in range(3):
        circuit.ry(theta[k], k)
    circuit.cx(order[0], order[1])
    circuit.cx(order[1], order[2])
    for k in range(3):
        circuit.rx(theta[3 + k], k)
    circuit.measure_all()
    isa = generate_preset_pass_manager(1, backend=backend(), seed_transpiler=1).run(circuit)
    ours = Sampler(seed=1).run([(isa, angles)], shots=20_000).result()[0].data.meas.get_int_counts()
    theirs = StatevectorSampler(seed=1).run([(circuit, angles)], shots=20_000).result()[0].data.meas.get_int_counts()
    assert sum(abs(ours.get(k, 0) - theirs.get(k, 0)) for k in range(8)) / 40_000 < 0.03


@pytest.mark.parametrize("beside", [0.0, 4e-16, -1e-15, 3e-13, 5e-11])
@pytest.mark.parametrize("tier", ["local", "emulation"])
def test_a_rotation_a_hair_beside_a_quarter_turn_is_still_clifford_and_runs(beside: float, tier: str) -> None:
    with using(tier=tier):
        circuit = QuantumCircuit(2)
        for quarter in range(-5, 6):
            circuit.rz(quarter * np.pi / 2 + beside, 0)
        circuit.cz(0, 1)
        circuit.measure_all()
        isa = generate_preset_pass_manager(0, backend=backend(), initial_layout=[0, 1]).run(circuit)
        counts = Sampler(seed=1).run([isa], shots=200).result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 200
    if tier == "local":
        assert counts == {"00": 200}


@pytest.mark.parametrize(
    ("kind", "keyword", "words"),
    [
        (Sampler, "shots", "Sampler takes no 'shots'. default_shots=10 sets them for all PUBs, run(pubs, shots=10)"),
        (Sampler, "sead", "Sampler takes no 'sead'. Did you mean seed? Accepted: mode, backend, default_shots"),
        (Sampler, "method", "It goes into options={'method': ...}"),
        (Sampler, "colour", "options={...}"),
        (Estimator, "shots", "Estimator takes no 'shots'. default_precision=0.01 asks for 10,000 shots"),
        (Estimator, "resilience_level", "It goes into options={'resilience_level': ...}"),
    ],
)
def test_a_keyword_that_a_primitive_does_not_have_says_what_does_the_same(kind: Any, keyword: str, words: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        kind(**{keyword: 10})
    assert words in str(caught.value)
