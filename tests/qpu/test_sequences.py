"""Pulser sequences on a device: through the genuine client of Pasqal's cloud, against the virtual FRESNEL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pulser.devices import AnalogDevice, MockDevice

from qhub_ext.capture.request import Request
from qhub_ext.errors import Cause, DeviceError, PreflightError, UncertainTaskError
from qhub_ext.job import context
from qhub_ext.jobfolder.calibrations import CalibrationStore, read_snapshot
from qhub_ext.primitives import Sampler
from qhub_ext.primitives.sequences import PulserBackend, pulser_device
from qhub_ext.service import JobService, calibrations
from qhub_ext.settings import load_settings
from qhub_ext.tiers.qpu.capabilities import CAPABILITIES
from qhub_ext.tiers.qpu.helper import KINDS
from tests.primitives.test_sequences import pair
from tests.qpu.conftest import VirtualQpu
from tests.qpu.refusals import refused_at_the_start


@pytest.fixture(autouse=True)
def _on_qpu(qpu: VirtualQpu) -> Iterator[None]:
    with context.using(tier="qpu", device="FRESNEL"):
        yield


def test_a_sequence_made_for_the_device_runs_on_it_and_its_record_says_where() -> None:
    device = pulser_device()
    assert device.name == "FRESNEL"
    records: list[dict[str, Any]] = []
    with context.using(record=records.append):
        bits = PulserBackend(pair(device, area=3.14 / 2**0.5)).run(runs=300).final_bitstrings
    assert sum(bits.values()) == 300
    assert bits["01"] + bits["10"] > 240  # with its detection errors
    (sent,) = records[0]["device_tasks"]
    assert (sent["resource"], sent["state"], sent["virtual"]) == ("FRESNEL", "completed", True)
    assert records[0]["device"] == "FRESNEL"


def test_a_task_is_pinned_to_what_the_device_told_of_its_errors(tmp_path: Path) -> None:
    records: list[dict[str, Any]] = []
    pinned: list[Any] = []
    with context.using(record=records.append, pin=lambda snapshot, document: pinned.append((snapshot, document()))):
        for _ in range(2):
            PulserBackend(pair()).run(runs=10)
    (first, document), (second, _) = pinned
    assert first.id == second.id == records[0]["snapshot"]["id"] == records[1]["snapshot"]["id"]
    assert (first.column("prob_meas1_prep0")[0], first.column("prob_meas0_prep1")[0]) == (0.01, 0.05)
    assert first.synthetic, "no device ever had it"
    assert "FRESNEL" in str(document["devices"])
    (entry,) = CalibrationStore(tmp_path / "jobs").history("FRESNEL")
    assert read_snapshot(entry.path).id == first.id, "the same numbers asked for twice are one calibration"
    assert calibrations.snapshot_of("fresnel", tmp_path / "jobs").id == first.id


def test_a_sequence_made_for_another_device_is_switched_where_it_does_the_same_and_refused_where_not() -> None:
    records: list[dict[str, Any]] = []
    with context.using(record=records.append):
        PulserBackend(pair(AnalogDevice)).run(runs=10)
    assert "switched to FRESNEL" in records[0]["findings"][-1]["sentence"]
    with pytest.raises(PreflightError, match="made for MockDevice and does not run the same on FRESNEL"):
        PulserBackend(pair(MockDevice, apart=2, layout=False)).run(runs=10)


def test_a_task_is_written_down_before_it_is_sent_and_too_many_runs_never_are() -> None:
    steps: list[dict[str, Any]] = []
    with context.using(announce=steps.append):
        with pytest.raises(PreflightError, match="takes at most 2,000"):
            PulserBackend(pair()).run(runs=3000)
        assert steps == []
        PulserBackend(pair()).run(runs=10)
    assert [steps[0]["state"], steps[-1]["state"]] == ["sending", "completed"]


@refused_at_the_start
def test_a_refusal_of_the_service_has_its_cause_and_leaves_no_batch(
    qpu: VirtualQpu, kind: str, cause: Cause, words: str
) -> None:
    PulserBackend(pair()).run(runs=1)
    steps: list[dict[str, Any]] = []
    qpu.fault(kind, where="/batches", method="POST")
    with context.using(announce=steps.append), pytest.raises(DeviceError) as caught:
        PulserBackend(pair()).run(runs=10)
    assert caught.value.cause is cause, caught.value
    assert words in caught.value.message
    assert "FRESNEL" in caught.value.message
    assert caught.value.advice
    # a service that failed inside may have made a batch before it did: nobody can know
    assert steps[-1]["state"] == ("uncertain" if kind.startswith("5") else "refused")
    assert isinstance(caught.value, UncertainTaskError) == kind.startswith("5")


def test_a_sequence_that_fails_there_is_failed_here(qpu: VirtualQpu) -> None:
    qpu.fault("failed_job", times=1)
    with pytest.raises(DeviceError, match="failed on FRESNEL"):
        PulserBackend(pair()).run(runs=10)


def test_each_kind_of_payload_is_refused_where_a_device_takes_the_other(bell: Any) -> None:
    with pytest.raises(PreflightError, match="takes Pulser sequences, not Qiskit"):
        Sampler().run([bell])
    with context.using(device="kingston"), pytest.raises(PreflightError, match="takes Qiskit primitives, not Pulser"):
        PulserBackend(pair()).run(runs=10)


@pytest.mark.parametrize(
    ("device", "cell", "refused"),
    [
        ("FRESNEL", "import pulser\nx = 1", False),
        ("FRESNEL", "from qhub_ext import PulserBackend\nPulserBackend(s)", False),
        ("FRESNEL", "from qhub_ext import Sampler", True),
        ("FRESNEL", "import qiskit, pulser", False),
        ("FRESNEL", "print(1)", False),
        ("kingston", "from pulser import Sequence", True),
        ("kingston", "from qiskit import QuantumCircuit", False),
    ],
)
def test_what_a_type_cannot_do_is_said_before_submission(device: str, cell: str, refused: bool) -> None:
    service = JobService(load_settings())

    def draft() -> Any:
        return service.draft(Request(tier="qpu", device=device), cell, {"s": pair()} if "(s)" in cell else {})

    if not refused:
        assert draft().spec.device == device
        return
    with pytest.raises(PreflightError, match=f"{device} takes .*, and this cell works with"):
        draft()


def test_every_type_of_the_wheel_has_a_row_in_the_table() -> None:
    assert set(CAPABILITIES) == set(KINDS)
