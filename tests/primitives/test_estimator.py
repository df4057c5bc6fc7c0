from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.circuit import ClassicalRegister, ParameterVector, QuantumCircuit
from qiskit.primitives import BackendEstimatorV2, PubResult, StatevectorEstimator
from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp

from qhub_ext.errors import InvalidOptionError, PreflightError
from qhub_ext.job.context import using
from qhub_ext.primitives import Estimator, backend
from qhub_ext.primitives.observables import AXES, group_terms, terms_of

HAMILTONIAN = SparsePauliOp.from_list(
    [("II", -1.05), ("ZI", 0.39), ("IZ", -0.39), ("ZZ", -0.01), ("XX", 0.18), ("YY", 0.1)]
)


@pytest.fixture
def ansatz() -> QuantumCircuit:
    theta = ParameterVector("t", 4)
    circuit = QuantumCircuit(2)
    circuit.ry(theta[0], 0)
    circuit.ry(theta[1], 1)
    circuit.cx(0, 1)
    circuit.rx(theta[2], 0)
    circuit.rz(theta[3], 1)
    return circuit


def sigmas(ours, reference) -> np.ndarray:
    return np.abs(ours.data.evs - reference.data.evs) / np.maximum(ours.data.stds, 1e-3)


@pytest.mark.parametrize(
    ("observables", "values", "shape"),
    [
        ("ZZ", (4,), ()),
        (["ZZ", "XY", "YX"], (4,), (3,)),
        (["ZZ", "XY"], (3, 1, 4), (3, 2)),
        ([["ZI"], ["IX"], ["YY"]], (2, 4), (3, 2)),
        (HAMILTONIAN, (5, 4), (5,)),
    ],
)
def test_pubs_broadcast_as_in_qiskits_reference(ansatz, transpiled, observables, values, shape):
    angles = np.random.default_rng(1).uniform(0, 6, values)
    isa = transpiled(ansatz)
    reference = StatevectorEstimator().run([(ansatz, observables, angles)]).result()[0]
    laid_out = (
        observables.apply_layout(isa.layout)
        if isinstance(observables, SparsePauliOp)
        else np.vectorize(lambda label: Pauli(label).apply_layout(isa.layout), otypes=[object])(
            np.array(observables)
        ).tolist()
    )
    ours = Estimator(seed=4).run([(isa, laid_out, angles)]).result()[0]
    assert type(ours) is PubResult
    assert ours.data.evs.shape == ours.data.stds.shape == shape
    assert np.all(sigmas(ours, reference) < 5)


def test_the_standard_error_is_the_spread_of_repeated_estimates(ansatz, transpiled):
    isa = transpiled(ansatz)
    observable = HAMILTONIAN.apply_layout(isa.layout)
    values = np.tile([0.4, 1.1, 0.3, 0.2], (200, 1))
    data = Estimator(seed=4, default_precision=0.05).run([(isa, observable, values)]).result()[0].data
    assert np.std(data.evs) == pytest.approx(np.mean(data.stds), rel=0.2)


def test_precision_decides_the_shots_of_each_group(tier, ansatz, transpiled, records):
    isa = transpiled(ansatz)
    pub = (isa, HAMILTONIAN.apply_layout(isa.layout), [0.1, 0.2, 0.3, 0.4])
    result = Estimator().run([pub, (*pub, 0.01)], precision=0.1).result()
    assert [r.metadata["shots"] for r in result] == [100, 10_000]
    assert [p["groups"] for p in records[-1]["pubs"]] == [3, 3]
    assert Estimator().run([pub]).result()[0].metadata["target_precision"] == 1 / 64
    assert Estimator(options={"default_shots": 400}).run([pub]).result()[0].metadata["target_precision"] == 0.05


def test_what_commutes_is_measured_together():
    terms = terms_of(SparseObservable.from_list([("ZZII", 1), ("ZIZI", 1), ("XXII", 1), ("IIXX", 1), ("IIII", 2)]))
    groups = group_terms(terms)
    assert sorted(len(g.terms) for g in groups) == [2, 2]
    assert terms[()] == 2


@given(st.lists(st.text("IXYZ01+-rl", min_size=4, max_size=4), min_size=1, max_size=12))
def test_every_term_is_in_one_group_that_measures_its_axes(labels: list[str]):
    terms = terms_of(SparseObservable.from_list([(label, 1.0) for label in labels]))
    groups = group_terms(terms)
    assert sorted(t for g in groups for t in g.terms) == sorted(t for t in terms if t)
    for group in groups:
        basis = dict(group.basis)
        assert all(basis[qubit] == AXES[letter] for term in group.terms for qubit, letter in term)


