"""The runtimes of a tier, run for real where this machine can have them: modules, and a container of Podman as a user without privileges."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import qhub_ext
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.jobfolder.outputs import read_text
from qhub_ext.reproduce.runtimes import render_launch
from qhub_ext.settings import RuntimeSettings
from tests.broker.daemons import need
from tests.sites.workshop import Workshop, embedded_workshop
from tests.slurm.packages import Unavailable

USER, MARK = "qhub-container", "qhub test user"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site's tree of modules, of which one brings a Python."""
    try:
        need("environment-modules", Path("/usr/share/modules/init/bash").exists() or Path("/usr/share/lmod").exists())
    except Unavailable as why:
        pytest.skip(str(why))
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "site-python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (tools / "site-python").chmod(0o755)
    tree = tmp_path / "modulefiles" / "site-python"
    tree.mkdir(parents=True)
    (tree / "1.2").write_text(f"#%Module\nprepend-path PATH {{{tools}}}\nsetenv FROM_MODULE yes\n")
    monkeypatch.setenv("MODULEPATH", str(tree.parent))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with embedded_workshop(tmp_path) as workshop:
        yield workshop


def launched(shop: Workshop, cell: str, chosen: RuntimeSettings) -> JobFolder:
    python, launch = render_launch(chosen, "local", Path(shop.settings.shelf))
    return shop.cell(cell, python=python, launch=launch)


def test_a_job_runs_with_the_modules_that_its_tier_names_and_its_record_has_them(shop: Workshop, modules: None) -> None:
    chosen = RuntimeSettings(kind="modules", modules=("site-python/1.2",), python="site-python")
    job = launched(shop, "import os; print(os.environ['FROM_MODULE'])", chosen)
    shop.site.submit([job])
    (record,) = shop.until_final(job)
    assert (record.state, read_text(job.attempt(1))) == (State.COMPLETED, "yes\n")
    assert "site-python/1.2" in json.loads(job.attempt(1).runtime.read_text())["modules"]


def test_a_module_that_is_missing_ends_the_job_with_the_words_of_module(shop: Workshop, modules: None) -> None:
    job = launched(shop, "1", RuntimeSettings(kind="modules", modules=("no-such/9",), python="site-python"))
    shop.site.submit([job])
    (record,) = shop.until_final(job)
    assert record.state is State.FAILED
    assert "no-such/9" in record.attempt.message


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """How a user without privileges runs a command beside an image `localhost/qhub` that holds nothing but the way to this Python."""
    system = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if os.geteuid() != 0 or not system.exists():
        pytest.skip(f"A user of its own, and a Python that any user may start ({system}), are needed for a container.")
    try:
        for package, program in (("podman", "podman"), ("runc", "runc"), ("uidmap", "newuidmap")):
            need(package, shutil.which(program) is not None)
    except Unavailable as why:
        pytest.skip(str(why))
    subprocess.run(["useradd", "--create-home", "--comment", MARK, USER], capture_output=True, check=False)
    home = Path(pwd.getpwnam(USER).pw_dir)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    root = tmp_path_factory.mktemp("image")
    for folder, mode in ((root, 0o755), (root / "tmp", 0o1777)):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    for folder in ("usr", "lib", "lib64", "bin", "etc", "opt", "tmp", *(Path(packages).parts[1:2])):
        (root / folder).mkdir(exist_ok=True)
    (root / "opt" / "python").write_text(
        f'#!/bin/sh\nPYTHONPATH={packages}:{Path(qhub_ext.__file__).parents[1]} exec {system} "$@"\n'
    )
    (root / "opt" / "python").chmod(0o755)
    (home / ".config" / "containers").mkdir(parents=True, exist_ok=True)
    # crun, which Podman would take, refuses machines with both kinds of cgroups
    (home / ".config" / "containers" / "containers.conf").write_text(
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
    )
    (home / ".config" / "containers" / "storage.conf").write_text('[storage]\ndriver = "vfs"\n')
    with tarfile.open(home / "image.tar", "w") as archive:
        archive.add(root, arcname=".")
    subprocess.run(["chown", "-R", USER, str(home)], check=True)
    runtime = home / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(runtime, USER)
    become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "env", "-i", "-C", str(home)]
    become += [f"HOME={home}", f"XDG_RUNTIME_DIR={runtime}", f"USER={USER}", "PATH=/usr/bin:/bin:/usr/sbin"]
    done = subprocess.run(
        [*become, "podman", "import", "image.tar", "localhost/qhub"], capture_output=True, text=True, check=False
    )
    try:
        if done.returncode:
            pytest.skip(f"Podman cannot keep an image here: {done.stderr.strip().splitlines()[-1:]}")
        yield become
    finally:
        if pwd.getpwnam(USER).pw_gecos.startswith(MARK):
            store = ["podman", "unshare", "rm", "-rf", f"{home}/.local"]
            for words in ([*become, *store], [*become, "podman", "system", "migrate"], ["userdel", "--remove", USER]):
                subprocess.run(
                    words, capture_output=True, check=False
                )  # `migrate` ends the process that keeps its namespace


def test_a_job_runs_in_a_container_of_podman_as_its_own_user(podman: list[str]) -> None:
    home = Path(pwd.getpwnam(USER).pw_dir)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    binds = ("/usr", "/lib", "/lib64", "/bin", packages, str(Path(qhub_ext.__file__).parents[1]))
    chosen = RuntimeSettings(
        kind="container", engine="podman", image="localhost/qhub", binds=binds, python="/opt/python"
    )
    with embedded_workshop(home) as shop:  # only for its folders: the script is run as the user would
        job = launched(
            shop, "import os; print(os.getuid(), os.path.exists('/opt/python'), os.path.exists('/etc/shadow'))", chosen
        )
        job.attempt(1).path.mkdir(parents=True)
        subprocess.run(["chown", "-R", USER, str(home)], check=True)
        done = subprocess.run(
            [*podman, "QHUB_ATTEMPT=1", "bash", str(job.script)],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        record = read_record(job)
        assert record.state is State.COMPLETED, done.stderr
        assert read_text(job.attempt(1)) == f"{pwd.getpwnam(USER).pw_uid} True False\n"
        container = json.loads(job.attempt(1).runtime.read_text())["container"]
        assert (container["engine"], container["image"]) == ("podman", "localhost/qhub")
        asked = [*podman, "podman", "image", "inspect", "--format", "{{.Digest}}", "localhost/qhub"]
        assert container["digest"] == subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        assert len(container["digest"]) == len("sha256:") + 64
