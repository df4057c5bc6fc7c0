"""Each difference between tiers, or between a batch and its parts, that other stacks leave in silence. Here there is none."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator

from qhub_ext.errors import InvalidOptionError, PreflightError, UnknownNameError
from qhub_ext.job.context import using
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.tiers.findings import PreflightWarning
from qhub_ext.tiers.noise import _Snippet

ZZ = SparsePauliOp("ZZ")


def counts(pub_result) -> dict[str, int]:
    return pub_result.data.meas.get_counts()


def total_variation(a: dict[str, int], b: dict[str, int]) -> float:
    shots = sum(a.values())
    return sum(abs(a.get(k, 0) - b.get(k, 0)) for k in {*a, *b}) / 2 / shots


def test_the_default_shots_are_the_same_on_every_tier(tier, bell):
    assert Sampler().run([bell]).result()[0].data.meas.num_shots == 4096
    assert sum(backend().run(bell).result().get_counts().values()) == 4096


def test_the_contexts_shots_are_the_default_of_all_three(tier, bell, transpiled):
    with using(shots=100):
        assert Sampler().run([bell]).result()[0].data.meas.num_shots == 100
        assert sum(backend().run(bell).result().get_counts().values()) == 100
        pub = (bell.remove_final_measurements(inplace=False), ZZ.apply_layout(bell.layout))
        assert Estimator().run([pub]).result()[0].metadata["shots"] == 100


def test_the_target_is_the_devices_on_every_tier():
    assert backend(tier="local").target is backend(tier="emulation").target


@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_repeats_the_counts_and_zero_is_a_seed(tier, bell, seed):
    first, second = (counts(Sampler(seed=seed).run([bell]).result()[0]) for _ in range(2))
    assert first == second
    runs = [backend().run(bell, seed_simulator=seed).result().get_counts() for _ in range(2)]
    assert runs[0] == runs[1]
    assert counts(Sampler(seed=seed + 1).run([bell]).result()[0]) != first


def test_without_a_seed_shots_differ(tier, bell):
    first, second = (Sampler().run([bell]).result()[0].data.meas.array for _ in range(2))
    assert not np.array_equal(first, second)  # counts of two would be the same once in a hundred times


def test_the_place_in_a_batch_does_not_change_the_counts(tier, bell, transpiled):
    other = QuantumCircuit(1)
    other.h(0)
    other.measure_all()
    other = transpiled(other)
    alone = counts(Sampler(seed=3).run([bell]).result()[0])
    assert counts(Sampler(seed=3).run([other, bell]).result()[1]) == alone
    assert counts(Sampler(seed=3).run([other, other, bell, other]).result()[2]) == alone
    runs = [backend().run(pair, seed_simulator=3).result() for pair in ([bell, other], [other, bell])]
    assert runs[0].get_counts(0) == runs[1].get_counts(1)


def test_identical_pubs_are_independent_experiments(tier, bell, records):
    first, second = (counts(r) for r in Sampler(seed=3).run([bell, bell]).result())
    assert first != second
    of_the_place = ("expected-outcomes", "tier-difference", "calibration-age")
    found = [f["kind"] for f in records[-1]["findings"] if f["kind"] not in of_the_place]
    assert found == ["expected-success", "expected-success", "duplicates"]


def test_neighbouring_seeds_do_not_share_shots(transpiled):
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.h(qubit)
    circuit.measure_all()
    isa = transpiled(circuit)
    with using(tier="emulation"):
        sampled = [
            counts(Sampler(seed=s, options={"method": "statevector"}).run([isa], shots=2000).result()[0])
            for s in (7, 8)
        ]
    assert total_variation(*sampled) > 0.005


def test_one_circuit_gives_the_counts_of_aers_whole_device(bell):
    whole = AerSimulator.from_backend(_Snippet(backend().target))
    with using(tier="emulation"):
        ours = backend().run(bell, shots=5000, seed_simulator=11).result().get_counts()
    theirs = whole.run(bell, shots=5000, seed_simulator=11).result().get_counts()
    assert dict(ours) == dict(theirs)


def test_an_estimator_includes_the_readout_error(transpiled):
    isa = transpiled(QuantumCircuit(1))
    z = SparsePauliOp("Z").apply_layout(isa.layout, num_qubits=7)
    with using(tier="emulation", device="rochester"):
        device = backend().device
        flips = device.snapshot.column("readout_error").values
        worst = int(np.argmax(flips[:7]))
        result = Estimator(seed=1).run([(QuantumCircuit(7), SparsePauliOp.from_sparse_list([("Z", [worst], 1)], 7))])
        (value, error) = (result.result()[0].data.evs, result.result()[0].data.stds)
    assert value == pytest.approx(1 - 2 * flips[worst], abs=6 * error)
    assert Estimator(seed=1).run([(isa, z)]).result()[0].data.evs == 1


def test_options_are_honoured_recorded_or_refused(tier, bell, records):
    Sampler(options={"dynamical_decoupling": {"enable": True}}).run([bell]).result()
    (finding,) = [f for f in records[-1]["findings"] if f["kind"] == "option-without-effect"]
    assert "dynamical_decoupling" in finding["sentence"]
    assert tier in finding["sentence"]
    with pytest.raises(UnknownNameError, match="no option 'shot'"):
        Sampler(options={"shot": 3}).run([bell])
    with pytest.raises(UnknownNameError, match="no option 'seed'"):
        backend().run(bell, seed=3)


def test_dead_edges_are_told_on_every_tier(tier, records):
    with using(device="kingston"):
        a, b = backend().device.snapshot.dead_edges[0]
        circuit = QuantumCircuit(156, 1)
        circuit.cz(a, b)
        circuit.measure(a, 0)
        with pytest.warns(PreflightWarning, match=f"{a}-{b}"):
            Sampler().run([circuit], shots=10).result()
    assert "dead" in {f["kind"] for f in records[-1]["findings"]}


@pytest.mark.parametrize(
    ("clbits", "said"), [(0, "no classical register"), (2, "measures nothing")], ids=["no register", "no measurement"]
)
def test_nothing_to_return_is_refused(tier, clbits, said):
    circuit = QuantumCircuit(7, clbits)
    circuit.x(0)
    with pytest.raises(PreflightError, match=said):
        Sampler().run([circuit])
    with pytest.raises(PreflightError, match=said):
        backend().run(circuit)


def test_a_measured_circuit_in_an_estimator_is_refused(tier, bell):
    with pytest.raises(PreflightError, match=r"ends with measurements.*remove_final_measurements"):
        Estimator().run([(bell, ZZ.apply_layout(bell.layout))])


def test_a_circuit_that_was_not_transpiled_is_refused(tier):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.measure_all()
    with pytest.raises(PreflightError, match="'h' on qubit 0, which jakarta does not take"):
        Sampler().run([circuit])


def test_the_devices_limit_of_shots_holds_everywhere(tier, bell):
    with pytest.raises(PreflightError, match="100,001 shots, jakarta takes at most 100,000"):
        Sampler().run([bell], shots=100_001)
    with pytest.raises(PreflightError, match="takes at most 100,000"):
        backend().run(bell, shots=100_001)
    with pytest.raises(PreflightError, match=r"1,000,000 shots per group \(precision 0.001\)"):
        Estimator().run([(QuantumCircuit(7), SparsePauliOp("Z" * 7))], precision=1e-3)


def test_a_circuit_wider_than_the_device_is_refused(tier):
    circuit = QuantumCircuit(8, 1)
    circuit.measure(7, 0)
    with pytest.raises(PreflightError, match="8 qubits, jakarta has 7"):
        Sampler().run([circuit])


def test_somebody_elses_backend_is_refused():
    for primitive in (Sampler, Estimator):
        with pytest.raises(InvalidOptionError, match="cannot use AerSimulator"):
            primitive(mode=AerSimulator())
        with pytest.raises(InvalidOptionError, match="cannot use AerSimulator"):
            primitive(backend=AerSimulator())


def test_memory_over_the_jobs_limit_is_refused_before_it_runs(tier, transpiled):
    with using(device="kingston", memory_mb=64):
        circuit = QuantumCircuit(156, 30)
        edges = sorted({tuple(sorted(e)) for e in backend().coupling_map.get_edges()})[:40]
        for _ in range(12):
            for a, b in edges:
                circuit.sx(a)
                circuit.rz(0.1, a)
                circuit.cz(a, b)
        circuit.measure(range(30), range(30))
        with pytest.raises(PreflightError, match=r"active qubits needs more than the 64.0 MiB.*statevector"):
            Sampler().run([circuit])


def test_the_record_says_what_was_done(tier, bell, records):
    with using(job_id="job-1", seed=5):
        Sampler().run([(bell, None, 100)]).result()
    record = records[-1]
    assert record["schema"] == "qhub.task/1"
    assert (record["primitive"], record["tier"], record["device"], record["job_id"]) == (
        "sampler",
        tier,
        "jakarta",
        "job-1",
    )
    assert record["pubs"][0]["shots"] == record["shots"] == 100
    assert record["seed"] == 5
    assert len(record["seeds"]) == record["executions"] == 1
    assert record["methods"][0]["reason"]
    assert record["snapshot"]["id"] == backend().device.snapshot.id
    assert len(record["active_qubits"]) == 2
    assert set(record["durations_s"]) == {"validate", "prepare", "execute", "return"}
    assert record["estimated_qpu_s"] == pytest.approx(100 * 250e-6, rel=0.2)
    assert record["error"] is None


def test_qiskits_own_sampler_works_on_our_backend(tier, bell):
    result = BackendSamplerV2(backend=backend()).run([bell], shots=500).result()
    both = counts(result[0])
    assert sum(both.values()) == 500
    assert both.get("00", 0) + both.get("11", 0) > 400


def test_a_job_that_would_be_over_its_profiles_time_is_warned_on_the_simulated_tiers(
    tier, bell, records, tmp_path, monkeypatch
):
    site = tmp_path / "qhub.toml"
    site.write_text("[profiles.development]\nqpu_s = 1.5\n")
    monkeypatch.setenv("QHUB_CONFIG", str(site))
    with using(job_id=f"one-{tier}"):
        Sampler().run([bell], shots=1000).result()
        with pytest.warns(
            PreflightWarning, match=r"after .* s in this job; the profile 'development' gives a job 1.5 s"
        ):
            Sampler().run([bell] * 10, shots=1000).result()
    assert "qpu-time" in {finding["kind"] for finding in records[-1]["findings"]}
