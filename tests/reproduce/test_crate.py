"""A job goes to somebody else: a valid crate without secrets, refused when it was changed, and with the same counts in a rerun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhub_ext.errors import QhubError
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.reproduce.package import MANIFEST, METADATA, known_secrets, read_package
from qhub_ext.reproduce.uv import run_uv
from tests.front.conftest import Place, set_up_place
from tests.waiting import wait_until

CELL = """
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(2)
circuit.h(0); circuit.cx(0, 1); circuit.measure_all()
counts = Sampler().run([transpile(circuit, backend(), seed_transpiler=1)]).result()[0].data.meas.get_counts()
"""
SECRET = "qc-4f9b1e2d-planted"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Of somebody whose environment holds a token and an index with a password."""
    index = f"https://me:{SECRET}@127.0.0.1:9/simple"
    with set_up_place(tmp_path_factory.mktemp("crate"), QISKIT_IBM_TOKEN=SECRET, PIP_INDEX_URL=index) as place:
        yield place


@pytest.fixture(scope="module")
def crate(place: Place) -> tuple[dict[str, Any], Path]:
    """The facts of a job, and the crate of it."""
    file = place.path / "bell.py"
    file.write_text(CELL)
    job = json.loads(place.command("run", str(file), "--tier", "emulation", "--shots", "500", "--wait", "--json"))
    wait_until(JobFolder(Path(job["folder"])).lock.exists, what="the lock")
    target = place.path / "bell.crate.zip"
    assert "Wrote" in place.command(
        "export", job["id"], "--crate", "-o", str(target), "--licence", "https://spdx.org/licenses/CC-BY-4.0"
    )
    return job, target


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """rocrate-validator, in an environment of its own since it asks for an older rich."""
    folder = tmp_path_factory.mktemp("validator")
    python = str(folder / "venv" / "bin" / "python")
    for words in (
        ["venv", "-q", "--python", sys.executable, str(folder / "venv")],
        ["pip", "install", "-q", "--python", python, "roc-validator==0.13.0", "rocrate==0.14.0"],
    ):
        done = run_uv(words)
        assert done.returncode == 0, done.stderr
    seed = Path(__file__).with_name("seed_crate_context.py")
    subprocess.run([python, str(seed), str(folder / "cache")], check=True)
    command = [str(Path(python).with_name("rocrate-validator")), "-y", "--disable-color", "validate"]
    return [
        *command,
        "--offline",
        "--cache-path",
        str(folder / "cache"),
        "-p",
        "workflow-run-crate-0.5",
        "--output-format",
        "json",
    ]


