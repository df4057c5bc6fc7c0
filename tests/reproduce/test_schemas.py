"""What job folders hold is published as JSON Schemas, which real folders fit; folders of earlier versions are read."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import signal
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from jsonschema import Draft202012Validator

import qhub_ext
from qhub_ext.capture.command import parse_words
from qhub_ext.capture.options import OPTIONS
from qhub_ext.errors import QhubError
from qhub_ext.job.state import State
from qhub_ext.jobdiff import diff_jobs
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.reproduce.lock import read_lock_text
from qhub_ext.reproduce.package import read_package, write_package
from qhub_ext.schemas import load_schema, schema_names
from qhub_ext.service import JobService
from qhub_ext.service.again import Changes, draft_again
from qhub_ext.service.calibrations import calibration_of
from qhub_ext.sites.embedded import site as site_module
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.sites.embedded.table import TableJob
from qhub_ext.telemetry.unsent import Unsent
from qhub_ext.tiers import catalog
from qhub_ext.tiers.device_summary import DeviceSummary
from tests.front.conftest import Place, set_up_place
from tests.waiting import wait_until

OLD = Path(__file__).parents[1] / "data" / "folders"
LINES = {"journal": "qhub.event/1", "outputs.jsonl": "qhub.output/1", "device.jsonl": "qhub.event/1"}
NAMED = {"launch.json": "qhub.launch/1", "exit.json": "qhub.exit/1"}
UNTITLED = {*LINES.values(), *NAMED.values()}
"""Of these the file's name tells the kind, and not the document."""
ELSEWHERE = Path(__file__).parents[1] / "data" / "kinds" / "v1"
"""A document as the first version wrote it, of each kind that is found elsewhere than in every job folder."""
BASELINE = Path(__file__).parents[1] / "data" / "baselines" / "v1.json"


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
            yield inside, NAMED.get(path.name) or kind_of(document), document
        elif path.name == "pylock.toml":
            yield inside, "qhub.lock/1", tomllib.loads(path.read_text())["tool"]["qhub"]


def kind_of(document: Any) -> str:
    return str((document.get("key") or document)["schema"])


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
    wait_until(job.folder.lock.exists, within_s=120, what="the lock")
    found, seen = misfits(job.folder.path)
    assert found == []
    others = {kind_of(json.loads(path.read_text())) for path in (*ELSEWHERE.iterdir(), BASELINE)}
    assert seen == set(schema_names()) - others


def test_every_kind_that_the_package_names_has_a_schema_and_there_is_none_of_any_other() -> None:
    package = Path(qhub_ext.__file__).parent
    named: set[str] = set()
    for path in package.rglob("*"):
        if path.suffix in (".py", ".yaml", ".toml", ".md", ".sql") and path.parent.name != "schemas":
            named |= set(re.findall(r"qhub\.[a-z][a-z-]*/[0-9]+", path.read_text("utf-8")))
    assert named | UNTITLED == set(schema_names())
    assert not named & UNTITLED


def test_there_is_a_document_of_an_earlier_version_of_every_kind() -> None:
    kept = {kind_of(json.loads(path.read_text())) for path in (*ELSEWHERE.iterdir(), BASELINE)}
    for version in OLD.iterdir():
        for folder in version.iterdir():
            kept |= misfits(folder)[1]
    assert kept == set(schema_names())


@pytest.mark.parametrize("name", sorted(path.name for path in ELSEWHERE.iterdir()))
def test_documents_of_earlier_versions_fit_their_schemas(name: str) -> None:
    document = json.loads((ELSEWHERE / name).read_text())
    Draft202012Validator(load_schema(kind_of(document))).validate(document)


def test_what_the_site_s_clients_and_caches_wrote_earlier_is_read(tmp_path: Path, place: Place) -> None:
    letters = {name: json.loads((ELSEWHERE / f"{name}.json").read_text()) for name in ("submission", "request")}
    (job,) = letters["submission"]["jobs"]
    assert TableJob.from_json({**job, "invented_later": 1}).to_json() == {**job, "after": (), "unmet": ()}
    assert TableJob.from_json({"id": "a-b", "path": "/x"}).attempt == 1  # of a version before there were other fields
    again = TableJob.from_json(letters["request"]["jobs"][job["id"]])
    assert (again.id, again.attempt) == (job["id"], 2)
    (device,) = json.loads((ELSEWHERE / "catalog.json").read_text())["devices"]
    assert DeviceSummary.from_json(device).qubits == 5
    (source,) = (OLD / "v1").glob("*-jtn0zg")
    shutil.copytree(source, tmp_path / source.name)
    folder = JobFolder(tmp_path / source.name)
    lines = sum(len(batch) for batch, _ in Unsent(folder).batches())
    told = json.loads((ELSEWHERE / "exported.json").read_text())
    runner = folder.attempt(1).spans / "runner.jsonl"
    told["bytes"] = {"attempts/1/spans/runner.jsonl": runner.stat().st_size}
    folder.exported.write_text(json.dumps(told))
    assert sum(len(batch) for batch, _ in Unsent(folder).batches()) == lines - len(runner.read_bytes().splitlines())


