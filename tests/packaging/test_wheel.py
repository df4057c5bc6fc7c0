"""One wheel with the server extension and the built front end, that installs where there is no node."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from qhub_ext.jobfolder.outputs import without_colours

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
LAB = "share/jupyter/labextensions/qhub-ext"


def run(*command: str | Path, cwd: Path = ROOT, path: str | None = None, code: int = 0) -> str:
    environment = {
        k: v for k, v in os.environ.items() if k not in {"VIRTUAL_ENV", "JUPYTER_PATH", "JUPYTER_CONFIG_DIR"}
    }
    if path is not None:
        environment["PATH"] = path
    done = subprocess.run(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def no_node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which no node is."""
    return str(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked."""
    place = tmp_path_factory.mktemp("sdist")
    run(UV, "build", "-q", "--python", sys.executable, "--sdist", "--out-dir", place)
    [archive] = place.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    return place / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist: Path, no_node: str) -> Path:
    """The wheel, made from the sdist with no node in reach."""
    run(UV, "build", "-q", "--python", sys.executable, "--wheel", "--out-dir", sdist.parent, sdist, path=no_node)
    [wheel] = sdist.parent.glob("*.whl")
    return wheel


def ours(*folders: str) -> set[str]:
    """Files of the working tree that git tracks or would."""
    return set(run("git", "ls-files", "--cached", "--others", "--exclude-standard", *folders).split())


def test_the_sdist_holds_the_tree_and_the_built_front_end_and_nothing_else(sdist: Path) -> None:
    packed = {path.relative_to(sdist).as_posix() for path in sdist.rglob("*") if path.is_file()}
    built = {name for name in packed if name.startswith("qhub_ext/labextension/")}
    assert "qhub_ext/labextension/package.json" in built
    folders = ("qhub_ext", "labextension", "notebooks", "jupyter-config", "tests")
    assert packed - built - ours() == {"PKG-INFO"}
    assert ours(*folders) <= packed
    assert not [name for name in packed if "node_modules" in name or "__pycache__" in name]


def test_the_wheel_holds_the_package_and_what_jupyter_looks_for_and_nothing_else(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    stem = wheel.name.removesuffix("-py3-none-any.whl")
    beside = {name for name in packed if name.startswith(f"{stem}.")}
    tutorials = {f"qhub_ext/{name}" for name in ours("notebooks") if name.endswith(".ipynb") or "/workflows/" in name}
    assert packed - beside == ours("qhub_ext") | tutorials
    data = {name.removeprefix(f"{stem}.data/data/") for name in beside if ".data/data/" in name}
    assert {f"{LAB}/install.json", f"{LAB}/package.json"} <= data
    assert all(name.startswith((f"{LAB}/", "etc/jupyter/jupyter_server_config.d/qhub_ext.json")) for name in data)
    assert not [name for name in data if name.endswith((".map", ".tsbuildinfo", ".sha256"))]
    assert [name for name in data if name.startswith(f"{LAB}/static/remoteEntry.")]


def test_the_wheel_works_where_there_is_no_node(wheel: Path, no_node: str, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    python = place / "bin" / "python"
    run(UV, "venv", "-q", "--python", sys.executable, place)
    run(UV, "pip", "install", "-q", "--python", python, "-c", ROOT / "constraints.txt", wheel)
    run(UV, "pip", "check", "-q", "--python", python)
    front_ends = run(place / "bin" / "jupyter", "labextension", "list", path=f"{place / 'bin'}:{no_node}")
    [line] = [without_colours(line) for line in front_ends.splitlines() if "qhub-ext" in line]
    assert line.split()[2:] == ["enabled", "OK", "(python,", "qhub-ext)"]
    servers = run(place / "bin" / "jupyter", "server", "extension", "list", path=f"{place / 'bin'}:{no_node}")
    lines = [without_colours(line).split() for line in servers.splitlines() if "qhub_ext" in line]
    assert ["qhub_ext", "enabled"] in lines
    assert [line for line in lines if line[0] == "qhub_ext" and line[-1] == "OK"]
    run(place / "bin" / "qhub", "tutorials", tmp_path / "to learn", path=f"{place / 'bin'}:{no_node}")
    learning = tmp_path / "to learn"
    names = {path.relative_to(learning).as_posix() for path in learning.rglob("*.*")}
    assert names == {
        name.removeprefix("notebooks/") for name in ours("notebooks") if "/" in name[10:] or name.endswith(".ipynb")
    }


def test_a_changed_front_end_is_built_with_node_from_a_package_where_the_machine_has_none(
    sdist: Path, tmp_path: Path
) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "sh").symlink_to("/bin/sh")  # npm's scripts are lines of it
    code = "import front, sys; sys.exit(not front.installed())"
    if subprocess.run([sys.executable, "-c", code], cwd=ROOT / "labextension", check=False).returncode:
        pytest.skip("`make front` puts npm's packages where this test takes them from.")
    modules = ROOT / "labextension" / "node_modules"
    tree = tmp_path / "changed"
    shutil.copytree(sdist, tree)
    (tree / "labextension" / "node_modules").symlink_to(modules, target_is_directory=True)
    icon = tree / "labextension" / "src" / "icon.ts"
    icon.write_text(icon.read_text() + "\nexport const CHANGED = 'by a test of the build';\n(globalThis as any).qhubChanged = CHANGED;\n")  # fmt: skip
    run(UV, "build", "-q", "--python", sys.executable, "--wheel", "--out-dir", tmp_path, tree, path=str(commands))
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        scripts = [name for name in packed.namelist() if f"{LAB}/static/" in name and name.endswith(".js")]
        assert any(b"by a test of the build" in packed.read(name) for name in scripts)


def test_a_changed_front_end_without_node_is_one_sentence(sdist: Path, no_node: str, tmp_path: Path) -> None:
    copied = tmp_path / "front end with spaces"
    (copied / "labextension").mkdir(parents=True)
    for name in ("front.py", "package.json", "package-lock.json", ".npmrc"):
        (copied / "labextension" / name).write_bytes((sdist / "labextension" / name).read_bytes())
    run(UV, "venv", "-q", "--python", sys.executable, tmp_path / "venv")
    told = run(tmp_path / "venv" / "bin" / "python", copied / "labextension" / "front.py", path=no_node, code=1)
    assert told.strip().startswith("Building qhub_ext's front end needs node 20.19 or newer")
    assert len(told.strip().splitlines()) == 1
