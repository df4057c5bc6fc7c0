"""Environments built from locks: once, whole or not at all, and refused in a sentence; and two that differ in a minor version of qiskit."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.errors import Cause, EnvironmentMismatchError, JobFolderError, QhubError, SettingsError
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import digest_of
from qhub_ext.reproduce import environments
from qhub_ext.reproduce.build_failures import explain_build
from qhub_ext.reproduce.environments import COMPLETE, build
from qhub_ext.reproduce.lock import Lock
from qhub_ext.reproduce.runtimes import render_launch
from qhub_ext.reproduce.uv import run_uv
from qhub_ext.settings import RuntimeSettings
from qhub_ext.sites.embedded.script import render_script
from tests.front.conftest import Place
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
OTHER_QISKIT = "2.5.2"
MINOR = ".".join(map(str, sys.version_info[:2]))


def small_lock(tmp_path: Path, *more: str) -> bytes:
    """Of one package, whose source lies beside."""
    source = tmp_path / "thing"
    (source / "thing").mkdir(parents=True, exist_ok=True)
    (source / "thing" / "__init__.py").write_text("value = 42\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n[project]\nname = "thing"\nversion = "1.0"\n'
    )
    lines = [
        'lock-version = "1.0"',
        "[[packages]]",
        'name = "thing"',
        'version = "1.0"',
        f'directory = {{ path = "{source}" }}',
    ]
    return "\n".join([*lines, *more, f'[tool.qhub]\nschema = "qhub.lock/1"\npython = "{MINOR}.0"\n']).encode()


def test_an_environment_is_built_once_however_many_ask_and_never_used_half_built(tmp_path: Path) -> None:
    text, root = small_lock(tmp_path), tmp_path / "environments"
    half = root / digest_of(text)
    (half / "bin").mkdir(parents=True)
    (half / "bin" / "python").write_text("left by somebody who was killed")
    told: list[str] = []
    found: list[Path] = []
    asking = [threading.Thread(target=lambda: found.append(build(text, "it", root, told.append))) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(told) == 1
    assert set(found) == {half / "bin" / "python"}
    done = subprocess.run(
        [found[0], "-c", "import thing; print(thing.value)"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"
    built = (half / COMPLETE).stat().st_mtime_ns
    build(text, "it", root)
    assert (half / COMPLETE).stat().st_mtime_ns == built


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t + b'platform = "plan9-mips"\n', "The lock is of plan9-mips, here is"),
        (
            lambda t: t + b'conda = [{ name = "blas", version = "1" }]\n',
            "1 packages of conda (blas ...), which uv cannot install",
        ),
        (
            lambda t: t.replace(f'python = "{MINOR}.0"'.encode(), b'python = "3.99.1"'),
            "is of Python 3.99.1, and no such Python",
        ),
        (lambda t: t.replace(b'/thing" }', b'/nothing" }'), "has a package of the folder"),
    ],
)
def test_a_lock_that_cannot_be_built_here_says_why(tmp_path: Path, change: Callable[[bytes], bytes], says: str) -> None:
    text = change(small_lock(tmp_path))
    with pytest.raises(EnvironmentMismatchError) as caught:
        build(text, "it", tmp_path / "environments")
    assert says in caught.value.message
    assert caught.value.advice
    assert not (tmp_path / "environments" / digest_of(text) / COMPLETE).exists()


def test_a_version_that_was_withdrawn_and_an_index_that_is_away_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = small_lock(tmp_path) + b'without_hash = { idna = "999.0" }\n'
    with pytest.raises(EnvironmentMismatchError, match=r"idna==999.0 of the lock is not on the package index"):
        build(gone, "it", tmp_path / "environments")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_FIND_LINKS", "")
    with pytest.raises(EnvironmentMismatchError, match="package index could not be reached"):
        build(gone, "it", tmp_path / "environments")


def test_a_file_that_is_not_the_one_of_the_lock_is_not_installed(tmp_path: Path) -> None:
    other = f'[[packages]]\nname = "idna"\nversion = "3.20"\nwheels = [{{ path = "idna-3.20-py3-none-any.whl", hashes = {{ sha256 = "{"0" * 64}" }} }}]'
    with pytest.raises(EnvironmentMismatchError, match=r"has another file for idna"):
        build(small_lock(tmp_path, other), "it", tmp_path / "environments")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            "× Failed to build `py-spy==0.4.3`\n├─▶ The build backend returned an error\n╰─▶ spurious network error: Could not resolve host",
            "py-spy 0.4.3 of the lock is there as source only, and could not be built here.",
        ),
        (
            "× Failed to build `thing==1.0`\n├─▶ Failed to resolve requirements from `build-system.requires`\n╰─▶ error sending request",
            "The package index could not be reached",
        ),
        ("error: networkx is a strange thing", "uv could not build the environment of the lock"),
    ],
)
def test_what_uv_says_is_taken_for_what_it_means(tmp_path: Path, said: str, says: str) -> None:
    assert says in explain_build(said, Lock(MINOR, "", ()), tmp_path).message


def test_a_full_disk_during_the_build_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock(MINOR, "", ())
    error = explain_build(
        "error: Failed to install: x.whl\n  Caused by: No space left on device (os error 28)", lock, tmp_path / "e"
    )
    assert (error.cause, "the disk is full" in error.message) == (Cause.RESOURCES, True)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(environments, "_build", full)
    text = small_lock(tmp_path)
    with pytest.raises(EnvironmentMismatchError, match="the disk is full"):
        build(text, "it", tmp_path / "environments")
    assert not (tmp_path / "environments" / digest_of(text)).exists()


def rendered(chosen: RuntimeSettings) -> str:
    python, launch = render_launch(chosen, "emulation", Path("/shared/my jobs"))
    spec = JobSpec("a-b", "n", "emulation", "fez", 0.0, "me", python=python, launch=launch)
    return render_script(JobFolder(Path("/shared/my jobs/a-b")), spec)


@pytest.mark.parametrize(
    "chosen",
    [
        RuntimeSettings(kind="modules", modules=("python/3.11", "open blas"), python="python3.11"),
        RuntimeSettings(kind="container", engine="apptainer", image="/images/q hub.sif", binds=("/scratch",)),
        RuntimeSettings(kind="container", engine="podman", image="registry/qhub@sha256:" + "a" * 64),
        RuntimeSettings(kind="container", engine="podman", image="registry/qhub:2"),
        RuntimeSettings(kind="container", engine="enroot", image="qhub"),
        RuntimeSettings(kind="container", command=("/opt/in container", "--x"), modules=("apptainer",)),
    ],
    ids=["modules", "apptainer", "podman", "podman by tag", "enroot", "command"],
)
def test_the_script_says_what_the_tier_runs_in(chosen: RuntimeSettings, snapshot: Any) -> None:
    text = rendered(chosen)
    assert text == snapshot
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_a_conda_environment_is_entered_without_conda(tmp_path: Path) -> None:
    prefix = tmp_path / "my env"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to(sys.executable)
    (prefix / "etc" / "conda" / "activate.d").mkdir(parents=True)
    (prefix / "etc" / "conda" / "activate.d" / "x.sh").write_text("export FROM_PACKAGE=yes\n")
    lines = rendered(RuntimeSettings(kind="conda", path=prefix)).splitlines()
    assert lines[-1].startswith(f"exec '{prefix}/bin/python' -m qhub_ext.runner")
    script = "\n".join([*lines[:-1], 'echo "$CONDA_PREFIX $FROM_PACKAGE ${PATH%%:*}"'])
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == f"{prefix} yes {prefix}/bin\n"


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (RuntimeSettings(kind="venv"), "has kind 'venv' and no path"),
        (RuntimeSettings(kind="venv", path=Path("/nowhere")), "there is no bin/python"),
        (RuntimeSettings(kind="modules"), "names none"),
        (RuntimeSettings(kind="container"), "no image"),
    ],
)
def test_a_runtime_that_says_too_little_is_refused_with_what_to_write(chosen: RuntimeSettings, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        render_launch(chosen, "emulation", Path("/shared"))
    assert caught.value.advice


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment like this one, with another minor version of qiskit."""
    path = tmp_path_factory.mktemp("other") / "venv"
    pinned = tmp_path_factory.mktemp("pins") / "constraints.txt"
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned.write_text(
        "\n".join([line for line in lines if not line.startswith("qiskit==")] + [f"qiskit=={OTHER_QISKIT}"])
    )
    python = path / "bin" / "python"
    for words in (
        ["venv", "-q", "--python", sys.executable, str(path)],
        ["pip", "install", "-q", "--python", str(python), "-c", str(pinned), "-e", str(ROOT)],
    ):
        done = run_uv(words)
        assert done.returncode == 0, done.stderr
    return python


