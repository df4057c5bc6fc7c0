"""What a circuit can give without errors, against Qiskit's own simulation; and what the calibration lets expect of it, against noisy tiers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext.diagnosis.chance import too_few
from qhub_ext.job.context import using
from qhub_ext.primitives import Sampler, backend
from qhub_ext.tiers import devices
from qhub_ext.tiers.ideal import check_outcomes, expectation

KINGSTON = devices.load("kingston")


def ready(circuit: QuantumCircuit) -> QuantumCircuit:
    with using(tier="emulation"):
        place = backend("kingston")
    made: QuantumCircuit = generate_preset_pass_manager(1, backend=place, seed_transpiler=3).run(circuit)
    return made


def ghz(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for number in range(qubits - 1):
        circuit.cx(number, number + 1)
    circuit.measure_all()
    return ready(circuit)


GATES = st.lists(st.tuples(st.sampled_from(["sx", "x", "rz", "cz"]), st.integers(0, 2), st.integers(0, 3)), max_size=25)


@settings(max_examples=40)
@given(gates=GATES, order=st.permutations([0, 1, 2]), measured=st.integers(1, 3))
def test_possible_outcomes_are_those_of_qiskit_s_own_state_vector(
    gates: list[tuple[str, int, int]], order: list[int], measured: int
) -> None:
    line = (1, 2, 3)  # a line of kingston's
    circuit = QuantumCircuit(QuantumRegister(KINGSTON.qubits, "q"), ClassicalRegister(3, "c"))
    small = QuantumCircuit(3)
    for name, place, turns in gates:
        if name == "cz":
            pair = (0, 1) if place == 0 else (1, 2)
            circuit.cz(*(line[p] for p in pair))
            small.cz(*pair)
        else:
            angle = [turns * np.pi / 2] if name == "rz" else []
            getattr(circuit, name)(*angle, line[place])
            getattr(small, name)(*angle, place)
    for place in range(measured):
        circuit.measure(line[place], order[place])
    found = expectation(circuit, KINGSTON)
    if found is None:
        pytest.fail("it has a known outcome")
    probable = Statevector(small).probabilities_dict(list(range(measured)))
    possible = {word for word, p in probable.items() if p > 1e-9}
    for number in range(2**measured):
        word = format(number, f"0{measured}b")
        bits = np.zeros((1, 8), dtype=np.uint8)
        for place in range(measured):
            bits[0, 7 - order[place]] = int(word[measured - 1 - place])
        assert found.hits(np.packbits(bits, axis=-1)) == (word in possible)


@pytest.mark.parametrize("qubits", [2, 5, 8])
def test_a_noisy_tier_is_not_doubted_while_it_is_as_calibrated(qubits: int) -> None:
    records: list[dict[str, Any]] = []
    with using(tier="emulation", device="kingston", record=records.append):
        Sampler(seed=5).run([ghz(qubits), ghz(2)], shots=3000).result()
    (found,) = [f for f in records[0]["findings"] if f["kind"] == "expected-outcomes"]
    numbers = found["numbers"]
    assert (numbers["shots"], numbers["circuits"], found["severity"]) == (6000, 2, "note")
    assert 0.5 < numbers["success"] < numbers["hits"] / numbers["shots"] < 1
    assert too_few(numbers["hits"], numbers["shots"], numbers["success"]) > 0.5


def test_counts_of_a_device_that_is_not_as_calibrated_are_doubted() -> None:
    circuit = ghz(5)
    expected = expectation(circuit, KINGSTON)
    assert expected is not None
    noise = np.random.default_rng(1).integers(0, 32, (4000, 1)).astype(np.uint8)
    (found,) = check_outcomes([(expected, expected.hits(noise), 4000)], KINGSTON)
    assert found.numbers["hits"] < 500
    assert too_few(found.numbers["hits"], 4000, found.numbers["success"]) < 1e-3


def test_the_ideal_tier_says_nothing_of_it() -> None:
    records: list[dict[str, Any]] = []
    with using(tier="local", device="kingston", record=records.append):
        Sampler(seed=5).run([ghz(2)], shots=100).result()
    assert "expected-outcomes" not in {f["kind"] for f in records[0]["findings"]}


def unknown() -> list[QuantumCircuit]:
    open_, middle, twice, wide, none = (QuantumCircuit(12, 12) for _ in range(5))
    open_.rz(Parameter("t"), 0)
    open_.measure(0, 0)
    middle.measure(0, 0)
    middle.x(0)
    twice.measure([0, 1], [0, 0])
    wide.measure(range(12), range(12))
    none.x(0)
    reset = QuantumCircuit(2, 2)
    reset.reset(0)
    reset.measure(0, 0)
    branching = QuantumCircuit(2, 2)
    with branching.if_test((branching.clbits[0], True)):
        branching.x(1)
    branching.measure(1, 1)
    return [open_, middle, twice, wide, none, reset, branching]


@pytest.mark.parametrize("circuit", unknown(), ids=range(7))
def test_nothing_is_expected_where_that_cannot_be_said_honestly(circuit: QuantumCircuit) -> None:
    assert expectation(circuit, KINGSTON) is None


def test_nothing_is_expected_of_a_place_that_is_switched_off_or_not_measured() -> None:
    snapshot = KINGSTON.snapshot
    (cz,) = (table for name, table in snapshot.gates.items() if name == "cz")
    dead = next(
        site for site, error in zip(cz.qubits, cz.error.values, strict=True) if error is not None and error >= 1
    )
    circuit = QuantumCircuit(KINGSTON.qubits, 1)
    circuit.cz(*dead)
    circuit.measure(dead[0], 0)
    assert expectation(circuit, KINGSTON) is None
