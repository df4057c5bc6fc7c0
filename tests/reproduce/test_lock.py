"""The lock of an environment: valid, complete, quick, without an address of anybody's own index, and once for all jobs."""

from __future__ import annotations

import contextlib
import json
import platform
import subprocess
import sys
import sysconfig
import tomllib
from dataclasses import replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.pylock import Pylock

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import LockStore, attach, lock_of
from qhub_ext.reproduce.environments import build
from qhub_ext.reproduce.giving import give_lock
from qhub_ext.reproduce.hashes import _choose, file_hashes
from qhub_ext.reproduce.installed import Installed, Source, read_installed, same_wheel, wheel_names, without_credentials
from qhub_ext.reproduce.lock import File, Interpreter, public_address, read_lock_text, render_lock
from qhub_ext.reproduce.locking import make_lock
from qhub_ext.reproduce.toml_text import toml_value
from tests.front.conftest import Place
from tests.waiting import wait_until

HERE = Interpreter("3.11.7", "CPython", "linux-x86_64", "linux", "x86_64")
HASH = "0" * 64


def parsed(text: str | bytes) -> dict[str, Any]:
    record = tomllib.loads(text if isinstance(text, str) else text.decode())
    Pylock.from_dict(record).validate()
    return record


def test_the_lock_of_this_environment_is_valid_and_has_every_package_by_hash() -> None:
    text = make_lock(sys.path)
    record = parsed(text)
    found = {package["name"]: package for package in record["packages"]}
    assert found["qiskit"]["version"]
    assert len(found["qiskit"]["wheels"]) == 1
    assert [name for name, package in found.items() if "sdist" in package] == []  # all were installed from wheels
    assert found["qhub-ext"]["directory"]["editable"] is True
    assert not record["tool"]["qhub"].get("without_hash")
    assert {p.name for p in read_installed(sys.path)} == set(found)
    assert make_lock(sys.path) == text


def test_no_address_but_the_public_ones_is_in_a_lock() -> None:
    named = {word.split("/")[2] for word in make_lock(sys.path).decode().split('"') if "://" in word}
    assert named <= {"pypi.org", "files.pythonhosted.org"}
    place = "/packages/aa/bb/" + "c" * 60 + "/thing-1.0-py3-none-any.whl"
    assert (
        public_address(f"https://user:secret@mirror.example/root{place}?token=1")
        == f"https://files.pythonhosted.org{place}"
    )
    assert public_address("https://private.example/wheels/ours-1.0-py3-none-any.whl") is None
    files = {"ours": File("ours-1.0-py3-none-any.whl", "https://private.example/ours-1.0-py3-none-any.whl", HASH)}
    record = parsed(render_lock(HERE, [Installed("ours", "1.0", Source("index"))], files))
    assert record["packages"][0]["wheels"][0]["path"] == "wheels/ours-1.0-py3-none-any.whl"
    assert "private" not in json.dumps(record)