SUBMIT = """
from qiskit import QuantumCircuit
from qhub_ext.service import JobService
from qhub_ext.capture.keywords import request_from_keywords
circuit = QuantumCircuit(2); circuit.h(0); circuit.cx(0, 1); circuit.measure_all()
service = JobService()
cell = '''
import qiskit
from qiskit import transpile
from qhub_ext import Sampler, backend
version = qiskit.__version__
counts = Sampler().run([transpile(circuit, backend(), seed_transpiler=1)]).result()[0].data.meas.get_counts()
'''
job = service.submit(service.draft(request_from_keywords({"tier": "local", "shots": 100}), cell, {"circuit": circuit}))
record = job.wait()
print(job.id, record.state.value, record.attempt.cause, record.attempt.message, record.attempt.advice, sep="\\n")
"""


@pytest.mark.slow
def test_what_was_submitted_from_another_minor_version_is_refused_and_runs_with_runtime_same(
    place: Place, other: Path
) -> None:
    toml = place.path / "runtimes.toml"
    toml.write_text(f'[runtimes.local]\nkind = "venv"\npath = "{Path(sys.executable).parents[1]}"\n')

    def submit(**more: str) -> list[str]:
        done = subprocess.run(
            [other, "-c", SUBMIT],
            env=place.environment | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=place.path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    job, state, cause, message, advice = submit(QHUB_CONFIG=str(toml))
    assert (state, cause) == ("failed", "environment")
    assert f"it was {OTHER_QISKIT} in the notebook" in message
    assert f"pip install qiskit=={OTHER_QISKIT}" in advice
    assert "--runtime same" in advice
    folder = JobFolder(place.settings.shelf / job)
    assert json.loads(folder.attempt(1).runtime.read_text())["drift"]["verdict"] == "refused"
    # another machine does not have the environment of the submission: it is built from the lock
    runtime = json.loads(folder.runtime.read_text())
    folder.runtime.write_text(json.dumps(runtime | {"executable": "/gone/bin/python"}))
    wait_until(folder.lock.exists, what="the lock of that environment")
    again = json.loads(place.command("rerun", job, "--runtime", "same", "--json"))
    place.command("wait", again["id"])
    assert json.loads(place.command("fetch", again["id"], "version", "--json")) == {"version": OTHER_QISKIT}
    built = json.loads(JobFolder(Path(again["folder"])).attempt(1).runtime.read_text())
    assert built["drift"]["verdict"] in ("same", "compatible")
    assert "/.environments/" in built["prefix"]
    # and on the node, where qhub.toml says so
    toml.write_text('[runtimes.local]\nkind = "lock"\n')
    job, state, *_ = submit(QHUB_CONFIG=str(toml))
    assert state == "completed"
    assert json.loads(JobFolder(place.settings.shelf / job).attempt(1).runtime.read_text())["prefix"] == built["prefix"]


def test_a_build_on_the_node_that_fails_ends_the_job_with_the_sentence(place: Place, tmp_path: Path) -> None:
    file = place.path / "nothing.py"
    file.write_text("x = 1")
    job = json.loads(place.command("run", str(file), "--wait", "--json"))
    folder = JobFolder(Path(job["folder"]))
    folder.lock.unlink(missing_ok=True)
    folder.lock.write_bytes(small_lock(tmp_path) + b'platform = "plan9-mips"\n')
    done = subprocess.run(
        [sys.executable, "-m", "qhub_ext.reproduce.enter", str(folder.path), str(tmp_path / "environments")],
        env={**place.environment, "QHUB_ATTEMPT": "2"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    outcome = json.loads(folder.attempt(2).outcome.read_text())
    assert (outcome["state"], outcome["cause"]) == ("failed", "environment")
    assert "plan9-mips" in outcome["message"]


def test_a_lock_that_is_gone_is_said(place: Place, tmp_path: Path) -> None:
    from qhub_ext.jobfolder.locks import read_lock

    folder = JobFolder(tmp_path / "x")
    folder.path.mkdir()
    folder.runtime.write_text('{"state": "' + "0" * 32 + '"}')
    with pytest.raises(JobFolderError, match="known by name and version only") as caught:
        read_lock(folder)
    assert isinstance(caught.value, QhubError)
