"""The promise of the reduction: nothing but time changes. Counts equal those of the whole device, for one seed and method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit, QuantumRegister
from qiskit.circuit.classical import expr
from qiskit.circuit.library import SXGate
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from qhub_ext.errors import PreflightError
from qhub_ext.tiers import devices
from qhub_ext.tiers.aer import run_aer
from qhub_ext.tiers.backend import Execution
from qhub_ext.tiers.engine import Engine
from qhub_ext.tiers.method import Choice
from qhub_ext.tiers.noise import _Snippet, is_stabilizer, noise_for, used_sites
from qhub_ext.tiers.reduce import active_qubits, reduce

DEVICE = "jakarta"
WIDTH = 7


def blank(clbits: int = 3) -> QuantumCircuit:
    return QuantumCircuit(QuantumRegister(WIDTH, "physical"), ClassicalRegister(clbits, "c"))


def chain() -> QuantumCircuit:
    circuit = blank()
    circuit.sx(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.barrier()
    circuit.measure([0, 1, 2], [0, 1, 2])
    return circuit


def waiting() -> QuantumCircuit:
    circuit = blank()
    circuit.sx(0)
    for qubit in range(WIDTH):
        circuit.delay(20000, qubit, unit="dt")
    circuit.sx(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 2])
    return circuit


def measured_on_the_way() -> QuantumCircuit:
    circuit = blank()
    circuit.sx(5)
    circuit.measure(5, 0)
    circuit.reset(5)
    circuit.sx(5)
    circuit.cx(5, 3)
    circuit.measure([5, 3], [1, 2])
    return circuit


def conditional() -> QuantumCircuit:
    circuit = blank()
    circuit.sx(5)
    circuit.measure(5, 0)
    with circuit.if_test((circuit.clbits[0], 1)) as otherwise:
        circuit.x(6)
        circuit.cx(5, 6)
    with otherwise:
        circuit.sx(3)
    circuit.measure([6, 3], [1, 2])
    return circuit


def condition_on_an_expression() -> QuantumCircuit:
    circuit = blank()
    circuit.sx(5)
    circuit.sx(6)
    circuit.measure([5, 6], [0, 1])
    with circuit.if_test(expr.logic_and(circuit.clbits[0], circuit.clbits[1])):
        circuit.x(4)
    circuit.measure(4, 2)
    return circuit


def block_over_the_whole_device() -> QuantumCircuit:
    circuit = blank()
    circuit.sx(5)
    circuit.measure(5, 0)
    body = QuantumCircuit(circuit.qubits, circuit.clbits)
    body.x(6)
    body.barrier()
    body.delay(100, 2, unit="dt")
    circuit.if_test((circuit.clbits[0], 1), body, circuit.qubits, circuit.clbits)
    circuit.measure([5, 6], [1, 2])
    return circuit


def loop() -> QuantumCircuit:
    circuit = blank()
    with circuit.for_loop(range(3)):
        circuit.sx(5)
        circuit.cx(5, 6)
    circuit.measure([5, 6], [0, 1])
    return circuit


CIRCUITS: list[Callable[[], QuantumCircuit]] = [
    chain,
    waiting,
    measured_on_the_way,
    conditional,
    condition_on_an_expression,
    block_over_the_whole_device,
    loop,
]


@pytest.fixture(scope="module")
def whole() -> NoiseModel:
    return NoiseModel.from_backend(_Snippet(devices.load(DEVICE).target))


@pytest.mark.parametrize("make", CIRCUITS)
def test_counts_are_those_of_the_whole_device(make: Callable[[], QuantumCircuit], whole: NoiseModel):
    circuit = make()
    reduction = reduce(circuit)
    assert reduction.circuit.num_qubits == len(reduction.active) < WIDTH
    noise = noise_for(devices.load(DEVICE), reduction.active, used_sites(reduction.circuit), "symmetric")
    counts = []
    for noise_model, each in ((whole, circuit), (noise, reduction.circuit)):
        simulator = AerSimulator(method="density_matrix", noise_model=noise_model)
        counts.append(simulator.run(each, shots=2000, seed_simulator=11).result().get_counts())
    assert dict(counts[0]) == dict(counts[1])


def test_a_qubit_that_only_waits_is_left_out():
    assert active_qubits(waiting()) == (0, 1)


def test_registers_parameters_and_phase_stay():
    angle = Parameter("angle")
    circuit = QuantumCircuit(QuantumRegister(5, "q"), ClassicalRegister(2, "a"), ClassicalRegister(1, "b"))
    circuit.global_phase = 0.5
    circuit.rz(angle, 3)
    circuit.measure(3, circuit.cregs[1][0])
    kept = reduce(circuit).circuit
    assert kept.cregs == circuit.cregs
    assert kept.parameters == circuit.parameters
    assert kept.global_phase == pytest.approx(0.5)
    assert kept.find_bit(kept.data[-1].clbits[0]).index == 2


def test_a_circuit_that_uses_everything_is_left_alone():
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    assert reduce(circuit).circuit is circuit


def test_an_empty_circuit_has_no_active_qubits():
    assert active_qubits(QuantumCircuit(5)) == ()


def test_used_sites_look_into_blocks():
    assert ("cx", (5, 6)) in used_sites(conditional())
    assert ("sx", (3,)) in used_sites(conditional())


def test_readout_may_be_asymmetric_as_the_device_reports_it():
    device = devices.load(DEVICE)
    used = frozenset({("measure", (0,))})
    zeros, ones = (device.snapshot.column(name)[3] for name in ("prob_meas0_prep1", "prob_meas1_prep0"))
    assert zeros != ones
    for readout, expected in (
        ("asymmetric", (ones, zeros)),
        ("symmetric", (device.snapshot.column("readout_error")[3],) * 2),
    ):
        (error,) = noise_for(device, (3,), used, readout).to_dict(serializable=True)["errors"]
        (p00, p01), (p10, p11) = error["probabilities"]
        assert (p01, p10) == pytest.approx(expected)
        assert (p00 + p01, p10 + p11) == pytest.approx((1, 1))


def test_relaxation_is_a_channel_only_where_t2_is_above_t1():
    device = devices.load(DEVICE)
    t1, t2 = device.snapshot.column("t1_s").values, device.snapshot.column("t2_s").values
    for qubit in range(WIDTH):
        noise = noise_for(device, (qubit,), frozenset({(SXGate().name, (0,))}), "symmetric")
        assert is_stabilizer(noise) == (t2[qubit] <= t1[qubit])


@pytest.mark.parametrize("make", CIRCUITS)
def test_the_method_does_not_change_what_is_computed(make: Callable[[], QuantumCircuit]):
    exact, lined = (
        Engine(
            "emulation", devices.load(DEVICE), noisy=True, options={"method": m, "readout": "symmetric", "gpu": False}
        )
        for m in ("density_matrix", "matrix_product_state")
    )
    shares = []
    for engine in (exact, lined):
        batch = [Execution(engine.prepare(make(), 4000), 4000)]
        (outcome,) = engine.execute(batch, 3)
        values, numbers = np.unique(outcome.bits, return_counts=True)
        shares.append(dict(zip(values.tolist(), (numbers / 4000).tolist(), strict=True)))
    assert sum(abs(shares[0].get(k, 0) - shares[1].get(k, 0)) for k in range(8)) / 2 < 0.05


def test_memory_that_aer_finds_wanting_is_told_in_our_words():
    circuit = QuantumCircuit(18, 18)
    circuit.sx(range(18))
    circuit.measure(range(18), range(18))
    choice = Choice("statevector", "CPU", "", 0, 0)
    with pytest.raises(PreflightError, match="18 active qubits with statevector ran out of the 1 MiB"):
        run_aer([circuit], None, choice, shots=1, seed=1, memory=True, limit_mb=1)


def test_trajectories_that_share_their_past_are_as_good_as_the_density_matrix():
    circuit = blank()
    for _ in range(6):
        circuit.sx([0, 1, 2])
        circuit.cx(0, 1)
        circuit.cx(1, 2)
        circuit.rz(0.7, 1)
    circuit.measure([2, 0, 1], [0, 1, 2])
    shots = 20_000
    options = {"method": "automatic", "readout": "asymmetric", "gpu": False}
    engine = Engine("emulation", devices.load(DEVICE), noisy=True, options=options)
    prepared = engine.prepare(circuit, shots)
    (exact,) = engine.execute([Execution(prepared, shots)], 3)
    assert exact.method["method"] == "density_matrix"
    shared = replace(engine.choice(prepared.plan, shots), method="statevector", shared=True)
    outcome = engine._execute_shared(Execution(prepared, shots), prepared.circuit, shared, 3)
    shares = [np.bincount(o.bits.ravel(), minlength=8) / shots for o in (exact, outcome)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.015
    half = np.bincount(outcome.bits.ravel()[: shots // 2], minlength=8) / (shots // 2)
    assert np.abs(half - shares[1]).sum() / 2 < 0.015  # no shot's place says which branch it came from
