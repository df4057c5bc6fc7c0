"""Tasks of Pasqal's and IQM's types take their turn at the broker: real helpers of the genuine client behind it, our own API before it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pulser  # noqa: F401 - it warns when it is imported

from qhub_ext.broker.slices import PROGRAMS, cut, merge, read_work, shots_of
from qhub_ext.broker.work import Piece, take_slice, without
from qhub_ext.errors import DeviceError, InvalidOptionError, PreflightError, QhubError
from qhub_ext.job.context import using
from qhub_ext.jobfolder.device_tasks import DeviceTask
from qhub_ext.primitives import Sampler, backend
from qhub_ext.primitives.sequences import PulserBackend, pulser_device
from qhub_ext.service import resources
from qhub_ext.service.device_tasks import _asked
from qhub_ext.settings import current_settings
from qhub_ext.tiers import devices
from qhub_ext.tiers.qpu import standing
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.tiers.qpu.capabilities import CAPABILITIES
from qhub_ext.tiers.qpu.pool import close_all, process_for
from tests.broker.conftest import Broker
from tests.circuits import bell_pair
from tests.primitives.test_sequences import pair as two_atoms
from tests.qpu.conftest import VirtualQpu
from tests.waiting import wait_until

SLICED = {"QHUB_BROKER_SLICE_S": "5", "QHUB_BROKER_OVERHEAD_S": "0"}


@pytest.fixture(scope="module")
def broker(server: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker") / "broker"
    made = Broker(folder, server, SLICED, ("--device", "garnet", "--device", "FRESNEL"))
    made.start()
    try:
        wait_until(lambda: described(made, "FRESNEL"), what="a device for which Pulser is imported first")
        yield made
    finally:
        made.stop()


def described(broker: Broker, device: str) -> bool:
    try:
        ask_broker(broker.socket, "GET", f"/v1/devices/{device}/target", timeout_s=120)
    except DeviceError:
        return False
    return True


@pytest.fixture(autouse=True)
def _through(broker: Broker, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    monkeypatch.setenv("QHUB_BROKER_SOCKET", str(broker.socket))
    monkeypatch.setenv("QHUB_SHELF", str(tmp_path / "jobs"))
    try:
        yield
    finally:
        broker.server.admin("DELETE")
        close_all()
        standing._sessions.clear()


def bell_on_garnet() -> QuantumCircuit:
    made: QuantumCircuit = generate_preset_pass_manager(2, backend=backend(), seed_transpiler=1).run(bell_pair())
    return made


def test_circuits_of_iqm_run_in_slices_of_shots_and_come_back_as_one(broker: Broker) -> None:
    records: list[dict[str, Any]] = []
    with using(tier="qpu", device="garnet", job_id="iqm", profile="test", record=records.append):
        counts = Sampler().run([bell_on_garnet()], shots=40_000).result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 40_000
    assert counts["00"] + counts["11"] > 30_000
    (sent,) = records[0]["device_tasks"]
    task = broker.task(sent["task"])
    assert (task["state"], task["program"], task["done"]) == ("completed", "iqm", 40_000)
    assert len(task["slices"]) > 1
    assert sent["id"] == task["id"], "our own id is the broker's: sent again it is the same task"
    assert sent["qpu_s"] == pytest.approx(sum(s["qpu_s"] for s in task["slices"])), "as the device's own log tells it"


def test_a_sequence_runs_in_slices_of_runs_and_its_counts_are_added(broker: Broker) -> None:
    records: list[dict[str, Any]] = []
    with using(tier="qpu", device="FRESNEL", job_id="atoms", record=records.append):
        sequence = two_atoms(pulser_device(), area=3.14 / 2**0.5)
        bits = PulserBackend(sequence).run(runs=50).final_bitstrings
    assert sum(bits.values()) == 50
    (sent,) = records[0]["device_tasks"]
    task = broker.task(sent["task"])
    assert [s["units"] for s in task["slices"]] == [20, 20, 10], "5 s each, at a quarter of a second per run"
    assert task["program"] == "pulser"
    with using(tier="qpu", device="FRESNEL"):
        said = pulser_device().max_runs
    (told,) = [one["most_shots"] for one in broker.ask("GET", "/v1/status")["devices"] if one["name"] == "FRESNEL"]
    assert told == said > 0, "of which no slice has more"


def test_a_device_refuses_what_its_type_does_not_take_and_says_what_it_takes(broker: Broker) -> None:
    session = broker.session()
    with pytest.raises(PreflightError, match=r"garnet \(type iqm-server\) takes no task") as told:
        broker.ask("POST", "/v1/tasks", {"session": session["id"], "device": "garnet", "program": "sampler", "params": {"pubs": [["x"]]}})  # fmt: skip
    assert "It takes: iqm" in told.value.advice


def test_the_broker_s_devices_are_listed_as_the_resources_with_what_they_take() -> None:
    found = {one.name: (one.type, one.takes, one.state) for one in resources.standing(current_settings())}
    assert found["FRESNEL"] == ("broker, virtual", "Pulser sequences", "online")
    assert found["kingston"] == ("broker, virtual", "Qiskit primitives", "online")


def test_a_task_that_fails_at_the_vendor_ends_there_and_says_why(broker: Broker) -> None:
    broker.server.fault("failed_job", times=1)
    with (
        using(tier="qpu", device="FRESNEL", job_id="fails"),
        pytest.raises(DeviceError, match=r"(?s)failed on FRESNEL.*ended as Failed"),
    ):
        PulserBackend(two_atoms(pulser_device())).run(runs=5)


def test_what_a_device_is_like_is_asked_of_the_broker_alone(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QHUB_QPU_VIRTUAL_DIRECTORY", str(tmp_path / "own"))
    monkeypatch.setenv("QRMI_JOB_QPU_RESOURCES", "emerald")
    monkeypatch.setenv("QRMI_JOB_QPU_TYPES", "iqm-server")
    devices.uninstall("garnet")
    assert devices.load("garnet").qubits == 20
    assert not (tmp_path / "own").exists(), "no virtual QPU of the user's own was started"
    with pytest.raises(DeviceError, match=r"Nothing behind the broker at .* stands for emerald"):
        devices.load("emerald")


@pytest.fixture
def drained(broker: Broker) -> Iterator[Any]:
    """garnet takes tasks and sends none; how it is asked for from here."""
    broker.ask("POST", "/v1/devices/garnet/drain", {"note": "for a test"})
    try:
        with using(tier="qpu", device="garnet", job_id="drained"):
            yield process_for(standing.find_resource("garnet", current_settings().qpu, ""))
    finally:
        broker.ask("POST", "/v1/devices/garnet/resume", {})


def payload(tag: str) -> dict[str, Any]:
    return {"kind": "iqm", "tag": tag, "input": json.dumps({"circuits": [{}], "shots": 5})}


def test_a_start_that_is_said_twice_is_one_task_and_a_stop_reaches_the_broker(broker: Broker, drained: Any) -> None:
    first, second = (drained.call("task_start", deadline_s=60, payload=payload("mine-1")) for _ in range(2))
    assert first == second == "mine-1"
    assert drained.call("status", deadline_s=60)["status"] != "online"
    drained.call("task_stop", first, deadline_s=60)
    assert broker.task("mine-1")["state"] == "cancelled"


def test_what_was_started_and_left_is_stopped_when_the_process_ends(broker: Broker, drained: Any) -> None:
    drained.call("task_start", deadline_s=60, payload=payload("left-1"))
    close_all()
    assert broker.task("left-1")["state"] == "cancelled"


@pytest.mark.parametrize(
    ("arrived", "told"), [(True, "is on garnet: mine-2, cancelled"), (False, "has none like it. Nothing ran.")]
)
def test_a_start_whose_answer_was_lost_is_found_at_the_broker_under_our_own_id(
    drained: Any, tmp_path: Path, arrived: bool, told: str
) -> None:
    if arrived:
        drained.call("task_start", deadline_s=60, payload=payload("mine-2"))
        drained.call("task_stop", "mine-2", deadline_s=60)
    task = DeviceTask("mine-2" if arrived else "mine-3", 1, "garnet", "uncertain", 1.0, 2.0, brokered=True, lost=True)
    noted: list[Any] = []
    fate = _asked(task, Any, current_settings(), set, noted.append)  # type: ignore[arg-type]
    assert told in fate.sentence
    assert noted[0]["state"] == ("cancelled" if arrived else "absent")


# ---------------------------------------------------------------------- cut and put together


def of_iqm(shots: Any, circuits: Any = ({"name": "c"},)) -> dict[str, Any]:
    return {"circuits": list(circuits), "shots": shots, "calibration_set_id": "x"}


def measured(pieces: tuple[Piece, ...]) -> str:
    """As a server would answer a slice: the number of each shot as its bit."""
    rows = [[number % 2] for piece in pieces for number in range(piece.first, piece.first + piece.units)]
    return json.dumps({"measurements": [{"m": rows}], "measurement_counts": None})


@given(shots=st.integers(1, 300), budget=st.floats(0.0003, 0.05))
def test_slices_of_a_batch_put_together_are_the_whole_in_its_order(shots: int, budget: float) -> None:
    params = of_iqm(shots)
    rest, done = read_work("iqm", params), []
    while rest:
        taken = take_slice(rest, budget) or (rest[0],)
        assert cut("iqm", params, taken)["shots"] == sum(piece.units for piece in taken)
        done.append((taken, measured(taken)))
        rest = without(rest, taken)
    whole = json.loads(merge("iqm", done[::-1]))
    assert whole["measurements"] == [{"m": [[number % 2] for number in range(shots)]}]
    if len(done) > 1:
        assert sum(whole["measurement_counts"][0]["counts"].values()) == shots


def test_a_slice_with_another_number_of_shots_is_no_result() -> None:
    pieces = read_work("iqm", of_iqm(10))
    with pytest.raises(DeviceError, match="slice of 10 shots"):
        merge("iqm", [(pieces, measured((Piece(0, 9, 1.0),)))])
    runs = read_work("pulser", {"sequence": "{}", "runs": 10})
    for text in ('{"counter": {"0": 9}}', "{}", "[]", '"x"', "nonsense"):
        with pytest.raises(DeviceError, match="slice of 10 shots"):
            merge("pulser", [(runs, text)])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    program=st.sampled_from(PROGRAMS),
    params=st.dictionaries(st.sampled_from(["circuits", "shots", "sequence", "runs", "pubs"]), JSON),
)
def test_any_payload_is_read_or_refused_in_words(program: str, params: dict[str, Any]) -> None:
    try:
        pieces = read_work(program, params)
    except QhubError:
        return
    assert pieces
    assert shots_of(program, params) >= 1


@pytest.mark.parametrize("shots", [0, -1, 10**9, True, 1.5, "many", None])
def test_a_number_of_shots_that_is_none_is_refused(shots: Any) -> None:
    with pytest.raises(InvalidOptionError, match="`shots`"):
        read_work("iqm", of_iqm(shots))


def test_each_type_that_is_sent_says_how_it_is_cut() -> None:
    assert all(one.sliced for one in CAPABILITIES.values() if one.sent)
    assert all(not one.sliced for one in CAPABILITIES.values() if not one.sent)
