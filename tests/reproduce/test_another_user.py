"""A job is exported by one user of the system and run again by another, who cannot look into the first one's home."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import qhub_ext
from qhub_ext.jobfolder.layout import JobFolder
from tests.front.conftest import Place, set_up_place
from tests.waiting import wait_until

USER, MARK = "qhub-importer", "qhub test user"
SYSTEM = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
CELL = """
import getpass
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(2)
circuit.h(0); circuit.cx(0, 1); circuit.measure_all()
counts = Sampler().run([transpile(circuit, backend(), seed_transpiler=1)]).result()[0].data.meas.get_counts()
who = getpass.getuser()
"""


class Stranger:
    """Runs `qhub` as a user of its own, with nothing of this process's environment."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home, self._environment = home, environment

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        become = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"]
        return subprocess.run(
            [*become, *words], env=self._environment, cwd=self.home, capture_output=True, text=True, check=False,
            timeout=180,
        )  # fmt: skip

    def qhub(self, *words: str) -> str:
        done = self.run(str(SYSTEM), "-m", "qhub_ext.cli", *words)
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    if os.geteuid() != 0 or shutil.which("useradd") is None:
        pytest.skip("A second user of the system is made for this, which takes root.")
    subprocess.run(["useradd", "--create-home", "--comment", MARK, USER], capture_output=True, check=False)
    found = pwd.getpwnam(USER)
    home = Path(found.pw_dir)
    libraries = f"{Path(qhub_ext.__file__).parents[1]}:{sysconfig.get_paths()['purelib']}"
    ours = {
        "QHUB_SHELF": str(home / "jobs"),
        "QHUB_CACHE": str(home / "cache"),
        "QHUB_EMBEDDED_DIRECTORY": str(home / "site"),
    }
    environment = {
        "HOME": str(home), "USER": USER, "LOGNAME": USER, "PATH": "/usr/bin:/bin", "PYTHONPATH": libraries,
        "PYTHONDONTWRITEBYTECODE": "1", **ours,
    }  # fmt: skip
    try:
        one = Stranger(home, environment)
        able = one.run(str(SYSTEM), "-c", "import qhub_ext.cli, qiskit")
        if able.returncode:
            pytest.skip(f"Another user cannot run this checkout with {SYSTEM}: {able.stderr.splitlines()[-1:]}")
        with set_up_place(home, **ours):  # ends what ran there
            yield one
    finally:
        if found.pw_gecos.startswith(MARK):
            wait_until(without_user, what="the end of the user's last process")


def without_user() -> bool:
    """userdel takes no user who has a process left."""
    subprocess.run(["userdel", "--remove", USER], capture_output=True, check=False)
    return USER not in {one.pw_name for one in pwd.getpwall()}


@pytest.mark.slow
def test_another_user_imports_a_job_and_has_the_same_counts_in_a_rerun(place: Place, stranger: Stranger) -> None:
    file = place.path / "given away.py"
    file.write_text(CELL)
    job = json.loads(place.command("run", str(file), "--tier", "emulation", "--shots", "300", "--wait", "--json"))
    counts = json.loads(place.command("fetch", job["id"], "counts", "--json"))["counts"]
    target = stranger.home / "given.zip"
    place.command("export", job["id"], "--crate", "-o", str(target))
    assert target.stat().st_mode & 0o777 == 0o600
    shutil.chown(target, USER, USER)
    assert stranger.run("ls", job["folder"]).returncode != 0

    told = stranger.qhub("import", str(target))
    assert f"of {pwd.getpwuid(os.geteuid()).pw_name} is on your shelf" in told
    folder = stranger.home / "jobs" / job["id"]
    assert folder.stat().st_uid == pwd.getpwnam(USER).pw_uid
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))} == {0}
    assert json.loads(stranger.qhub("fetch", job["id"], "counts", "--json"))["counts"] == counts
    again = json.loads(stranger.qhub("rerun", job["id"], "--runtime", "current", "--json"))
    stranger.qhub("wait", again["id"])
    found = json.loads(stranger.qhub("fetch", again["id"], "counts", "who", "--json"))
    assert found == {"counts": counts, "who": USER}
    assert "identical" in stranger.qhub("diff", job["id"], again["id"])
    assert JobFolder(Path(again["folder"])).spec.stat().st_uid == pwd.getpwnam(USER).pw_uid
