"""Circuits for a device of IQM's gates: through the genuine client of IQM's servers, against the virtual garnet."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext.capture.request import Request
from qhub_ext.errors import Cause, DeviceError, InvalidOptionError, PreflightError, UncertainTaskError
from qhub_ext.job import context
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.service import JobService
from qhub_ext.service.outlook import foresee
from qhub_ext.settings import load_settings
from qhub_ext.tiers.backend import Execution, Prepared
from qhub_ext.tiers.devices import Device, uninstall
from qhub_ext.tiers.findings import PreflightWarning
from qhub_ext.tiers.iqm import as_vendor_document
from qhub_ext.tiers.qpu import target
from qhub_ext.tiers.qpu.capabilities import CAPABILITIES
from qhub_ext.tiers.qpu.iqm import IqmWriter, timeline_seconds
from qhub_ext.tiers.qpu.writing import UnreadableError
from qhub_ext.tiers.snapshots import read_document
from qhub_ext.virtualqpu.garnet import garnet
from qhub_ext.virtualqpu.iqm_machine import circuit_of
from qhub_ext.virtualqpu.iqm_target import architecture, observation_sets
from tests.circuits import bell_pair
from tests.qpu.by_hand import by_hand
from tests.qpu.conftest import VirtualQpu
from tests.qpu.own_resource import describe_resource
from tests.qpu.refusals import refused_at_the_start
from tests.waiting import wait_until


@pytest.fixture
def _garnet(qpu: VirtualQpu) -> Iterator[None]:
    with context.using(tier="qpu", device="garnet"):
        yield


on_garnet = pytest.mark.usefixtures("_garnet")


def ready(circuit: QuantumCircuit) -> QuantumCircuit:
    made: QuantumCircuit = generate_preset_pass_manager(2, backend=backend(), seed_transpiler=1).run(circuit)
    return made


# ---------------------------------------------------------------------- what is written, and what is read


def target_document() -> dict[str, Any]:
    device = garnet()
    calibration, metrics = observation_sets(device)
    document = {
        "dynamic_quantum_architecture": architecture(device),
        "calibration_set": calibration,
        "quality_metrics": metrics,
        "static_quantum_architecture": None,
    }
    read: dict[str, Any] = json.loads(json.dumps(document))
    return read


def test_the_target_that_a_server_describes_is_the_one_that_it_was_made_of() -> None:
    document, device = target_document(), garnet()
    reading = read_document(document, device="garnet", source="a test")
    assert reading.unread == ()
    assert reading.snapshot.synthetic
    made = as_vendor_document(document, reading.snapshot)
    ours, theirs = Device("garnet", made["configuration"], made["properties"]).target, device.target
    assert ours.operation_names == theirs.operation_names
    for name in ("r", "cz", "measure"):
        assert set(ours[name]) == set(theirs[name])
        for site, properties in theirs[name].items():
            assert ours[name][site].error == pytest.approx(properties.error)
            assert ours[name][site].duration == pytest.approx(properties.duration)
    for mine, own in zip(ours.qubit_properties, theirs.qubit_properties, strict=True):
        assert (mine.t1, mine.t2) == (pytest.approx(own.t1), pytest.approx(own.t2))


def test_a_device_whose_two_qubit_gates_go_through_a_resonator_is_said_to_be_beyond_us() -> None:
    document = target_document()
    gates = document["dynamic_quantum_architecture"]["gates"]
    gates["move"] = {"implementations": {"tgss": {"loci": [["QB1", "COMP_R"]]}}}
    gates["cz"]["implementations"] = {"tgss": {"loci": [["QB2", "COMP_R"]]}}
    snapshot = read_document(document, device="star", source="a test").snapshot
    with pytest.raises(InvalidOptionError, match="resonator"):
        as_vendor_document(document, snapshot)
    del gates["prx"]
    with pytest.raises(InvalidOptionError, match="no calibrated prx"):
        as_vendor_document(document, snapshot)


def prepared(circuit: QuantumCircuit) -> Prepared:
    return Prepared(circuit, (), b"", plan=IqmWriter().plan(circuit, garnet()))


def test_a_circuit_is_written_in_the_vendor_s_own_words() -> None:
    theta = Parameter("theta")
    a, b = ClassicalRegister(2, "a"), ClassicalRegister(1, "b_1")
    circuit = QuantumCircuit(QuantumRegister(20, "q"), a, b, name="mine")
    circuit.r(theta, 0.25, 0)
    circuit.r(2 * theta + 1, -theta, 1)
    circuit.id(3)
    circuit.cz(1, 0)
    circuit.delay(40, 0, unit="ns")
    circuit.barrier(0, 1)
    circuit.measure(0, a[1])
    circuit.measure(1, b[0])
    execution = Execution(prepared(circuit), 10, (0.5,))
    written = IqmWriter().write([[execution]], garnet(), {"dynamical_decoupling": {"enable": True}})
    assert written.payload["kind"] == "iqm"
    assert json.loads(written.payload["input"]) == {
        "circuits": [
            {
                "name": "mine",
                "instructions": [
                    {"name": "prx", "locus": ["QB1"], "args": {"angle": 0.5, "phase": 0.25}},
                    {"name": "prx", "locus": ["QB2"], "args": {"angle": 2.0, "phase": -0.5}},
                    {"name": "cz", "locus": ["QB1", "QB2"], "args": {}},
                    {"name": "delay", "locus": ["QB1"], "args": {"duration": pytest.approx(4e-8)}},
                    {"name": "barrier", "locus": ["QB1", "QB2"], "args": {}},
                    {"name": "measure", "locus": ["QB1"], "args": {"key": "a_2_0_1"}},
                    {"name": "measure", "locus": ["QB2"], "args": {"key": "b_1_1_1_0"}},
                ],
            }
        ],
        "calibration_set_id": None,
        "shots": 10,
        "dd_mode": "enabled",
    }


def test_the_bits_of_an_answer_come_to_their_places() -> None:
    a, b = ClassicalRegister(2, "a"), ClassicalRegister(9, "b")
    circuit = QuantumCircuit(QuantumRegister(20, "q"), a, b)
    for bit, clbit in enumerate([*a, *b]):
        circuit.measure(bit, clbit)
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (50, 11))
    execution = Execution(prepared(circuit), 50)
    keys = list(execution.prepared.plan.clbits)
    text = json.dumps({"measurements": [{key: bits[:, [k]].tolist() for k, key in enumerate(keys)}]})
    (only,) = IqmWriter().read(text, [[execution]]).content[0]
    assert only.shape == (50, 2)
    assert np.array_equal(np.unpackbits(only, axis=-1)[:, -11:][:, ::-1], bits)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("{", "no measurements"),
        ("{}", "no measurements"),
        ('{"measurements": null}', "no circuits, not 1"),
        ('{"measurements": [{}, {}]}', "2 circuits, not 1"),
        ('{"measurements": [{}]}', "no measurement meas_1_0_0"),
        ('{"measurements": [{"meas_1_0_0": [[1]]}]}', "no column of 2 bits"),
        ('{"measurements": [{"meas_1_0_0": [[1], [2]]}]}', "no column of 2 bits"),
        ('{"measurements": [{"meas_1_0_0": [[1, 0], [0, 1]]}]}', "no column of 2 bits"),
        ('{"measurements": [{"meas_1_0_0": [[1], [0, 1]]}]}', "no measurement meas_1_0_0"),
    ],
)
def test_an_answer_of_another_shape_says_what_it_lacks(answer: str, words: str) -> None:
    circuit = QuantumCircuit(QuantumRegister(20, "q"), ClassicalRegister(1, "meas"))
    circuit.measure(0, 0)
    with pytest.raises(UnreadableError, match=words):
        IqmWriter().read(answer, [[Execution(prepared(circuit), 2)]])


def test_what_cannot_be_written_is_said_before_anything_is_sent() -> None:
    twice = QuantumCircuit(QuantumRegister(20, "q"), ClassicalRegister(1, "c"))
    twice.measure(0, 0)
    twice.measure(1, 0)
    with pytest.raises(PreflightError, match="measures into one bit twice"):
        prepared(twice)
    reset = QuantumCircuit(QuantumRegister(20, "q"))
    reset.reset(0)
    with pytest.raises(PreflightError, match="'reset', which is not written"):
        prepared(reset)


def test_the_time_on_the_device_is_read_from_its_timeline() -> None:
    log = (
        "Timeline   :\n  2026-11-28 03:10:21.100 [iqm-server              ] received\n"
        "  2026-11-28 03:10:21.200 [iqm-station-control     ] execution_started\n"
        "  2026-11-28 03:10:23.450 [iqm-station-control     ] execution_ended\nMessages   : (none)\n"
    )
    assert timeline_seconds(log) == (pytest.approx(0.1), pytest.approx(2.25))
    assert timeline_seconds(log.replace("execution_ended", "failed")) == (pytest.approx(0.1), None)
    assert timeline_seconds("") == (None, None)


_words = st.one_of(st.none(), st.booleans(), st.integers(-3, 30), st.floats(), st.sampled_from(["prx", "cz", "measure", "QB1", "QB2", "QB99", "key", ""]))  # fmt: skip
_steps = st.fixed_dictionaries(
    {"name": _words, "locus": st.one_of(_words, st.lists(_words, max_size=3))},
    optional={
        "args": st.one_of(_words, st.dictionaries(st.sampled_from(["angle", "phase", "key", "duration"]), _words))
    },
)


@given(
    st.one_of(
        _words,
        st.fixed_dictionaries({"instructions": st.one_of(_words, st.lists(st.one_of(_steps, _words), max_size=4))}),
    )
)
def test_a_circuit_that_is_none_is_refused_in_words(circuit: Any) -> None:
    try:
        told = circuit_of(circuit, garnet(), "circuits.0").cregs
    except InvalidOptionError as error:
        told = error.message.startswith("circuits.0")
    assert told


# ---------------------------------------------------------------------- on the device


@on_garnet
def test_one_cell_runs_on_all_three_tiers_with_one_target() -> None:
    seen = {}
    for tier in ("local", "emulation", "qpu"):
        with context.using(tier=tier):
            circuit = ready(bell_pair())
            assert set(circuit.count_ops()) == {"r", "cz", "barrier", "measure"}
            counts = Sampler(seed=7).run([circuit], shots=2000).result()[0].data.meas.get_counts()
            seen[tier] = (counts, circuit)
    assert set(seen["local"][0]) == {"00", "11"}
    assert 0 < sum(v for k, v in seen["qpu"][0].items() if k in ("01", "10")) < 400
    assert seen["qpu"][1] == seen["local"][1] == seen["emulation"][1]


@on_garnet
def test_a_sweep_with_registers_and_its_record() -> None:
    theta = Parameter("theta")
    low, high = ClassicalRegister(1, "low"), ClassicalRegister(2, "high")
    circuit = QuantumCircuit(QuantumRegister(3), low, high)
    circuit.ry(theta, 0)
    circuit.x(2)
    circuit.measure(0, low[0])
    circuit.measure(2, high[1])
    records: list[dict[str, Any]] = []
    with context.using(record=records.append):
        result = Sampler().run([(ready(circuit), [[0.0], [np.pi]]), (ready(bell_pair()), None, 50)], shots=400).result()
    first = result[0].data
    assert first.low.shape == first.high.shape == (2,)
    ones = [first.low[place].get_counts().get("1", 0) for place in (0, 1)]
    assert ones[0] < 60
    assert ones[1] > 340
    assert first.high[0].get_counts()["10"] > 340
    assert sum(result[1].data.meas.get_counts().values()) == 50
    sent = records[0]["device_tasks"]
    assert len(sent) == 2  # a task has one number of shots
    for task in sent:
        assert (task["resource"], task["state"], task["virtual"]) == ("garnet", "completed", True)
        assert task["qpu_s"] > 0.5  # in the device's own time, from its timeline
        assert (task["snapshots"], task["snapshots_by"]) == ([records[0]["snapshot"]["id"]], "request")


@on_garnet
def test_an_estimator_measures_along_all_axes() -> None:
    theta = Parameter("theta")
    circuit = QuantumCircuit(2)
    circuit.ry(theta, 0)
    circuit.cx(0, 1)
    isa = ready(circuit)
    observables = [[SparsePauliOp(word).apply_layout(isa.layout)] for word in ("ZZ", "XX", "YY", "IZ")]
    with context.using(tier="local"):
        ideal = Estimator(seed=3).run([(isa, observables, [[0.7], [np.pi / 2]])]).result()[0].data.evs
    assert ideal == pytest.approx(np.array([[1, 1], [np.sin(0.7), 1], [-np.sin(0.7), -1], [np.cos(0.7), 0]]), abs=0.06)
    there = Estimator().run([(isa, observables, [[0.7], [np.pi / 2]])]).result()[0].data.evs
    assert there == pytest.approx(ideal, abs=0.2)


@on_garnet
def test_what_was_sent_names_the_task_and_the_calibration_set(qpu: VirtualQpu) -> None:
    records: list[dict[str, Any]] = []
    options = {"dynamical_decoupling": {"enable": True}}
    with context.using(record=records.append), pytest.warns(PreflightWarning, match="simulates nothing of it"):
        Sampler(options=options).run([ready(bell_pair())], shots=10).result()
    (sent,) = records[0]["device_tasks"]
    with httpx.Client(trust_env=False, timeout=60, headers={"authorization": f"Bearer {qpu.key}"}) as client:
        job = client.get(f"{qpu.url}/iqm/api/v1/jobs/{sent['task']}").json()
        payload = client.get(f"{qpu.url}/iqm/api/v1/jobs/{sent['task']}/payload").json()
        now = client.get(f"{qpu.url}/iqm/api/v1/calibration-sets/garnet/default/dynamic-quantum-architecture").json()
    assert job["tag"] == sent["id"]
    assert job["compilation"]["calibration_set_id"] == payload["calibration_set_id"] == now["calibration_set_id"]
    assert payload["dd_mode"] == "enabled"
    assert "Taken, and not simulated: dd_mode." in [message["message"] for message in job["messages"]]


@on_garnet
@pytest.mark.parametrize("tier", ["local", "emulation", "qpu"])
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"twirling": {"enable_gates": True}}, "twirling"),
        ({"execution": {"rep_delay": 1e-4}}, "execution"),
        ({"dynamical_decoupling": {"enable": True, "sequence_type": "XX"}}, "dynamical_decoupling.sequence_type"),
    ],
)
def test_an_option_that_only_ibm_has_is_refused_by_its_name_on_every_tier(
    tier: str, options: dict[str, Any], name: str
) -> None:
    with context.using(tier=tier), pytest.raises(InvalidOptionError, match=f"'{name}' does not exist for garnet"):
        Sampler(options=options).run([ready(bell_pair())])


@on_garnet
def test_what_the_device_does_not_take_is_said_before_submission() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    with pytest.raises(PreflightError, match=r"'if_else' .*, which garnet does not take"):
        Sampler().run([circuit])
    with pytest.raises(PreflightError, match="garnet takes Qiskit circuits, and this cell works with Pulser"):
        JobService(load_settings()).draft(Request(tier="qpu", device="garnet"), "import pulser", {})


# ---------------------------------------------------------------------- faults


@pytest.fixture
def steps(qpu: VirtualQpu, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    seen: list[dict[str, Any]] = []
    with context.using(tier="qpu", device="garnet", announce=seen.append):
        Sampler().run([ready(bell_pair())], shots=10).result()
        seen.clear()
        monkeypatch.setenv("QHUB_QPU_DEADLINE_S", "3")
        yield seen


def fails() -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        Sampler().run([ready(bell_pair())], shots=100).result()
    return caught.value


@refused_at_the_start
def test_a_refusal_at_the_start_has_its_cause(
    qpu: VirtualQpu, steps: list[dict[str, Any]], kind: str, cause: Cause, words: str
) -> None:
    qpu.fault(kind, where="/iqm/api/v1/jobs", method="POST")
    error = fails()
    assert error.cause is cause, error
    assert words in error.message
    assert "garnet" in error.message
    assert error.advice
    assert isinstance(error, UncertainTaskError) == kind.startswith("5")
    assert steps[-1]["state"] == ("uncertain" if kind.startswith("5") else "refused")


def test_a_start_without_an_answer_is_uncertain(qpu: VirtualQpu, steps: list[dict[str, Any]]) -> None:
    qpu.fault("hang", where="/iqm/api/v1/jobs", method="POST", times=1)
    assert isinstance(fails(), UncertainTaskError)
    assert steps[-1]["state"] == "uncertain"


def test_a_question_that_fails_once_is_asked_again(qpu: VirtualQpu, steps: list[dict[str, Any]]) -> None:
    qpu.fault("503", where="/iqm/api/v1/jobs/", method="GET", times=1)
    assert sum(Sampler().run([ready(bell_pair())], shots=100).result()[0].data.meas.get_counts().values()) == 100


def test_a_task_that_fails_there_says_why(qpu: VirtualQpu, steps: list[dict[str, Any]]) -> None:
    qpu.fault("failed_job", times=1)
    error = fails()
    assert "Error code 6054" in error.message
    assert steps[-1]["state"] == "failed"


def test_a_result_that_does_not_decode_is_said(qpu: VirtualQpu, steps: list[dict[str, Any]]) -> None:
    qpu.fault("bad_result", times=1)
    assert "cannot be read: it has no circuits, not 1" in fails().message


def test_a_cancel_does_not_wait_for_the_answer_that_the_service_holds(
    qpu: VirtualQpu, steps: list[dict[str, Any]]
) -> None:
    qpu.fault("paused")
    job = Sampler().run([ready(bell_pair())], shots=100)
    wait_until(lambda: steps and steps[-1]["state"] == "queued", what="the task in the device's queue")
    began = time.monotonic()
    job.cancel()
    wait_until(job.in_final_state, what="the end of the task")
    assert steps[-1]["state"] == "cancelled"
    assert time.monotonic() - began < 15  # the service would hold the answer for 30 s
    with httpx.Client(trust_env=False, timeout=60, headers={"authorization": f"Bearer {qpu.key}"}) as client:
        assert client.get(f"{qpu.url}/iqm/api/v1/jobs/{steps[-1]['task']}").json()["status"] == "cancelled"


@pytest.mark.filterwarnings("ignore::qhub_ext.tiers.findings.PreflightWarning")
@pytest.mark.parametrize(
    ("resource", "changed", "words"),
    [
        ("garnet", {"QRMI_IQM_ISA_TOKEN": "wrong"}, "does not accept the credentials"),
        ("garnet", {"QRMI_IQM_ISA_ENDPOINT": "http://127.0.0.1:9/iqm"}, "cannot be reached"),
        ("garnet", {"QRMI_IQM_ISA_TOKEN": ""}, "configured wrongly"),
        ("atlantis", {}, "is not known to its service"),
    ],
)
def test_a_slip_in_the_configuration_has_its_own_words(
    qpu: VirtualQpu,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    resource: str,
    changed: dict[str, str],
    words: str,
) -> None:
    config = {"QRMI_IQM_ISA_ENDPOINT": f"{qpu.url}/iqm", "QRMI_IQM_ISA_TOKEN": qpu.key, **changed}
    shelf = describe_resource(tmp_path, resource, config, kind="iqm-server")
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))
    uninstall(resource)
    with (
        context.using(tier="qpu", device=resource, shelf=shelf),
        pytest.raises(DeviceError) as caught,
    ):
        Sampler().run([bell_pair()])
    assert words in caught.value.message
    assert caught.value.cause is Cause.INTEGRATION
    assert caught.value.advice
    target._live.clear()


@pytest.fixture
def _little_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "qhub.toml").write_text("[profiles.development]\nqpu_s = 0.1\n")
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))


@on_garnet
@pytest.mark.usefixtures("_little_time")
def test_a_profile_s_seconds_are_held_against_the_least_that_a_device_needs_which_tells_no_pause() -> None:
    records: list[dict[str, Any]] = []
    with context.using(profile="development", record=records.append):
        with pytest.warns(PreflightWarning, match=r"is not known; its circuits take .* What the profile 'development'"):
            Sampler().run([ready(bell_pair())], shots=10).result()
        with pytest.raises(PreflightError, match=r"needs at least 0\.1.* s of QPU; the profile 'development' gives"):
            Sampler().run([ready(bell_pair())], shots=100_000)
    assert records[0]["estimated_qpu_s"] is None
    assert records[0]["device_tasks"][0]["qpu_s"] > 0, "what it was busy for is known afterwards"


@on_garnet
def test_the_outlook_says_the_least_and_that_the_pause_comes_on_top() -> None:
    draft = JobService(load_settings()).draft(
        Request(tier="qpu", device="garnet", shots=1000), "from qhub_ext import Sampler", {}
    )
    (line,) = [one for one in foresee({"pair": bell_pair()}, draft.spec, load_settings()) if " s of QPU" in one]
    assert re.search(r"takes 0\.001\d* s of QPU for 1,000 shots at least; garnet does not tell the pause", line)


@on_garnet
@pytest.mark.parametrize("tier", ["local", "emulation", "qpu"])
def test_a_reset_and_a_conditional_gate_are_refused_with_what_to_do_instead(tier: str) -> None:
    branching, reset = QuantumCircuit(2, 2), QuantumCircuit(1, 1)
    branching.measure(0, 0)
    with branching.if_test((branching.clbits[0], 1)):
        branching.x(1)
    reset.reset(0)
    reset.measure(0, 0)
    for circuit, words in ((branching, "cc_prx"), (reset, "every shot begins in 0")):
        with context.using(tier=tier), pytest.raises(PreflightError, match="which garnet does not take") as caught:
            Sampler().run([circuit])
        assert words in caught.value.advice
        assert "Transpile" not in caught.value.advice


def test_the_table_names_what_is_not_written_for_iqm() -> None:
    assert CAPABILITIES["iqm-server"].lacks == ("MOVE gates", "conditional gates", "reset")


BY_HAND = """
import json, sys, time
import qrmi
config, request = json.loads(sys.stdin.read())
resource = qrmi.QuantumResource.from_config("garnet", qrmi.ResourceType.IQMServer, config)
assert str(resource.status().to_dict()["status"]).lower().endswith("online"), resource.status().to_dict()
target = json.loads(resource.target().value)
assert len(target["dynamic_quantum_architecture"]["qubits"]) == 20
assert target["static_quantum_architecture"]
task = resource.task_start(qrmi.Payload.IQMServer(iqmjson=json.dumps(request), job_type="circuit", use_timeslot=False, tag="mine"))
while resource.task_status(task) in (qrmi.TaskStatus.Queued, qrmi.TaskStatus.Running):
    pass
