"""The same job again: identical counts for the same seeds and snapshot, in the same environment or another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qhub_ext.jobfolder.calibrations import CalibrationStore, pinned
from qhub_ext.jobfolder.layout import JobFolder
from tests.front.conftest import Place

CELL = """
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(3)
circuit.ry(1.1, [0, 1, 2]); circuit.cx(0, 1); circuit.cx(1, 2); circuit.measure_all()
isa = transpile(circuit, backend(), seed_transpiler=1)
first, second = (Sampler().run([isa]).result()[0].data.meas.get_counts() for _ in range(2))
"""


def submit(place: Place, *words: str) -> dict[str, Any]:
    file = place.path / "ghz.py"
    file.write_text(CELL)
    facts: dict[str, Any] = json.loads(place.command("run", str(file), "--wait", "--json", "--shots", "300", *words))
    return facts


def rerun(place: Place, job: str, *words: str) -> dict[str, Any]:
    again = json.loads(place.command("rerun", job, "--json", *words))
    place.command("wait", again["id"])
    facts: dict[str, Any] = json.loads(place.command("job", again["id"], "--json"))
    return facts


def counts(place: Place, job: str) -> tuple[dict[str, int], dict[str, int]]:
    got = json.loads(place.command("fetch", job, "first", "second", "--json"))
    return got["first"], got["second"]


def test_a_rerun_of_a_job_that_named_no_seed_has_the_same_counts_on_both_simulated_tiers(place: Place) -> None:
    for tier in ("local", "emulation"):
        job = submit(place, "--tier", tier)
        first, second = counts(place, job["id"])
        assert first != second  # two tasks of one job are two experiments
        again = rerun(place, job["id"])
        assert counts(place, again["id"]) == (first, second)
        assert counts(place, submit(place, "--tier", tier)["id"]) != (first, second)
    elsewhere = rerun(place, job["id"], "--tier", "local")
    assert (elsewhere["tier"], elsewhere["state"]) == ("local", "completed")
    assert "--snapshot same is a calibration of kingston" in place.command(
        "rerun", job["id"], "--device", "fez", "--snapshot", "same", code=2
    )


def test_a_rerun_is_bound_to_the_snapshot_of_then_and_says_so_when_it_is_gone(place: Place) -> None:
    job = submit(place, "--tier", "emulation")
    folder = JobFolder(Path(job["folder"]))
    (taken,) = pinned(folder).values()
    again = JobFolder(Path(rerun(place, job["id"], "--snapshot", "same")["folder"]))
    assert json.loads(again.spec.read_text())["snapshot"][7:23] in pinned(again)
    latest = JobFolder(Path(rerun(place, job["id"], "--snapshot", "latest")["folder"]))
    assert json.loads(latest.spec.read_text())["snapshot"] == ""
    for one in (taken, CalibrationStore(place.settings.shelf).path / "kingston" / taken.name):
        one.rename(one.with_name(f".{one.name}"))
    try:
        assert "is gone: neither" in place.command("rerun", job["id"], code=5)
    finally:
        for one in (taken, CalibrationStore(place.settings.shelf).path / "kingston" / taken.name):
            one.with_name(f".{one.name}").rename(one)


def test_an_interpreter_that_is_gone_is_said_with_the_ways_out(place: Place) -> None:
    job = submit(place)
    folder = JobFolder(Path(job["folder"]))
    spec = json.loads(folder.spec.read_text())
    folder.spec.write_text(json.dumps(spec | {"python": "/nowhere/bin/python"}))
    assert "The interpreter of job" in place.command("rerun", job["id"], code=5)
    assert rerun(place, job["id"], "--runtime", "current")["state"] == "completed"
    assert rerun(place, job["id"], "--runtime", "same")["state"] == "completed"