def test_a_lock_made_beside_a_folder_of_wheels_names_public_addresses_and_is_built_where_there_is_no_such_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an empty cache of uv on both sides, as on another machine."""
    version = version_of("idna")
    wheels = tmp_path / "wheels"
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(wheels), f"idna=={version}"]
    subprocess.run(download, check=True)
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    package = Installed("idna", version, Source("index"), "uv", (f"idna-{version}-py3-none-any.whl",))
    found = file_hashes([package], sys.executable)
    assert public_address(found["idna"].url) is not None
    interpreter = replace(HERE, python=platform.python_version(), platform=sysconfig.get_platform())
    text = render_lock(interpreter, [package], found)
    assert "wheels/idna" not in text
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache there"))
    python = build(text.encode(), "it", tmp_path / "environments")
    subprocess.run([python, "-c", "import idna"], check=True)


def distribution(folder: Path, name: str, direct: dict[str, Any] | None, installer: str = "pip") -> None:
    place = folder / f"{name}-1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (place / "INSTALLER").write_text(f"{installer}\n")
    (place / "WHEEL").write_text("Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n")
    if direct is not None:
        (place / "direct_url.json").write_text(json.dumps(direct))


def test_what_pip_uv_and_conda_installed_is_told_apart(tmp_path: Path) -> None:
    distribution(tmp_path, "plain", None)
    distribution(tmp_path, "of_conda", None, installer="conda")
    distribution(tmp_path, "mine", {"url": f"file://{tmp_path}/my%20tree", "dir_info": {"editable": True}}, "uv")
    distribution(tmp_path, "copied", {"url": f"file://{tmp_path}/copied", "dir_info": {}})
    git = {"vcs": "git", "commit_id": "a" * 40, "requested_revision": "main"}
    distribution(tmp_path, "cloned", {"url": "https://me:s3cret@git.example/x.git", "vcs_info": git})
    archive = {"url": "https://git.example/x-1.0.tar.gz?token=s3cret", "archive_info": {"hash": f"sha256={HASH}"}}
    distribution(tmp_path, "packed", archive)
    distribution(tmp_path, "unknown", {"url": "https://git.example/y.tar.gz", "archive_info": {}})
    packages = read_installed([str(tmp_path)])
    assert {p.name: p.source.kind for p in packages} == {
        "plain": "index", "of-conda": "conda", "mine": "editable", "copied": "directory",
        "cloned": "git", "packed": "archive", "unknown": "archive",
    }  # fmt: skip
    text = render_lock(HERE, packages, {})
    record = parsed(text)
    found = {package["name"]: package for package in record["packages"]}
    assert found["mine"]["directory"] == {"path": f"{tmp_path}/my tree", "editable": True}
    assert found["cloned"]["vcs"] == {
        "type": "git", "url": "https://git.example/x.git", "requested-revision": "main", "commit-id": "a" * 40,
    }  # fmt: skip
    assert found["packed"]["archive"] == {"url": "https://git.example/x-1.0.tar.gz", "hashes": {"sha256": HASH}}
    assert record["tool"]["qhub"]["without_hash"] == {"plain": "1.0", "unknown": "1.0"}
    assert "s3cret" not in text
    asked = {wanted.name: wanted.requirement for wanted in read_lock_text(text.encode(), "it").packages}
    assert asked["cloned"] == f"cloned @ git+https://git.example/x.git@{'a' * 40}"
    assert asked["mine"] == f"-e {tmp_path}/my tree"


def test_the_file_name_of_a_wheel_follows_from_its_tags() -> None:
    tags = ["cp311-cp311-manylinux_2_27_x86_64", "cp311-cp311-manylinux_2_28_x86_64"]
    (name,) = wheel_names("My.Package", "1.0", tags)
    assert name == "My_Package-1.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
    assert same_wheel(name, "my_package-1.0-cp311-cp311-manylinux_2_28_x86_64.manylinux_2_27_x86_64.whl")
    assert not same_wheel(name, "my_package-1.1-cp311-cp311-manylinux_2_28_x86_64.manylinux_2_27_x86_64.whl")
    assert list(wheel_names("x", "1", [])) == []


@pytest.mark.parametrize(
    ("tags", "chosen"),
    [
        (("py3-none-any",), "thing-1.0-py2.py3-none-manylinux1_x86_64.whl"),  # its metadata says less than its name
        (
            ("py3-none-manylinux_2_5_x86_64", "py3-none-manylinux1_x86_64"),
            "thing-1.0-py2.py3-none-manylinux1_x86_64.whl",
        ),
        (("cp311-cp311-manylinux_2_28_x86_64",), "thing-1.0-cp311-abi3-manylinux_2_28_x86_64.whl"),
        (("cp311-cp311-linux_x86_64",), "thing-1.0.tar.gz"),  # built here
        ((), "thing-1.0.tar.gz"),
    ],
)
def test_the_file_of_an_installed_package_is_its_wheel_though_its_makers_tagged_it_otherwise(
    tags: tuple[str, ...], chosen: str
) -> None:
    wheels = ["thing-1.0-py2.py3-none-manylinux1_x86_64.whl", "thing-1.0-cp311-abi3-manylinux_2_28_x86_64.whl"]

    def listed(name: str) -> dict[str, Any]:
        return {"name": name, "url": f"https://index.example/{name}", "hashes": {"sha256": HASH}}

    package = Installed("thing", "1.0", Source("index"), "uv", tuple(wheel_names("thing", "1.0", tags)))
    found = _choose(package, {"wheels": [listed(w) for w in wheels], "sdist": listed("thing-1.0.tar.gz")})
    assert found is not None
    assert found.name == chosen


def test_addresses_lose_what_could_be_a_secret() -> None:
    assert without_credentials("https://u:p@host.example:8443/a/b?token=x#y") == "https://host.example:8443/a/b"
    assert without_credentials("ssh://git@host.example/a.git") == "ssh://host.example/a.git"


@given(st.text())
def test_any_text_survives_in_toml(text: str) -> None:
    sendable = text.encode("utf-8", "replace").decode()
    assert tomllib.loads(f"a = {toml_value(text)}")["a"] == sendable


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_a_lock_of_a_stranger_is_read_or_refused_in_a_sentence(text: bytes) -> None:
    for one in (text, b'lock-version = "1.0"\n' + text):
        with contextlib.suppress(JobFolderError):
            read_lock_text(one, "it")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('name = "a b"', "no package"),
        ('name = "x"\nversion = "1; rm"', "no package"),
        ('name = "x"\nversion = "1"', "no file"),
        ('name = "x"\nversion = "1"\nwheels = [{hashes = {sha256 = "zz --index-url=y"}}]', "a hash that is none"),
        ('name = "x"\ndirectory = {path = "a\\n--index-url=y"}', "a place that is none"),
        ('name = "x"\nvcs = {url = "y", commit-id = "HEAD --x"}', "no commit"),
    ],
)
def test_nothing_of_a_lock_reaches_a_command_line_unchecked(entry: str, says: str) -> None:
    with pytest.raises(JobFolderError, match=says):
        read_lock_text(f'lock-version = "1.0"\n[[packages]]\n{entry}\n'.encode(), "it")


def test_a_lock_of_a_newer_kind_says_so() -> None:
    with pytest.raises(JobFolderError, match=r"version 2.0; this version of qhub_ext reads 1.x"):
        read_lock_text(b'lock-version = "2.0"\n', "it")


def test_one_lock_on_the_shelf_serves_all_jobs_and_outlives_it(tmp_path: Path) -> None:
    store, state = LockStore(tmp_path), "a" * 32
    assert store.find(state) is None
    place = store.put(b"one", state)
    assert store.put(b"one", "b" * 32) == place == store.find(state)
    folders = [JobFolder(tmp_path / name) for name in ("x", "y")]
    for folder in folders:
        folder.path.mkdir()
        attach(place, folder)
        attach(place, folder)
    assert place.stat().st_nlink == 3
    place.unlink()
    assert store.find(state) is None
    assert lock_of(folders[0]) == folders[0].lock
    assert store.find("../../etc/passwd") is None


def test_a_job_has_its_lock_soon_after_the_first_submission_and_at_once_from_then_on(place: Place) -> None:
    file = place.path / "nothing.py"
    file.write_text("x = 1")
    first = json.loads(place.command("run", str(file), "--wait", "--json"))
    folder = JobFolder(Path(first["folder"]))
    wait_until(folder.lock.exists, what="the lock")
    parsed(folder.lock.read_bytes())
    second = JobFolder(Path(json.loads(place.command("run", str(file), "--json"))["folder"]))
    wait_until(second.lock.exists, what="the lock of the second")  # at once, but for an installation between the two
    assert second.lock.samefile(folder.lock)
    ran = json.loads((folder.attempt(1).runtime).read_text())
    assert ran["drift"] == {"verdict": "same", "differences": []}
    assert ran["machine"]["cpus"] >= 1


def test_each_shelf_of_a_process_gets_the_lock_of_the_same_environment(tmp_path: Path) -> None:
    runtime = {"state": "c" * 32, "executable": sys.executable}
    jobs = [JobFolder(tmp_path / shelf / "job") for shelf in ("one", "other")]
    for job in jobs:
        job.path.mkdir(parents=True)
        job.runtime.write_text(json.dumps(runtime))
        give_lock(job, runtime, job.path.parent)
    for job in jobs:
        wait_until(job.lock.exists, within_s=120, what=f"the lock on the shelf {job.path.parent.name}")