@pytest.fixture
def stopped_place(tmp_path: Path) -> Iterator[Place]:
    """Its daemon is stopped: nobody takes the letters away."""
    with set_up_place(tmp_path, QHUB_EMBEDDED_TEMPLATE="0", QHUB_EMBEDDED_WARM_KERNELS="0") as place:
        site = EmbeddedSite(place.settings)
        site.spool.prepare()
        site.daemon.start()
        daemon = wait_until(lambda: site.spool.daemon_lives() and site.daemon.process(), what="the daemon")
        daemon.send(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(daemon.pid).status() == psutil.STATUS_STOPPED, what="that it stops")
        yield place


def test_what_clients_caches_and_exports_write_fits_its_schema(
    tmp_path: Path, stopped_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_module, "SETTLE_S", 0.0)  # it would wait for the daemon
    service, site = stopped_place.service, EmbeddedSite(stopped_place.settings)
    job = service.submit(service.draft(parse_words([], None, OPTIONS)[0], "x = 1"))
    assert site.hold([job.id]) == []
    for _, arrived in Unsent(job.folder).batches():
        arrived()
    catalog._kept(tmp_path / "cache").write([catalog.describe("manila"), catalog.describe("kingston")])
    paths = [*site.spool.incoming.iterdir(), *site.spool.requests.iterdir(), job.folder.exported]
    found = {}
    for path in (*paths, tmp_path / "cache" / "devices.json"):
        document = json.loads(path.read_text())
        found[kind_of(document)] = document
        Draft202012Validator(load_schema(kind_of(document))).validate(document)
    assert set(found) == {"qhub.submission/1", "qhub.request/1", "qhub.exported/1", "qhub.catalog/2"}
    known = load_schema("qhub.submission/1")["$defs"]["job"]["properties"]
    assert set(found["qhub.submission/1"]["jobs"][0]) == set(known)
    assert set(found["qhub.catalog/2"]["devices"][0]) == set(
        load_schema("qhub.catalog/2")["$defs"]["device"]["properties"]
    )


def old_shelf(tmp_path: Path, version: str, place: Place) -> JobService:
    """All that is kept of a version, on a shelf of its own."""
    shelf = tmp_path / "jobs"
    shutil.copytree(OLD / version, shelf)
    for folder in (shelf, *(path for path in shelf.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    return replace(place, environment={**place.environment, "QHUB_SHELF": str(shelf)}).service


@pytest.mark.parametrize("folder", sorted(OLD.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_all_that_earlier_versions_wrote_fits_the_schemas(folder: Path) -> None:
    assert misfits(folder)[0] == []


@pytest.mark.parametrize("version", sorted(p.name for p in OLD.iterdir()))
def test_jobs_of_earlier_versions_that_ended_otherwise_are_told_exported_and_drafted_again(
    version: str, tmp_path: Path, place: Place
) -> None:
    service = old_shelf(tmp_path, version, place)
    listed = {summary.name: (summary.state, summary.tier, summary.size) for summary in service.jobs()}
    assert listed == {
        "bell pair": ("completed", "emulation", None), "fails": ("failed", "local", None),
        "on a virtual QPU": ("completed", "qpu", None), "sweep": ("failed", "local", 3), "notebook": ("failed", "local", None),
    }  # fmt: skip
    failed = service.job("fails")
    assert failed.record.attempt.cause == "code"
    assert "ZeroDivisionError" in str(service.explain(failed.id))
    assert failed.logs().startswith("before\n")
    qpu = service.job("on a virtual QPU")
    assert sum(qpu["counts"].values()) == 100
    (task,) = calibration_of(qpu.folder, qpu.record).tasks
    assert task.snapshots
    assert any(row for row in qpu.trace().rows)
    sweep = service.job("sweep")
    assert [element.record.state.value for element in sweep.elements] == ["completed", "failed", "completed"]
    assert sweep.elements[2]["y"] == 9
    notebook = service.job("notebook")
    assert notebook.record.spec.kind == "notebook"
    cells = json.loads(notebook.folder.attempt(1).notebook.read_text())["cells"]
    assert [len(cell.get("outputs", ())) for cell in cells] == [0, 1, 1]
    for job in (failed, qpu, sweep, notebook):
        packed = tmp_path / f"{job.id}.zip"
        write_package(job.folder, packed, {})
        assert read_package(packed, tmp_path / "elsewhere") == job.id
        again = draft_again(job.folder, service.settings, Changes(runtime="current"))
        assert (again.spec.rerun_of, again.spec.size, again.spec.kind) == (job.id, job.size, job.record.spec.kind)
    assert "The cells differ" in diff_jobs(failed, qpu).facts["differences"][0]["sentence"]


@pytest.mark.parametrize("version", sorted(p.name for p in OLD.iterdir()))
def test_folders_of_earlier_versions_are_read_and_run_again(version: str, tmp_path: Path, place: Place) -> None:
    service = old_shelf(tmp_path, version, place)
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

    (source,) = (OLD / "v1").glob("*-jtn0zg")
    shutil.copytree(source, tmp_path / source.name)
    folder = JobFolder(tmp_path / source.name)
    spec = json.loads(folder.spec.read_text())
    folder.spec.write_text(json.dumps(spec | {"invented_later": {"x": 1}}))
    assert read_spec(folder).id == source.name
    folder.spec.write_text(json.dumps(spec | {"schema": "qhub.job/2"}))
    with pytest.raises(QhubError, match=r"newer version of qhub_ext \(qhub.job/2\); this one reads qhub.job/1"):
        read_spec(folder)
    assert [s.id for s in Shelf(tmp_path).summaries()] in ([], [source.name])
