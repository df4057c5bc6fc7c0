"""What job folders hold is published as JSON Schemas, which real folders fit; folders of earlier versions are read."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from qhub_ext.capture.command import OPTIONS, parse_words
from qhub_ext.errors import QhubError
from qhub_ext.job.state import State
from qhub_ext.jobdiff import diff_jobs
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.reproduce.lock import read_lock_text
from qhub_ext.reproduce.package import read_package, write_package
from qhub_ext.schemas import load_schema, schema_names
from qhub_ext.service import JobService
from qhub_ext.service.calibrations import calibration_of
from qhub_ext.settings import load_settings
from tests.front.conftest import Place
from tests.waiting import wait_until

OLD = Path(__file__).parents[1] / "data" / "folders"
LINES = {"journal": "qhub.event/1", "outputs.jsonl": "qhub.output/1", "device.jsonl": "qhub.event/1"}
NAMED = {"launch.json": "qhub.launch/1", "exit.json": "qhub.exit/1"}


def documents(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """(path, schema, document) of all that is JSON of ours: spans are OTLP's, notebooks are nbformat's."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).as_posix()
        if path.suffix == ".jsonl" and path.parent.name != "spans":
            name = LINES.get(path.name) or LINES[path.parent.name]
            yield from ((inside, name, json.loads(line)) for line in path.read_text().splitlines())
        elif path.name.endswith((".json", ".json.gz")):
            data = path.read_bytes()
            document = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
            yield inside, NAMED.get(path.name) or str(document["schema"]), document


def misfits(folder: Path) -> tuple[list[str], set[str]]:
    found, seen = [], set()
    for inside, name, document in documents(folder):
        seen.add(name)
        schema = load_schema(name)
        errors = Draft202012Validator(schema).iter_errors(document)
        found += [f"{inside}: {error.json_path}: {error.message[:200]}" for error in errors]
        if name not in ("qhub.event/1", "qhub.output/1", "qhub.launch/1"):
            unknown = set(document) - set(schema["properties"])
            found += [f"{inside}: {key} is not in the schema {name}" for key in sorted(unknown)]
    return found, seen


@pytest.mark.parametrize("name", schema_names())
def test_each_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(load_schema(name))
    assert load_schema(name)["title"] == name


def test_all_that_a_job_writes_fits_its_schema(place: Place) -> None:
    service = place.service
    request, _ = parse_words(["--tier=emulation", "--shots=100", "--device=manila_v2"], None, OPTIONS)
    from qiskit import QuantumCircuit

    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    cell = (
        "from qiskit import transpile\nfrom qhub_ext import Sampler, backend\nprint(1)\n"
        "counts = Sampler().run([transpile(bell, backend())]).result()[0].data.meas.get_counts()\n1 / 0"
    )
    job = service.submit(service.draft(request, cell, {"bell": bell}))
    assert job.wait(120).state is State.FAILED
    wait_until(job.folder.attempt(1).exit.exists, what="what the launcher writes last")
    found, seen = misfits(job.folder.path)
    assert found == []
    assert seen == set(schema_names()) - {"qhub.profile/1", "qhub.baseline/1", "qhub.site-check/1"}


@pytest.mark.parametrize("version", sorted(p.name for p in OLD.iterdir()))
def test_folders_of_earlier_versions_are_read_and_run_again(version: str, tmp_path: Path, place: Place) -> None:
    (source,) = (OLD / version).iterdir()
    assert misfits(source)[0] == []
    environment = {k: v for k, v in place.environment.items() if k.startswith("QHUB_")}
    service = JobService(load_settings(environment | {"QHUB_SHELF": str(tmp_path / "jobs")}, []))
    shutil.copytree(source, tmp_path / "jobs" / source.name)
    (tmp_path / "jobs" / source.name).chmod(0o700)
    job = service.job("bell pair")
    assert job.record.state is State.COMPLETED
    assert job["counts"] == {"00": 197, "01": 7, "11": 193, "10": 3}
    assert job.logs().startswith("402\n")
    calibration = calibration_of(job.folder, job.record)
    assert (calibration.missing, len(calibration.tasks)) == ((), 1)
    lock = read_lock_text(job.folder.lock.read_bytes(), "it")
    assert lock.versions["qiskit"] == "2.6.2"
    assert "nothing failed" in str(service.explain(job.id))
    packed = tmp_path / "old.zip"
    write_package(job.folder, packed, {})
    assert read_package(packed, tmp_path / "elsewhere") == job.id
    with pytest.raises(QhubError, match="The interpreter of job"):
        service.rerun(job.id)
    again = service.rerun(job.id, runtime="current")
    record = again.wait(120)
    if (
        record.attempt.cause == "environment"
    ):  # after the next minor version of qiskit: refused, and not run with wrong values
        assert "qiskit" in record.attempt.message
    else:
        assert sum(again["counts"].values()) == 400
        (counts,) = [r for r in diff_jobs(job, again).facts["results"] if r["name"] == "counts"]
        assert counts["verdict"] in ("identical", "explained")


def test_a_folder_of_a_newer_version_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    from qhub_ext.jobfolder.outcome import read_spec

    (source,) = (OLD / "v1").iterdir()
    shutil.copytree(source, tmp_path / source.name)
    folder = JobFolder(tmp_path / source.name)
    spec = json.loads(folder.spec.read_text())
    folder.spec.write_text(json.dumps(spec | {"invented_later": {"x": 1}}))
    assert read_spec(folder).id == source.name
    folder.spec.write_text(json.dumps(spec | {"schema": "qhub.job/2"}))
    with pytest.raises(QhubError, match=r"newer version of qhub_ext \(qhub.job/2\); this one reads qhub.job/1"):
        read_spec(folder)
    assert [s.id for s in Shelf(tmp_path).summaries()] in ([], [source.name])