@pytest.mark.slow
def test_a_crate_is_valid_for_the_profile_and_names_everything(
    crate: tuple[dict[str, Any], Path], validator: list[str], tmp_path: Path
) -> None:
    with zipfile.ZipFile(crate[1]) as archive:
        archive.extractall(tmp_path / "crate")
        names = set(archive.namelist())
    done = subprocess.run(
        [*validator, str(tmp_path / "crate")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    report = json.loads(done.stdout[done.stdout.index("{") :])
    found = [(issue["check"]["identifier"], issue["message"], issue["violatingEntity"]) for issue in report["issues"]]
    assert (done.returncode, found) == (0, []), json.dumps(found, indent=1)
    document = json.loads((tmp_path / "crate" / METADATA).read_text())
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert {f"job/{name}" for name in ("cell.py", "pylock.toml", "runtime.json", "attempts/1/outcome.json")} <= set(
        entities
    )
    assert {name for name in names if name.startswith("job/")} == {i for i, e in entities.items() if "sha256" in e}
    (calibration,) = [e for e in entities.values() if "prov:generatedAtTime" in e]
    assert calibration["identifier"].startswith("sha256:")
    assert {"@id": calibration["@id"]} in entities["#run"]["prov:used"]
    assert any("spans/" in one["@id"] for one in entities["#run"]["result"])
    checked = subprocess.run(
        ["sha256sum", "-c", "--quiet", MANIFEST], cwd=tmp_path / "crate", capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


READ = """
import json, sys
from rocrate.rocrate import ROCrate
crate = ROCrate(sys.argv[1])
run = crate.dereference("#run")
crate.write(sys.argv[2])
print(json.dumps({
    "name": crate.name, "main": crate.mainEntity.id, "language": crate.mainEntity["programmingLanguage"]["name"],
    "instrument": run["instrument"].id, "agent": run["agent"]["name"], "status": run["actionStatus"],
    "used": [one["identifier"] for one in run["prov:used"] if "identifier" in one], "results": [one.id for one in run["result"]],
    "files": sorted(one.id for one in crate.data_entities if "File" in one.type),
}))
"""


@pytest.mark.slow
def test_a_crate_is_read_by_the_library_that_others_use(
    crate: tuple[dict[str, Any], Path], validator: list[str], tmp_path: Path
) -> None:
    with zipfile.ZipFile(crate[1]) as archive:
        archive.extractall(tmp_path / "crate")
    python = Path(validator[0]).with_name("python")
    words = [str(python), "-c", READ, str(tmp_path / "crate"), str(tmp_path / "copy")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["main"], told["instrument"], told["language"]) == ("job/cell.py", "job/cell.py", "Python")
    assert told["status"] == "http://schema.org/CompletedActionStatus"
    (calibration,) = told["used"]
    assert calibration.startswith("sha256:")
    assert "job/attempts/1/outcome.json" in told["results"]
    copied = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*")}
    assert set(told["files"]) <= copied
    assert (tmp_path / "copy" / "job" / "cell.py").read_text() == CELL


def test_no_secret_is_in_it(crate: tuple[dict[str, Any], Path], place: Place) -> None:
    with zipfile.ZipFile(crate[1]) as archive:
        for name in archive.namelist():
            assert SECRET.encode() not in archive.read(name), name
    file = place.path / "careless.py"
    file.write_text(f"token = {SECRET!r}")
    job = json.loads(place.command("run", str(file), "--wait", "--json"))
    told = place.command("export", job["id"], "-o", str(place.path / "careless.zip"), code=2)
    assert "cell.py holds the value of $QISKIT_IBM_TOKEN: nothing was exported." in told
    assert SECRET not in told
    assert not (place.path / "careless.zip").exists()
    secrets = place.path / "kingston"
    secrets.write_text("QRMI_IBM_QCS_IAM_APIKEY=abcdefghij\nSHORT=x\n")
    assert known_secrets({}, (secrets,)) == {"abcdefghij": f"QRMI_IBM_QCS_IAM_APIKEY in {secrets}"}


def test_somebody_else_imports_it_and_has_the_same_counts_in_a_rerun(
    crate: tuple[dict[str, Any], Path], place: Place, tmp_path: Path
) -> None:
    job, file = crate
    counts = json.loads(place.command("fetch", job["id"], "counts", "--json"))
    there = Place(
        place.path,
        {**place.environment, "QHUB_SHELF": str(tmp_path / "their jobs"), "QHUB_CACHE": str(tmp_path / "cache")},
    )
    told = there.command("import", str(file))
    assert "is on your shelf" in told
    assert "runs code of whoever made it" in told
    folder = JobFolder(tmp_path / "their jobs" / job["id"])
    assert os.stat(folder.path).st_mode & 0o777 == 0o700
    assert json.loads(there.command("fetch", job["id"], "counts", "--json")) == counts
    again = json.loads(there.command("rerun", job["id"], "--json"))
    there.command("wait", again["id"])
    assert json.loads(there.command("fetch", again["id"], "counts", "--json")) == counts
    assert "on your shelf already" in there.command("import", str(file), code=2)
    assert [j["id"] for j in json.loads(there.command("jobs", "--json"))] == [again["id"], job["id"]]


def changed(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def rewrite(files: dict[str, bytes], name: str, data: bytes) -> None:
    """As somebody does who also puts the new hash into the manifest."""
    import hashlib

    files[name] = data
    lines = [line for line in files[MANIFEST].decode().splitlines() if not line.endswith(f"  {name}")]
    files[MANIFEST] = "\n".join([*lines, f"{hashlib.sha256(data).hexdigest()}  {name}", ""]).encode()


CHANGES: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "another cell": (
        lambda f: f.update({"job/cell.py": b"import os"}),
        "job/cell.py is not what was exported (its hash differs)",
    ),
    "another crate": (lambda f: f.update({METADATA: b"{}"}), f"{METADATA} is not what was exported"),
    "one more": (lambda f: f.update({"job/evil.py": b""}), "job/evil.py was added"),
    "one less": (lambda f: f.pop("job/pylock.toml") and None, "job/pylock.toml is missing"),
    "outside": (lambda f: rewrite(f, "job/../../evil", b""), "is no place in a job folder"),
    "absolute": (lambda f: rewrite(f, "/tmp/evil", b""), "is no place in a job folder"),
    "hidden": (lambda f: rewrite(f, "job/.generation", b""), "is no place in a job folder"),
    "no manifest": (lambda f: f.pop(MANIFEST) and None, "is not a package of a job"),
    "a newer version": (
        lambda f: rewrite(f, "job/spec.json", f["job/spec.json"].replace(b"qhub.job/1", b"qhub.job/9")),
        "was written by a newer version (qhub.job/9)",
    ),
    "no id": (lambda f: rewrite(f, "job/spec.json", b'{"schema": "qhub.job/1", "id": "../x"}'), "the job's id is none"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_package_that_was_changed_is_refused_with_the_name_of_the_file(
    crate: tuple[dict[str, Any], Path], tmp_path: Path, what: str
) -> None:
    change, says = CHANGES[what]
    file = changed(crate[1], tmp_path / "changed.zip", change)
    with pytest.raises(QhubError) as caught:
        read_package(file, tmp_path / "jobs")
    assert says in str(caught.value)
    assert not any((tmp_path / "jobs").iterdir()) if (tmp_path / "jobs").exists() else True
    assert not (tmp_path / "evil").exists()


@given(st.binary(max_size=300))
def test_any_file_is_imported_or_refused_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "x.zip").write_bytes(data)
    with pytest.raises(QhubError, match=r"is not a package of a job"):
        read_package(folder / "x.zip", folder / "jobs")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@settings(max_examples=50)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4))
def test_a_package_with_any_byte_changed_is_imported_as_it_was_or_refused_in_a_sentence(
    crate: tuple[dict[str, Any], Path],
    tmp_path_factory: pytest.TempPathFactory,
    method: int,
    flips: list[tuple[float, int]],
) -> None:
    folder = tmp_path_factory.mktemp("flips")
    with zipfile.ZipFile(crate[1]) as whole, zipfile.ZipFile(folder / "x.zip", "w", method) as packed:
        contents = {name: whole.read(name) for name in whole.namelist()}
        for name, content in contents.items():
            packed.writestr(name, content)
    data = bytearray((folder / "x.zip").read_bytes())
    for place, change in flips:
        data[int(place * len(data))] ^= change
    (folder / "x.zip").write_bytes(data)
    try:
        job_id = read_package(folder / "x.zip", folder / "jobs")
    except QhubError:
        assert not (folder / "jobs").exists() or not any((folder / "jobs").iterdir())
    else:
        assert (folder / "jobs" / job_id / "cell.py").read_bytes() == contents["job/cell.py"]


def test_what_cannot_be_imported_or_exported_is_said(
    place: Place, tmp_path: Path, crate: tuple[dict[str, Any], Path]
) -> None:
    for path, says in ((tmp_path / "none.zip", "There is no file"), (tmp_path, "is a folder")):
        with pytest.raises(QhubError, match=says):
            read_package(path, tmp_path / "jobs")
    assert "cannot be written" in place.command("export", crate[0]["id"], "-o", "/nowhere/x.zip", code=2)
