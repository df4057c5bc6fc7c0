"""Two users and an operator on one cluster, each with a client of their own."""

from __future__ import annotations

import json
import pwd
import stat
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest

import qhub_ext
from qhub_ext.errors import Cause
from qhub_ext.service import JobService
from qhub_ext.settings import Settings, SlurmSettings
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.waiting import wait_until

PYTHON = "/usr/bin/python3"
REPOSITORY = Path(qhub_ext.__file__).parent.parent

MAKE = """
import json, sys, time
from pathlib import Path
from qhub_ext.job.identity import new_job_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import folder_of
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.settings import Settings, SlurmSettings, SlurmTierSettings
from qhub_ext.sites.slurm.site import SlurmSite
shelf = Path(sys.argv[1])
tier = SlurmTierSettings(partition="wide")
site = SlurmSite(Settings(shelf=shelf, slurm=SlurmSettings(poll_s=0.1, tiers={"local": tier})))
def submit(script):
    spec = JobSpec(id=new_job_id(), name="secret work", tier="local", device="kingston", created_at=time.time(), owner="x")
    folder = Shelf(shelf).create(spec, "1", lambda path: None, {})
    lines = site.render_script(folder).splitlines()
    folder.script.write_text("\\n".join([*lines[:-1], script, ""]))
    return folder, site.submit([folder])[folder.id]
"""


@pytest.fixture(scope="module", autouse=True)
def readable(slurm_cluster: Cluster) -> None:
    """Other users can import this checkout with Debian's own Python."""
    done = run(slurm_cluster, "qhub-alice", "print('ready')", "/tmp")
    if done != "ready":
        pytest.skip(f"Other users cannot run this checkout with {PYTHON}: {done.splitlines()[-1:]}")


def run(cluster: Cluster, user: str, code: str, shelf: str) -> str:
    """The last line that the user's Python printed."""
    libraries = f"{REPOSITORY}:{sysconfig.get_paths()['purelib']}"
    done = cluster.run(
        *("env", f"PYTHONPATH={libraries}", "PYTHONDONTWRITEBYTECODE=1", PYTHON, "-c", MAKE + code, shelf), user=user
    )
    return (done.stdout.strip().splitlines() or [""])[-1] if done.returncode == 0 else done.stdout


def answer(cluster: Cluster, user: str, code: str, shelf: str) -> Any:
    text = run(cluster, user, code, shelf)
    try:
        return json.loads(text)
    except ValueError:
        raise AssertionError(text) from None


@pytest.fixture
def home(cluster: Cluster) -> str:
    return f"{pwd.getpwnam('qhub-alice').pw_dir}/jobs-{time.time_ns()}"


def test_a_users_job_runs_as_that_user_in_folders_that_nobody_else_may_enter(cluster: Cluster, home: str) -> None:
    code = 'folder, key = submit("id -un > who; sleep 1"); print(json.dumps([str(folder.path), key]))'
    path, _ = answer(cluster, "qhub-alice", code, home)
    folder = Path(path)
    assert (
        wait_until(lambda: (folder / "who").exists() and (folder / "who").read_text(), what="the job") == "qhub-alice\n"
    )
    for below in [folder.parent, folder, *(p for p in folder.rglob("*") if p.is_dir())]:
        assert stat.S_IMODE(below.stat().st_mode) == 0o700, below
    assert not (folder / "who").stat().st_mode & 0o077


def test_bob_can_neither_read_nor_cancel_what_is_alices_and_the_operator_can_cancel(
    cluster: Cluster, home: str
) -> None:
    code = 'folder, key = submit("sleep 600"); print(json.dumps([folder.id, key]))'
    job_id, key = answer(cluster, "qhub-alice", code, home)

    def state() -> str:
        return cluster.ask("squeue", "-h", "-t", "all", "-j", f"{key},{key}", "-o", "%T").strip()

    wait_until(lambda: state() == "RUNNING", what="the start")
    look = f'print(json.dumps([site.poll(["{job_id}"]) == {{}}, [r.why for r in site.cancel(["{job_id}"])]]))'
    assert answer(cluster, "qhub-bob", look, home) == [True, ["The site does not know this job."]]
    read = f'print(json.dumps(open(sys.argv[1] + "/{job_id}/spec.json").read()))'
    assert "PermissionError" in run(cluster, "qhub-bob", read, home)
    assert "denied" in cluster.ask("scancel", key, user="qhub-bob").lower()
    assert state() == "RUNNING"
    seen = answer(cluster, "qhub-bob", "print(json.dumps([vars(e) for e in site.queue()], default=str))", home)
    (entry,) = [e for e in seen if e["site_id"] == key]
    assert (entry["owner"], entry["job_id"], entry["tier"]) == ("qhub-alice", job_id, "local")
    cluster.ask("scancel", key, user="qhub-operator")
    wait_until(lambda: state() == "CANCELLED", what="the end")
    told = f'site.poll(["{job_id}"]); from qhub_ext.jobfolder.outcome import read_record\n'
    told += f'print(json.dumps(read_record(folder_of(shelf, "{job_id}")).attempt.message))'
    message = wait_until(lambda: answer(cluster, "qhub-alice", told, home), what="the verdict")
    assert "qhub-operator" in message


def test_root_who_looks_at_a_users_jobs_takes_nothing_away_from_that_user(cluster: Cluster, home: str) -> None:
    code = 'folder, key = submit("sleep 600"); print(json.dumps([folder.id, key]))'
    job_id, key = answer(cluster, "qhub-alice", code, home)
    cluster.run("scancel", key, user="qhub-alice")
    root = JobService(Settings(shelf=Path(home), site="slurm", slurm=SlurmSettings(poll_s=0.1)))
    site = SlurmSite(root.settings)
    wait_until(
        lambda: not site.poll([job_id]) and root.shelf.record(job_id).state.final, what="its end, as root sees it"
    )
    attempt = root.shelf.record(job_id).attempt
    assert (attempt.message, attempt.cause) == ("It was cancelled.", Cause.USER), "alice is its owner"
    assert [entry.id for entry in root.jobs()] == [job_id]
    listing = "from qhub_ext.service import JobService; print(json.dumps([s.state for s in JobService(Settings(shelf=shelf)).jobs()]))"
    assert answer(cluster, "qhub-alice", listing, home) == ["cancelled"]
