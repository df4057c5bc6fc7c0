from __future__ import annotations

import pytest
from qiskit.circuit import ClassicalRegister, Clbit, QuantumCircuit, QuantumRegister

from qhub_ext.errors import InvalidOptionError, PreflightError, UnknownNameError
from qhub_ext.job.context import ExecutionContext
from qhub_ext.tiers import devices
from qhub_ext.tiers.findings import NOTE, REFUSE, WARN, raise_refusals
from qhub_ext.tiers.fingerprint import fingerprint
from qhub_ext.tiers.isa import Rules, check_isa
from qhub_ext.tiers.opening import open_tier
from qhub_ext.tiers.options import read_options
from qhub_ext.tiers.preflight import check_duplicates, check_estimated, check_qpu_time, check_sampled, check_shots

KINGSTON = devices.load("kingston")


def kinds(findings) -> list[tuple[str, str]]:
    return [(f.severity, f.kind) for f in findings]


def measured(*gates: tuple[str, tuple[int, ...]]) -> QuantumCircuit:
    circuit = QuantumCircuit(156, 1)
    for name, qubits in gates:
        getattr(circuit, name)(*qubits)
    circuit.measure(0, 0)
    return circuit


def test_an_isa_circuit_passes():
    assert check_isa(measured(("sx", (0,)), ("cz", (0, 1)), ("barrier", ())), KINGSTON, "It") == []


def test_a_gate_that_the_device_does_not_have_is_refused_with_the_cure():
    findings = check_isa(measured(("h", (3,)), ("h", (4,))), KINGSTON, "The circuit")
    with pytest.raises(
        PreflightError, match=r"'h' on qubit 3, which kingston does not take.*generate_preset_pass_manager"
    ):
        raise_refusals(findings)


def test_a_gate_on_qubits_that_are_not_coupled_is_refused():
    (finding,) = check_isa(measured(("cz", (0, 100))), KINGSTON, "It")
    assert "qubits 0, 100" in finding.sentence


def test_blocks_of_control_flow_are_looked_into():
    circuit = measured()
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.h(7)
    assert kinds(check_isa(circuit, KINGSTON, "It")) == [(REFUSE, "isa")]


def test_a_circuit_wider_than_the_device_is_refused():
    with pytest.raises(PreflightError, match="157 qubits, kingston has 156"):
        raise_refusals(check_isa(QuantumCircuit(157), KINGSTON, "It"))


def test_gates_on_dead_edges_are_told():
    a, b = KINGSTON.snapshot.dead_edges[0]
    (finding,) = check_isa(measured(("cz", (a, b)), ("cz", (a, b))), KINGSTON, "It")
    assert (finding.severity, finding.kind) == (WARN, "dead")
    assert finding.numbers["gates"] == 2
    assert f"{a}-{b}" in finding.sentence


def test_a_sampler_needs_a_register_and_a_measurement():
    assert kinds(check_sampled(QuantumCircuit(1), "It")) == [(REFUSE, "no-classical-register")]
    assert kinds(check_sampled(QuantumCircuit(1, 1), "It")) == [(REFUSE, "no-measurement")]
    assert check_sampled(measured(), "It") == []


def test_a_register_that_nothing_is_measured_into_is_told():
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(1, "a"), ClassicalRegister(1, "b"))
    circuit.measure(0, 0)
    (finding,) = check_sampled(circuit, "It")
    assert finding.severity == WARN
    assert "'b'" in finding.sentence


def test_bits_of_no_register_are_told():
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(1, "a"), [Clbit()])
    circuit.measure(0, 0)
    circuit.measure(0, 1)
    assert kinds(check_sampled(circuit, "It")) == [(WARN, "loose-clbits")]


def test_a_measurement_inside_a_block_counts():
    circuit = QuantumCircuit(1, 1)
    with circuit.for_loop(range(2)):
        circuit.measure(0, 0)
    assert check_sampled(circuit, "It") == []


def test_an_estimator_refuses_what_ends_measured_and_takes_what_goes_on():
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    assert kinds(check_estimated(circuit, "It")) == [(REFUSE, "measured-circuit")]
    circuit.x(0)
    assert check_estimated(circuit, "It") == []


def test_shots_over_the_devices_limit_are_refused_with_both_numbers():
    with pytest.raises(PreflightError, match="100,001 shots, kingston takes at most 100,000"):
        raise_refusals(check_shots(100_001, KINGSTON, "It"))
    assert check_shots(100_000, KINGSTON, "It") == []


def test_repeated_pubs_are_noted():
    assert check_duplicates([b"a", b"b"]) == []
    (finding,) = check_duplicates([b"a", b"b", b"a", b"a"])
    assert finding.numbers == {"repeated": 2, "pubs": 4}


def test_many_refusals_are_one_sentence_that_counts_them():
    with pytest.raises(PreflightError, match=r"1 more like it"):
        raise_refusals(check_sampled(QuantumCircuit(1), "It") * 2)


