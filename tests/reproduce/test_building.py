"""Environments are built from locks although the world has moved on, or refused in one sentence that says what is missing; on a full disk
nothing is left, and processes that want the same one build it once.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.errors import Cause, EnvironmentMismatchError
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import digest_of
from qhub_ext.reproduce.environments import COMPLETE, build
from qhub_ext.reproduce.installed import read_installed
from qhub_ext.reproduce.lock import Interpreter, render_lock
from qhub_ext.reproduce.uv import run_uv
from tests.front.conftest import Place
from tests.reproduce.small_index import SmallIndex, Wheel, make_wheel, small_index
from tests.small_disk import fill, small_disk

PYTHON = ".".join(map(str, sys.version_info[:3]))


def lock_of(*wheels: Wheel, platform: str = "") -> bytes:
    lines = ['lock-version = "1.0"']
    for wheel in wheels:
        hashes = f'hashes = {{ sha256 = "{wheel.sha256}" }}'
        lines += ["[[packages]]", f'name = "{wheel.name}"', f'version = "{wheel.version}"']
        lines += [f'wheels = [{{ path = "wheels/{wheel.file}", {hashes} }}]']
    told = platform or sysconfig.get_platform()
    return "\n".join(
        [*lines, f'[tool.qhub]\nschema = "qhub.lock/1"\npython = "{PYTHON}"\nplatform = "{told}"\n']
    ).encode()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallIndex]:
    """The only one that uv knows of."""
    with small_index() as index:
        for name, value in index.environment(tmp_path / "cache").items():
            monkeypatch.setenv(name, value)
        yield index


def imported(python: Path, name: str) -> str:
    words = [python, "-c", f"import {name}; print({name}.version)"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def test_a_version_that_was_yanked_is_installed_for_the_lock_that_names_it_and_told(
    index: SmallIndex, tmp_path: Path
) -> None:
    """As PEP 592 asks of installers, for whoever pins a version: what ran once can run again."""
    yanked = make_wheel("thing", "1.0", yanked="wrong phases")
    index.wheels += [yanked, make_wheel("thing", "1.1")]
    with pytest.warns(
        UserWarning, match=r"thing 1\.0 of the lock was yanked by its makers \(wrong phases\); it was installed"
    ):
        python = build(lock_of(yanked), "it", tmp_path / "environments")
    assert imported(python, "thing") == "1.0"


THING = make_wheel("thing", "1.0")
OTHER = make_wheel("other", "2.0")
FOREIGN = make_wheel("thing", "1.0", tags="py3-none-win_amd64")
NEWER = make_wheel("thing", "1.0", tags="cp399-cp399-any")


@pytest.mark.parametrize(
    ("there", "wanted", "status", "says"),
    [
        ([make_wheel("thing", "1.1")], THING, 0, "thing==1.0 of the lock is not on the package index (any more)"),
        ([OTHER], THING, 0, "thing==1.0 of the lock is not on the package index (any more)"),
        ([THING], THING, 403, "The package index refused to answer"),
        ([THING], THING, 503, "The package index could not be reached"),
        ([make_wheel("thing", "1.0", size=7)], THING, 0, "The index has another file for thing"),
        ([FOREIGN], FOREIGN, 0, "The lock's file of thing 1.0 is for another platform"),
        ([NEWER], NEWER, 0, "The lock's file of thing 1.0 is for another Python"),
    ],
    ids=["deleted", "no-project", "forbidden", "down", "other-file", "platform", "python"],
)
def test_what_cannot_be_had_any_more_is_one_sentence_with_a_way_out(
    index: SmallIndex, tmp_path: Path, there: list[Wheel], wanted: Wheel, status: int, says: str
) -> None:
    index.wheels, index.refusal = there, status
    text = lock_of(wanted)
    with pytest.raises(EnvironmentMismatchError) as caught:
        build(text, "it", tmp_path / "environments")
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.advice
    assert not (tmp_path / "environments" / digest_of(text) / COMPLETE).exists()


BUILD = """
import sys
from pathlib import Path
from qhub_ext.reproduce.environments import build
text = Path(sys.argv[1]).read_bytes()
print("ready", flush=True)
sys.stdin.readline()
print(build(text, "it", Path(sys.argv[2]), lambda sentence: print("building", flush=True)))
"""


def test_processes_that_want_one_environment_at_the_same_time_build_it_once(index: SmallIndex, tmp_path: Path) -> None:
    index.wheels.append(THING)
    lock, root = tmp_path / "pylock.toml", tmp_path / "environments"
    lock.write_bytes(lock_of(THING))
    words = [sys.executable, "-c", BUILD, str(lock), str(root)]
    asking = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(3)
    ]
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in asking:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate(timeout=120)[0].splitlines() for process in asking]
    python = str(root / digest_of(lock.read_bytes()) / "bin" / "python")
    assert sorted(lines[:-1] for lines in told) == [[], [], ["building"]]
    assert {lines[-1] for lines in told} == {python}
    assert imported(Path(python), "thing") == "1.0"


def test_what_a_killed_builder_left_half_done_is_built_anew(index: SmallIndex, tmp_path: Path) -> None:
    index.wheels.append(THING)
    index.hold = threading.Event()
    lock, root = tmp_path / "pylock.toml", tmp_path / "environments"
    lock.write_bytes(lock_of(THING))
    half = root / digest_of(lock.read_bytes())
    words = [sys.executable, "-c", BUILD, str(lock), str(root)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True) as builder:
        assert builder.stdin is not None
        builder.stdin.write(b"\n")
        builder.stdin.flush()
        assert index.fetched.wait(200)
        os.killpg(builder.pid, signal.SIGKILL)  # with its uv, as the end of a job does
    index.hold.set()
    assert (half / "bin" / "python").exists()
    assert not (half / COMPLETE).exists()
    assert imported(build(lock.read_bytes(), "it", root), "thing") == "1.0"


def test_a_disk_that_fills_up_during_the_build_leaves_nothing_and_the_next_one_is_whole(
    index: SmallIndex, tmp_path: Path
) -> None:
    large = make_wheel("thing", "1.0", size=2_000_000)
    index.wheels.append(large)
    text = lock_of(large)
    root = tmp_path / "environments"
    root.mkdir(mode=0o700)
    with small_disk(root, 4096) as disk:
        for pages in (3, 300):  # not even a virtual environment; that, and not the package
            fill(disk, leave_pages=pages)
            with pytest.raises(EnvironmentMismatchError) as caught:
                build(text, "it", root)
            assert "the disk is full" in caught.value.message
            assert caught.value.cause is Cause.RESOURCES
            assert not (root / digest_of(text)).exists()
        (disk / "filler").unlink()
        assert imported(build(text, "it", root), "thing") == "1.0"


@pytest.mark.slow
def test_an_environment_is_built_before_the_submission_where_the_site_says_so(place: Place) -> None:
    """For sites whose nodes reach no index."""
    toml = place.path / "before.toml"
    toml.write_text('[runtimes.local]\nkind = "lock"\nbuild = "before"\n')
    there = Place(place.path, {**place.environment, "QHUB_CONFIG": str(toml)})
    file = place.path / "where.py"
    file.write_text("import sys; where = sys.prefix")
    job = json.loads(there.command("run", str(file), "--tier=local", "--wait", "--json"))
    folder = JobFolder(Path(job["folder"]))
    spec = json.loads(folder.spec.read_text())
    built = place.settings.shelf / ".environments"
    assert Path(spec["python"]).parent.parent.parent == built
    assert spec["launch"]["environments"] == ""  # nothing is left to be built on the node
    assert json.loads(there.command("fetch", job["id"], "where", "--json"))["where"].startswith(str(built))
    assert digest_of(folder.lock.read_bytes()) == Path(spec["python"]).parent.parent.name
    assert json.loads(folder.attempt(1).runtime.read_text())["drift"]["verdict"] == "same"


def test_what_was_installed_from_git_and_from_folders_is_told_apart_and_built_again(tmp_path: Path) -> None:
    """By uv and by pip, from sources of one's own; no index has any of them."""
    sources = {name: tmp_path / name for name in ("cloned", "edited", "copied")}
    for name, source in sources.items():
        source.mkdir()
        (source / "pyproject.toml").write_text(PROJECT.format(name=name))
        (source / f"{name}.py").write_text("version = '1.0'\n")
        (source / "backend.py").write_text(BACKEND.format(name=name))
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], cwd=sources["cloned"], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], cwd=sources["cloned"], capture_output=True, text=True, check=True
    )
    place = tmp_path / "venv"
    python = str(place / "bin" / "python")
    uv = ["pip", "install", "-q", "--no-deps", "--python", python]
    for words in (
        ["venv", "-q", "--python", sys.executable, str(place)],
        [*uv, f"git+file://{sources['cloned']}@main", "-e", str(sources["edited"])],
    ):
        done = run_uv(words)
        assert done.returncode == 0, done.stderr
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, str(sources["copied"])], check=True)
    (packages,) = (place / "lib").glob("python*/site-packages")
    found = {one.name: (one.source.kind, one.installer) for one in read_installed([str(packages)])}
    assert found == {"cloned": ("git", "uv"), "edited": ("editable", "uv"), "copied": ("directory", "pip")}
    interpreter = Interpreter(PYTHON, "CPython", sysconfig.get_platform(), sys.platform, platform.machine())
    text = render_lock(interpreter, read_installed([str(packages)]), {})
    assert head.stdout.strip() in text
    shutil.rmtree(place)
    built = build(text.encode(), "it", tmp_path / "environments")
    for name in sources:
        assert imported(built, name) == "1.0"


PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "{name}"
version = "1.0"
"""
# needs nothing of an index, as every other build backend would
BACKEND = """
import zipfile
from pathlib import Path

def build_wheel(folder, config_settings=None, metadata_directory=None):
    return put(folder, Path("{name}.py").read_text(), "{name}.py")

def build_editable(folder, config_settings=None, metadata_directory=None):
    return put(folder, str(Path.cwd()), "{name}.pth")

def put(folder, text, file):
    info = "{name}-1.0.dist-info"
    files = {{
        file: text,
        info + "/METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n",
        info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = "".join(path + ",,\\n" for path in [*files, info + "/RECORD"])
    with zipfile.ZipFile(Path(folder) / "{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, inside in [*files.items(), (info + "/RECORD", record)]:
            archive.writestr(path, inside)
    return "{name}-1.0-py3-none-any.whl"
"""