def test_projectors_are_observables_too(tier, transpiled):
    circuit = QuantumCircuit(1)
    circuit.ry(2 * np.arcsin(np.sqrt(0.2)), 0)
    isa = transpiled(circuit)
    qubit = isa.layout.final_index_layout()[0]
    for letter, expected in {"0": 0.8, "1": 0.2, "+": 0.9, "-": 0.1, "r": 0.5, "l": 0.5}.items():
        observable = SparseObservable.from_sparse_list([(letter, [qubit], 1.0)], num_qubits=7)
        value = Estimator(seed=1).run([(isa, observable)]).result()[0].data.evs
        assert value == pytest.approx(expected, abs=0.06)


def test_every_axis_is_turned_the_right_way_on_every_kind_of_device(transpiled):
    states = {"X": ("h",), "Y": ("h", "s"), "Z": ()}
    for device in ("jakarta", "almaden"):  # sx and rz; u1, u2 and u3
        for letter, gates in states.items():
            circuit = QuantumCircuit(1)
            for gate in gates:
                getattr(circuit, gate)(0)
            with using(device=device):
                isa = transpiled(circuit)
                observable = SparsePauliOp(letter).apply_layout(isa.layout)
                assert Estimator().run([(isa, observable)]).result()[0].data.evs == 1


def test_an_identity_is_known_without_a_shot(tier, transpiled, records):
    isa = transpiled(QuantumCircuit(2))
    result = Estimator().run([(isa, SparsePauliOp("II", [2.5]).apply_layout(isa.layout))]).result()[0]
    assert (result.data.evs, result.data.stds) == (2.5, 0)
    assert records[-1]["executions"] == 0


def test_observables_of_another_width_are_refused_with_the_cure(tier, ansatz, transpiled):
    with pytest.raises(PreflightError, match="apply_layout"):
        Estimator().run([(transpiled(ansatz), "ZZ", [0, 0, 0, 0])])


def test_a_precision_of_zero_is_refused(ansatz, transpiled):
    isa = transpiled(ansatz)
    with pytest.raises((InvalidOptionError, ValueError), match="precision"):
        Estimator().run([(isa, HAMILTONIAN.apply_layout(isa.layout), [0, 0, 0, 0])], precision=0.0)


def test_a_circuit_with_measurements_on_the_way(transpiled):
    circuit = QuantumCircuit(2)
    circuit.add_register(ClassicalRegister(3, "early"))
    circuit.h(0)
    circuit.measure(0, 1)
    circuit.cx(0, 1)
    isa = transpiled(circuit)
    laid_out = [Pauli(label).apply_layout(isa.layout) for label in ("ZZ", "IX")]
    last = isa.copy()
    last.barrier()
    last.id(isa.layout.final_index_layout()[0])
    values = Estimator(seed=1).run([(last, laid_out)]).result()[0].data.evs
    assert values[0] == 1
    assert values[1] == pytest.approx(0, abs=0.1)


def test_a_seed_repeats_and_identical_pubs_differ(tier, ansatz, transpiled):
    isa = transpiled(ansatz)
    pub = (isa, HAMILTONIAN.apply_layout(isa.layout), [0.5, 0.2, 0.3, 0.4])
    first, second = (r.data.evs for r in Estimator(seed=0).run([pub, pub]).result())
    assert first != second
    assert Estimator(seed=0).run([pub]).result()[0].data.evs == first


def test_qiskits_own_estimator_works_on_our_backend(tier, ansatz, transpiled):
    isa = transpiled(ansatz)
    pub = (isa, HAMILTONIAN.apply_layout(isa.layout), [0.5, 0.2, 0.3, 0.4])
    ours = Estimator(seed=1).run([pub]).result()[0].data
    theirs = BackendEstimatorV2(backend=backend()).run([pub]).result()[0].data
    assert abs(ours.evs - theirs.evs) < 5 * (ours.stds + theirs.stds)


def test_a_loop_prepares_its_circuits_once(ansatz, transpiled, monkeypatch):
    from qhub_ext.tiers import engine

    isa = transpiled(ansatz)
    observable = HAMILTONIAN.apply_layout(isa.layout)
    Estimator().run([(isa, observable, [0, 0, 0, 0])]).result()
    monkeypatch.setattr(engine, "reduce", None)
    Estimator().run([(isa, observable, [0.1, 0, 0, 0])]).result()