print(json.dumps({"result": json.loads(resource.task_result(task).value), "log": resource.task_logs(task)}))
resource.task_stop(task)
"""


def test_the_genuine_wheel_does_status_target_task_result_log_and_stop_unpatched(server: VirtualQpu) -> None:
    request = {
        "circuits": [
            {
                "name": "flip",
                "instructions": [
                    {"name": "prx", "locus": ["QB7"], "args": {"angle": np.pi, "phase": 0.0}},
                    {"name": "measure", "locus": ["QB7"], "args": {"key": "m_1_0_0"}},
                ],
            }
        ],
        "shots": 100,
    }
    config = {"QRMI_IQM_ISA_ENDPOINT": f"{server.url}/iqm", "QRMI_IQM_ISA_TOKEN": server.key}
    told = by_hand(BY_HAND, [config, request])
    (measured,), (counted,) = told["result"]["measurements"], told["result"]["measurement_counts"]
    assert sum(bit for (bit,) in measured["m_1_0_0"]) == counted["counts"]["1"] > 80
    assert counted["measurement_keys"] == ["m_1_0_0"]
    assert "imulated on a virtual garnet" in told["log"]
    queued, busy = timeline_seconds(told["log"])
    assert queued is not None
    assert busy is not None
    assert busy > 0.5
