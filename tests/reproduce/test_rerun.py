"""The same job again: identical counts for the same seeds and snapshot, in the same environment or another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.capture.command import parse_words
from qhub_ext.capture.options import OPTIONS
from qhub_ext.jobfolder.calibrations import CalibrationStore, pinned
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service.job import Job
from qhub_ext.tiers import catalog
from tests.front.conftest import Place, set_up_place

CELL = """
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(3)
circuit.ry(1.1, [0, 1, 2]); circuit.cx(0, 1); circuit.cx(1, 2); circuit.measure_all()
isa = transpile(circuit, backend(), seed_transpiler=1)
first, second = (Sampler().run([isa]).result()[0].data.meas.get_counts() for _ in range(2))
"""


def submit(place: Place, cell: str, *words: str) -> Job:
    request, _ = parse_words(["--shots=300", *words], None, OPTIONS)
    return place.service.submit(place.service.draft(request, cell))


def rerun(place: Place, job: Job, *words: str) -> Job:
    facts: dict[str, Any] = json.loads(place.command("rerun", job.id, "--json", *words))
    return place.service.job(facts["id"])


def counts(job: Job) -> tuple[dict[str, int], dict[str, int]]:
    return job.result(120)["first"], job["second"]


@pytest.fixture(scope="module")
def job(place: Place) -> Job:
    """On the tier emulation."""
    return submit(place, CELL, "--tier=emulation")


def test_a_rerun_of_a_job_that_named_no_seed_has_the_same_counts_on_both_simulated_tiers(
    place: Place, job: Job
) -> None:
    local = submit(place, CELL, "--tier=local")
    for one in (job, local):
        first, second = counts(one)
        assert first != second  # two tasks of one job are two experiments
    pairs = [(one, rerun(place, one, *words)) for one, words in ((job, ()), (local, ()))]
    for one, again in pairs:
        assert counts(again) == counts(one)
    again = JobFolder(pairs[0][1].folder.path)
    assert json.loads(again.spec.read_text())["snapshot"][7:23] in pinned(again)


def test_a_rerun_elsewhere_says_where_and_under_which_calibration(place: Place, job: Job) -> None:
    counts(job)
    elsewhere, device = rerun(place, job, "--tier", "local"), rerun(place, job, "--device", "fez")
    assert (elsewhere.record.spec.tier, elsewhere.record.spec.device) == ("local", "kingston")
    latest = rerun(place, job, "--snapshot", "latest")
    assert latest.record.spec.snapshot == ""
    latest.cancel()
    for one in (elsewhere, device):
        assert [sum(found.values()) for found in counts(one)] == [300, 300]
    assert device.record.spec.device == "fez"
    assert device.record.snapshots["start"] == catalog.read_snapshot("fez").id
    told = json.loads(place.command("diff", job.id, device.id, "--json"))["differences"]
    assert [part["sentence"] for part in told if part["name"] == "device"] == [
        "One ran for kingston, the other for fez."
    ]
    refused = place.command("rerun", job.id, "--device", "fez", "--snapshot", "same", code=2)
    assert "--snapshot same is a calibration of kingston" in refused


def test_a_snapshot_that_is_gone_is_said(place: Place, job: Job) -> None:
    counts(job)
    (taken,) = pinned(job.folder).values()
    for one in (taken, CalibrationStore(place.settings.shelf).path / "kingston" / taken.name):
        one.rename(one.with_name(f".{one.name}"))
    try:
        assert "is gone: neither" in place.command("rerun", job.id, code=5)
    finally:
        for one in (taken, CalibrationStore(place.settings.shelf).path / "kingston" / taken.name):
            one.with_name(f".{one.name}").rename(one)


def test_an_interpreter_that_is_gone_is_said_with_the_ways_out(place: Place) -> None:
    job = submit(place, "x = 1")
    job.result(120)
    spec = json.loads(job.folder.spec.read_text())
    job.folder.spec.write_text(json.dumps(spec | {"python": "/nowhere/bin/python"}))
    assert "The interpreter of job" in place.command("rerun", job.id, code=5)
    for runtime in ("current", "same"):
        assert rerun(place, job, "--runtime", runtime).result(120)["x"] == 1


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Place]:
    """Whose devices may be calibrated by a test."""
    with set_up_place(tmp_path) as place:
        yield place


def calibrate(place: Place, moment: str, factor: float) -> None:
    """As the operator imports what the vendor of a device of the site's own says today: readout errs so many times as often."""
    properties = json.loads(json.dumps(catalog.read_properties("manila")))
    properties["last_update_date"] = moment
    for qubit in properties["qubits"]:
        for value in qubit:
            value["value"] *= (
                factor if value["name"] in ("readout_error", "prob_meas0_prep1", "prob_meas1_prep0") else 1
            )
    file = place.path / "today.json"
    file.write_text(json.dumps({"configuration": catalog.read_configuration("manila"), "properties": properties}))
    place.command("calibration", "our_qpu", "--import", str(file))


def test_a_rerun_under_the_latest_calibration_runs_under_it_and_the_difference_says_so(own: Place) -> None:
    calibrate(own, "2026-05-01T00:00:00+00:00", 1.0)
    (own.path / "cell.py").write_text(CELL)
    words = ("--tier=emulation", "--device=our_qpu", "--shots=300", "--wait", "--json")
    job = own.service.job(json.loads(own.command("run", "cell.py", *words))["id"])
    before = counts(job)
    then = job.record.snapshots["start"]
    calibrate(own, "2026-06-01T00:00:00+00:00", 6.0)
    latest, same = rerun(own, job, "--snapshot", "latest"), rerun(own, job)
    assert counts(same) == before
    assert counts(latest) != before
    now = latest.record.snapshots["start"]
    assert same.record.snapshots["start"] == then != now
    assert pinned(latest.folder).keys() == {now.removeprefix("sha256:")[:16]}
    facts = json.loads(own.command("diff", job.id, latest.id, "--json"))
    (snapshot,) = [part for part in facts["differences"] if part["name"] == "snapshot"]
    assert ["taken at", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"] in snapshot["rows"]
    assert "The device was calibrated in between" in facts["reason"]
