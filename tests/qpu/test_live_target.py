"""A device that no package describes: its own service gives the target that circuits are made ready for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext.capture.request import Request
from qhub_ext.errors import DeviceError, UnknownNameError
from qhub_ext.job import context
from qhub_ext.jobfolder.calibrations import CalibrationStore, document_of, read_document, read_snapshot
from qhub_ext.primitives import Sampler, backend
from qhub_ext.service import JobService
from qhub_ext.settings import load_settings
from qhub_ext.tiers import catalog, devices
from qhub_ext.tiers.findings import PreflightWarning
from qhub_ext.tiers.qpu import target
from qhub_ext.tiers.qpu.pool import close_all
from tests.circuits import bell_pair
from tests.qpu.conftest import VirtualQpu, running_server
from tests.qpu.own_resource import describe_resource


@pytest.fixture(scope="module")
def site_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualQpu]:
    """A service whose device is called `our_qpu`: numbers of manila, known to no package by that name."""
    with running_server(tmp_path_factory.mktemp("site") / "qpu", "--device", "our_qpu=manila") as server:
        yield server


@pytest.fixture
def site(site_server: VirtualQpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualQpu]:
    shelf = describe_resource(tmp_path, "our_qpu", site_server.config)
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))
    try:
        with context.using(tier="qpu", device="our_qpu", shelf=shelf):
            yield site_server
    finally:
        site_server.admin("DELETE")
        close_all()
        target._live.clear()
        devices.uninstall("our_qpu")


def test_circuits_are_transpiled_for_the_real_device_and_run_on_it(site: VirtualQpu) -> None:
    place = backend()
    assert place.target.num_qubits == 5
    isa = generate_preset_pass_manager(2, backend=place, seed_transpiler=1).run(bell_pair())
    records: list[dict[str, Any]] = []
    with context.using(record=records.append):
        counts = Sampler().run([isa], shots=1000).result()[0].data.meas.get_counts()
    assert counts.get("00", 0) + counts.get("11", 0) > 800
    assert records[0]["device"] == "our_qpu"
    assert records[0]["snapshot"]["source"] == "resource our_qpu"


def test_what_is_known_of_it_serves_the_other_tiers_and_the_list_of_devices(site: VirtualQpu, tmp_path: Path) -> None:
    with context.using(tier="emulation"):
        isa = generate_preset_pass_manager(2, backend=backend(), seed_transpiler=1).run(bell_pair())
        assert sum(Sampler().run([isa], shots=100).result()[0].data.meas.get_counts().values()) == 100
    assert catalog.describe("our_qpu").qubits == 5
    assert "our_qpu" in {summary.name for summary in catalog.list_devices(tmp_path / "cache")}


def test_a_submission_is_checked_against_it(site: VirtualQpu) -> None:
    service = JobService(load_settings())
    wide = QuantumCircuit(7)
    draft = service.draft(Request(tier="emulation", device="our_qpu"), "wide.depth()", {"wide": wide})
    assert any("`wide` has 7 qubits, our_qpu has 5" in warning for warning in draft.warnings)
    with pytest.raises(UnknownNameError, match="our_qpuu"):
        service.draft(Request(tier="emulation", device="our_qpuu"), "1")


def test_it_is_asked_once_while_the_answer_is_fresh_and_by_another_process_not_again(
    site: VirtualQpu, tmp_path: Path
) -> None:
    first = backend().device
    site.fault("null_target")
    assert backend().device is first
    target._live.clear()  # another process, which finds it on the shelf
    devices.uninstall("our_qpu")
    assert backend().device.snapshot.id == first.snapshot.id
    assert len(CalibrationStore(tmp_path / "jobs").history("our_qpu")) == 1


def test_a_null_target_is_one_clear_error(site: VirtualQpu) -> None:
    site.fault("null_target")
    with pytest.raises(DeviceError, match=r"'our_qpu' gave a target that cannot be used.*null"):
        backend()


def test_an_old_answer_stands_in_with_a_warning_where_there_is_no_new_one(
    site: VirtualQpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    isa = generate_preset_pass_manager(2, backend=backend(), seed_transpiler=1).run(bell_pair())
    monkeypatch.setenv("QHUB_QPU_TARGET_AGE_S", "0")
    site.fault("null_target")
    with pytest.warns(PreflightWarning, match="The present calibration of our_qpu cannot be had"):
        job = Sampler().run([isa], shots=100)
    assert sum(job.result()[0].data.meas.get_counts().values()) == 100


def test_an_old_calibration_is_warned_of_unless_the_device_is_simulated(
    site: VirtualQpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QHUB_QPU_STALE_S", "86400")
    isa = generate_preset_pass_manager(2, backend=backend(), seed_transpiler=1).run(bell_pair())
    Sampler().run([isa], shots=100).result()
    store = CalibrationStore(tmp_path / "jobs")
    (entry,) = store.history("our_qpu")
    document = json.loads(json.dumps(read_document(entry.path)))
    del document["configuration"]["simulated"]  # as a real service would answer
    document_of(entry.path).unlink()
    store.put(read_snapshot(entry.path), lambda: document)
    target._live.clear()
    with pytest.warns(PreflightWarning, match=r"The calibration of our_qpu is \d+ days old"):
        Sampler().run([isa], shots=100).result()