def test_an_option_that_nobody_knows_is_an_error_and_one_of_the_device_a_sentence():
    with pytest.raises(UnknownNameError, match=r"no option 'metod'.*'method'"):
        read_options("local", {"metod": "x"})
    with pytest.raises(InvalidOptionError, match=r"'readout' does not take 'none'.*symmetric"):
        read_options("emulation", {"readout": "none"})
    values, unused = read_options("local", {"twirling": {"enable_gates": True}, "readout": "asymmetric"})
    assert "readout" not in values
    assert len(unused) == 2


def test_unknown_tiers_and_devices_are_named():
    with pytest.raises(UnknownNameError, match=r"no tier 'emulator'.*'emulation'"):
        open_tier(ExecutionContext(tier="emulator"), {})
    with pytest.raises(UnknownNameError, match="no device 'kingstown'"):
        open_tier(ExecutionContext(device="kingstown"), {})


def test_the_qpu_tier_says_when_nothing_stands_for_the_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QHUB_QPU_VIRTUAL", "never")
    with pytest.raises(PreflightError, match="No quantum resource of this site stands for kingston"):
        open_tier(ExecutionContext(tier="qpu"), {})


def test_fingerprints_tell_circuits_apart_and_nothing_else():
    def circuit(angle: float = 0.1, *, second: int = 1, name: str = "a") -> QuantumCircuit:
        made = QuantumCircuit(3, 2, name=name, metadata={"name": name})
        made.rz(angle, 0)
        made.cz(0, second)
        made.measure(0, 0)
        with made.if_test((made.clbits[0], 1)):
            made.x(second)
        return made

    assert fingerprint(circuit()) == fingerprint(circuit(name="b"))
    assert len({fingerprint(c) for c in (circuit(), circuit(0.2), circuit(second=2))}) == 3


def test_fingerprints_see_the_condition():
    marks = set()
    for value in (0, 1):
        circuit = QuantumCircuit(1, 2)
        with circuit.if_test((circuit.clbits[0], value)):
            circuit.x(0)
        marks.add(fingerprint(circuit))
    assert len(marks) == 2


def test_the_expected_success_is_the_product_over_gates_and_readouts():
    circuit = measured(("sx", (0,)), ("cz", (0, 1)), ("cz", (0, 1)), ("rz", (0.3, 0)))
    target = KINGSTON.target
    exact = (1 - target["sx"][(0,)].error) * (1 - target["cz"][(0, 1)].error) ** 2 * (1 - target["measure"][(0,)].error)
    (finding,) = check_isa(circuit, KINGSTON, "It", Rules())
    assert (finding.severity, finding.kind) == (NOTE, "expected-success")
    assert finding.numbers["success"] == pytest.approx(exact, rel=1e-12)
    assert finding.numbers["two_qubit"] == 2


def test_gates_that_are_off_are_told_apart_from_the_expected_success():
    a, b = KINGSTON.snapshot.dead_edges[0]
    findings = check_isa(measured(("cz", (a, b))), KINGSTON, "It", Rules())
    assert kinds(findings) == [(WARN, "dead"), (NOTE, "expected-success")]
    assert findings[1].numbers["dead"] == 1
    assert findings[1].numbers["success"] > 0.5


def test_a_site_may_refuse_dead_gates_and_hopeless_circuits():
    a, b = KINGSTON.snapshot.dead_edges[0]
    assert kinds(check_isa(measured(("cz", (a, b))), KINGSTON, "It", Rules(dead=REFUSE)))[0] == (REFUSE, "dead")
    deep = measured(*[("cz", (0, 1))] * 10_000)
    assert kinds(check_isa(deep, KINGSTON, "It", Rules(success_min=0.01))) == [(REFUSE, "expected-success")]
    assert kinds(check_isa(deep, KINGSTON, "It", Rules(success_warn=0.01, noisy=True))) == [(WARN, "expected-success")]
    assert kinds(check_isa(deep, KINGSTON, "It", Rules(success_warn=0.01))) == [(NOTE, "expected-success")]


def test_time_on_the_device_is_held_against_what_the_profile_gives_one_job():
    assert check_qpu_time(3.0, 0.0, None, "test", on_device=True) == []
    assert kinds(check_qpu_time(None, 0.0, 1.0, "test", on_device=True)) == [(WARN, "qpu-time-unknown")]
    assert check_qpu_time(None, 0.0, 1.0, "test", on_device=False) == []
    assert kinds(check_qpu_time(None, 0.0, None, "test", on_device=True)) == [(NOTE, "qpu-time-unknown")]
    assert check_qpu_time(3.0, 2.0, 5.0, "test", on_device=True) == []
    (refused,) = check_qpu_time(3.0, 2.5, 5.0, "test", on_device=True)
    assert refused.severity == REFUSE
    assert "3 s of QPU after 2.5 s in this job; the profile 'test' gives a job 5 s" in refused.sentence
    (warned,) = check_qpu_time(3.0, 2.5, 5.0, "test", on_device=False)
    assert warned.severity == WARN
    assert "On the device it would be refused." in warned.sentence
