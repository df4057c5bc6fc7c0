"""A virtual QPU that is calibrated: what the client sees of the window, of the new snapshot, and of a task in the middle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qhub_ext.errors import UserError
from qhub_ext.job import context
from qhub_ext.primitives import Sampler, backend
from qhub_ext.settings import current_settings
from qhub_ext.tiers import catalog
from qhub_ext.tiers.findings import PreflightWarning
from qhub_ext.tiers.qpu import backend as tier
from qhub_ext.tiers.qpu.pool import close_all
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.snapshots import parse_ibm_properties
from qhub_ext.virtualqpu.__main__ import cycles_of
from tests.qpu.conftest import VirtualQpu, running_server
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualQpu]:
    """Its window lasts long enough to be looked at: 1000 s of the device are a second."""
    with running_server(tmp_path_factory.mktemp("cycles") / "qpu", "--window", "3000s", "--seed", "7") as server:
        yield server


@pytest.fixture
def device(slow_server: VirtualQpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[VirtualQpu]:
    monkeypatch.setenv("QHUB_SHELF", str(tmp_path / "jobs"))
    monkeypatch.setenv("QHUB_QPU_VIRTUAL_DIRECTORY", str(slow_server.directory))
    try:
        with context.using(tier="qpu", device="kingston"):
            yield slow_server
    finally:
        close_all()


@pytest.fixture
def client(device: VirtualQpu) -> Iterator[Callable[[str], Any]]:
    """The genuine client, warm: a window is short here."""
    process = ResourceProcess(tier.find_resource("kingston", current_settings().qpu, "embedded"))
    process.call("status", deadline_s=60)
    try:
        yield lambda call: process.call(call, deadline_s=60)
    finally:
        process.close()


def test_in_a_window_the_service_says_paused_and_why_and_a_task_waits_it_out(
    device: VirtualQpu, client: Callable[[str], Any], bell: QuantumCircuit
) -> None:
    assert device.calibrate()["calibrating"]
    status = client("status")
    assert status["status"].lower().endswith("paused"), status
    assert status["status_reason"] == "calibrating"
    records: list[dict[str, Any]] = []
    with context.using(announce=records.append):
        assert sum(Sampler().run([bell], shots=100).result()[0].data.meas.get_counts().values()) == 100
    after = device.calibration()
    assert after["cycle"] >= 1
    assert records[-1]["snapshots"] == [after["snapshot"]]


def test_after_a_window_the_target_has_the_new_snapshot(device: VirtualQpu, client: Callable[[str], Any]) -> None:
    before = device.calibration()
    device.calibrate()
    wait_until(lambda: device.calibration()["cycle"] > before["cycle"], what="the end of the window")
    told = json.loads(client("target"))
    snapshot = parse_ibm_properties(told["properties"], told["configuration"], device="kingston", source="")
    assert snapshot.id == device.calibration()["snapshot"] != before["snapshot"]
    assert snapshot.synthetic
    assert snapshot.id != catalog.read_snapshot("kingston").id


def test_a_calibration_in_the_middle_of_a_task_is_in_its_record(device: VirtualQpu, bell: QuantumCircuit) -> None:
    records: list[dict[str, Any]] = []
    pinned: list[str] = []
    with context.using(announce=records.append, pin=lambda snapshot, _: pinned.append(snapshot.id)):
        # 8 PUBs of 0.7 s each on this clock
        job = Sampler().run([(bell, None, 100_000)] * 8)
        wait_until(lambda: records and records[-1]["state"] == "running", what="the task on the device")
        before = device.calibration()["snapshot"]
        device.calibrate()
        with pytest.warns(PreflightWarning, match="was calibrated while the task"):
            result = job.result()
    assert [pub.data.meas.num_shots for pub in result] == [100_000] * 8
    assert records[-1]["snapshots"] == [before, device.calibration()["snapshot"]]
    assert set(records[-1]["snapshots"]) <= set(pinned)  # the numbers too, not only their names


def test_a_task_in_whose_middle_the_device_was_calibrated_runs_once_more_where_the_site_wants_that(
    device: VirtualQpu, bell: QuantumCircuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QHUB_QPU_ON_CALIBRATION_CHANGE", "restart")
    records: list[dict[str, Any]] = []
    with context.using(announce=records.append):
        job = Sampler().run([(bell, None, 100_000)] * 4)
        wait_until(lambda: records and records[-1]["state"] == "running", what="the task on the device")
        device.calibrate()
        job.result()
    by_task = {record["task"]: record for record in records if record["state"] == "completed"}
    assert [len(record["snapshots"]) for record in by_task.values()] == [2, 1]


def test_backend_has_the_target_of_the_calibration_that_is_in_force(device: VirtualQpu, bell: QuantumCircuit) -> None:
    before = device.calibration()["cycle"]
    device.calibrate()
    wait_until(lambda: device.calibration()["cycle"] > before, what="the end of the window")
    assert backend().device.snapshot.id == device.calibration()["snapshot"]
    assert backend(tier="local").device.snapshot.id == catalog.read_snapshot("kingston").id


def test_a_period_that_is_no_time_is_refused_with_what_would_be(tmp_path: Path) -> None:
    import subprocess
    import sys

    words = ["--directory", str(tmp_path), "--cycle", "often"]
    done = subprocess.run([sys.executable, "-m", "qhub_ext.virtualqpu", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert "'often' is not a time" in done.stderr


def test_real_snapshots_are_gone_through_in_turn_the_oldest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for moment in ("2026-03-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"):
        properties = {**catalog.read_properties("manila"), "last_update_date": moment}
        path = tmp_path / f"{moment[:7]}.json"
        path.write_text(json.dumps({"configuration": catalog.read_configuration("manila"), "properties": properties}))
        files += ["--replay", str(path)]
    (tmp_path / "qpu").mkdir()
    with running_server(tmp_path / "qpu" / "v", "--device", "manila", "--window", "1s", *files) as server:
        monkeypatch.setenv("QHUB_QPU_VIRTUAL_DIRECTORY", str(server.directory))
        client = ResourceProcess(tier.find_resource("manila", current_settings().qpu, "embedded"))
        seen = []
        for _ in range(3):
            seen.append(json.loads(client.call("target", deadline_s=60))["properties"]["last_update_date"][:10])
            before = server.calibrate("manila")["cycle"]
            wait_until(lambda before=before: server.calibration("manila")["cycle"] > before, what="the new snapshot")
        client.close()
    assert seen == ["2026-01-01", "2026-03-01", "2026-01-01"]


def test_a_file_that_is_no_snapshot_of_the_device_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    path = tmp_path / "manila.json"
    path.write_text(
        json.dumps(
            {"configuration": catalog.read_configuration("manila"), "properties": catalog.read_properties("manila")}
        )
    )
    for words, told in ((["kingston"], "manila.json has 5 qubits, kingston has 156"), ([], "Name it: --device")):
        with pytest.raises(UserError) as caught:
            cycles_of(None, "10m", 0, [path], words)
        assert told in str(caught.value)
