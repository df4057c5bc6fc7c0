from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.circuit import Parameter, QuantumCircuit

from qhub_ext.errors import PreflightError, UnknownNameError
from qhub_ext.tiers.facts import circuit_facts, line_order
from qhub_ext.tiers.memory import memory_limit_mb
from qhub_ext.tiers.method import METHODS, CircuitFacts, choose_method, forecast


def facts(n: int, *, bond: int | None = None, clifford: bool = False, sampled: bool = True) -> CircuitFacts:
    bits = n // 2 if bond is None else bond
    crossing = tuple(min(bits, k + 1, n - 1 - k) for k in range(n - 1))
    return CircuitFacts(n, gates=10 * n, crossing=crossing, sampled=sampled, clifford=clifford)


def choose(f: CircuitFacts, shots: int = 4096, **kwargs: object):
    settings = {"noisy": True, "stabilizer_noise": False, "limit_mb": 16_000.0, **kwargs}
    return choose_method(f, shots, **settings)


@pytest.mark.parametrize(
    ("circuit", "noisy", "method"),
    [
        (facts(4), True, "density_matrix"),
        (facts(10), True, "density_matrix"),
        (facts(16), True, "statevector"),
        (facts(20, bond=1), True, "matrix_product_state"),
        (facts(60, bond=2), True, "matrix_product_state"),
        (facts(20), False, "statevector"),
        (facts(60, bond=2), False, "matrix_product_state"),
        (facts(100, clifford=True), False, "stabilizer"),
    ],
)
def test_each_width_has_its_method(circuit: CircuitFacts, noisy: bool, method: str):
    choice = choose(circuit, noisy=noisy)
    assert choice.method == method
    assert choice.reason
    assert choice.to_json()["method"] == method


def test_clifford_gates_with_channels_for_noise_are_never_a_stabilizer_state():
    assert choose(facts(40, bond=1, clifford=True)).method == "matrix_product_state"
    assert choose(facts(40, clifford=True), stabilizer_noise=True).method == "stabilizer"
    with pytest.raises(PreflightError, match="not made of Paulis"):
        choose(facts(5, clifford=True), asked="stabilizer")


def test_measurements_on_the_way_make_a_density_matrix_dear():
    assert choose(facts(10, sampled=False)).method != "density_matrix"


def test_what_fits_nowhere_is_refused_with_numbers():
    with pytest.raises(PreflightError, match=r"40 active qubits needs more than the 15.6 GiB.*16.0 TiB") as refused:
        choose(facts(40))
    assert "ask for more memory" in str(refused.value)
    with pytest.raises(PreflightError, match=r"statevector more than any machine has"):
        choose(facts(56))


def test_less_memory_changes_the_method_before_it_refuses():
    assert choose(facts(10, bond=2), limit_mb=8).method != "density_matrix"


def test_an_asked_method_is_taken_or_refused_but_never_swapped():
    assert choose(facts(4), asked="statevector").method == "statevector"
    with pytest.raises(PreflightError, match="30 active qubits"):
        choose(facts(30), asked="density_matrix")
    with pytest.raises(UnknownNameError, match="no method 'tensor'"):
        choose(facts(4), asked="tensor")


def test_a_gpu_is_used_where_it_pays():
    assert choose(facts(24), 10, devices=("CPU", "GPU")).device == "GPU"
    assert choose(facts(4), devices=("CPU", "GPU")).device == "CPU"


@given(st.integers(1, 40), st.integers(1, 100_000), st.booleans(), st.booleans(), st.booleans())
def test_the_choice_fits_and_is_exact(n: int, shots: int, noisy: bool, clifford: bool, sampled: bool):
    circuit = facts(n, clifford=clifford, sampled=sampled)
    try:
        choice = choose(circuit, shots, noisy=noisy)
    except PreflightError:
        assert n > 20
        return
    assert choice.memory_mb <= 16_000
    assert choice.method != "stabilizer" or (clifford and not noisy)


@given(st.sampled_from(METHODS), st.integers(2, 30), st.booleans())
def test_more_shots_never_take_less_time(method: str, n: int, noisy: bool):
    assert forecast(method, facts(n), 10, noisy=noisy).seconds <= forecast(method, facts(n), 1000, noisy=noisy).seconds


def test_facts_of_a_chain():
    chain = QuantumCircuit(6, 6)
    chain.rz(math.pi / 2, 0)
    for k in range(5):
        chain.cz(k, k + 1)
    chain.measure(range(6), range(6))
    found = circuit_facts(chain)
    assert found.crossing == (1, 1, 1, 1, 1)
    assert (found.clifford, found.sampled, found.gates) == (True, True, 6)


def test_an_open_parameter_or_an_odd_angle_is_not_clifford():
    for angle in (0.3, Parameter("a")):
        circuit = QuantumCircuit(1)
        circuit.rz(angle, 0)
        assert not circuit_facts(circuit).clifford


def test_a_gate_after_a_measurement_means_a_state_per_shot():
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    circuit.sx(1)
    assert circuit_facts(circuit).sampled
    circuit.x(0)
    assert not circuit_facts(circuit).sampled


def test_the_least_of_all_limits_counts(tmp_path):
    cgroup = tmp_path / "memory.max"
    cgroup.write_text(str(512 * 2**20))
    assert memory_limit_mb(None, {}, (str(cgroup),)) == 512
    assert memory_limit_mb(100, {}, (str(cgroup),)) == 100
    assert memory_limit_mb(None, {"SLURM_MEM_PER_NODE": "300"}, (str(cgroup),)) == 300
    assert memory_limit_mb(None, {"SLURM_MEM_PER_CPU": "40", "SLURM_CPUS_ON_NODE": "2"}, (str(cgroup),)) == 80


def test_no_limit_is_written_in_several_ways(tmp_path):
    cgroup = tmp_path / "memory.max"
    machine = memory_limit_mb(None, {}, ())
    for text in ("max", str(2**63 - 4096), ""):
        cgroup.write_text(text)
        assert memory_limit_mb(None, {"SLURM_MEM_PER_NODE": "0"}, (str(cgroup),)) == machine


def test_a_scattered_chain_is_put_in_line():
    path = [3, 0, 5, 1, 4, 2]
    chain = QuantumCircuit(6)
    for a, b in pairwise(path):
        chain.cz(a, b)
    order = line_order(chain)
    assert list(order) in (path, path[::-1])
    assert circuit_facts(chain).bond_bits > circuit_facts(chain, order).bond_bits == 1


def test_shots_share_their_past_where_errors_are_rare_and_memory_is_plenty():
    rare, often = (replace(facts(12), gates=600, expected_errors=errors) for errors in (0.3, 20.0))
    assert choose(rare, 1000, branching=True).shared
    assert not choose(rare, 1000).shared
    assert "until an error" in choose(rare, 1000, branching=True).reason
    assert not choose(often, 1000, branching=True).shared
    assert not choose(rare, 1000, limit_mb=100, branching=True).shared
    assert not choose(rare, 1000, asked="statevector", branching=True).shared
    assert not choose(replace(rare, expected_errors=None), 1000, branching=True).shared
