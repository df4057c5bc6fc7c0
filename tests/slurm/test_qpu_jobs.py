"""A job of the tier qpu on a real Slurm: it holds the device's licence, and the site's prologue tells it how to reach the device."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import read_journal
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service import JobService
from qhub_ext.settings import QpuSettings, Settings, SlurmDeviceSettings, SlurmSettings, SlurmTierSettings
from tests.qpu.conftest import VirtualQpu
from tests.qpu.test_jobs import CELL
from tests.slurm.cluster import Cluster
from tests.waiting import wait_until


@pytest.mark.slow
@pytest.mark.parametrize(
    ("partition", "holds", "shown_as"),
    [
        ("wide", SlurmDeviceSettings(licenses="qpu_cloud:1"), "Licenses=qpu_cloud:1"),
        ("qpu", SlurmDeviceSettings(gres="qpu:fake_kyiv:1"), "JOB_GRES=qpu:fake_kyiv:1"),
    ],
    ids=["licence", "gres"],
)
def test_a_qpu_job_holds_its_resource_reads_the_prologue_s_variables_and_leaves_no_secret_behind(
    qpu_site: Cluster,
    given_device: VirtualQpu,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    partition: str,
    holds: SlurmDeviceSettings,
    shown_as: str,
) -> None:
    settings = Settings(
        shelf=tmp_path / "shelf",
        cache=tmp_path / "cache",
        site="slurm",
        qpu=QpuSettings(virtual="never"),
        slurm=SlurmSettings(
            poll_s=0.1,
            poll_max_s=0.5,
            tiers={"qpu": SlurmTierSettings(partition=partition)},
            devices={"kingston": holds},
        ),
    )
    monkeypatch.setenv("QHUB_QPU_VIRTUAL", "never")
    service = JobService(settings)
    given_device.fault("paused")  # the job waits at its device while we look around
    try:
        job = service.submit(service.draft(Request(tier="qpu", time_s=600), CELL))
        site_id = service.site().find([job.id])[job.id]
        wait_until(lambda: held_at_the_device(job.folder), within_s=120, what="the task in the device's queue")
        shown = qpu_site.ask("scontrol", "-o", "-dd", "show", "job", site_id)
        seen_by_all = command_lines()
        open_to_others = [pid for pid in children_of(job.folder) if as_nobody("cat", f"/proc/{pid}/environ")]
    finally:
        given_device.admin("DELETE")
    record = job.wait(180)
    assert record.state is State.COMPLETED, str(job)
    assert sum(job["counts"].values()) == 500
    assert shown_as in shown
    (*_, last) = read_journal(job.folder.attempt(1).device_journal)
    assert (last["state"], last["resource"], last["virtual"]) == ("completed", "kingston", False)
    assert sorted(job.folder.path.rglob("spans*")), "where its time went is told, without its secrets"
    held = b"".join(path.read_bytes() for path in job.folder.path.rglob("*") if path.is_file())
    logs = b"".join(path.read_bytes() for path in qpu_site.configuration.logs.rglob("*") if path.is_file())
    for place in (shown.encode(), held, seen_by_all, logs):
        assert given_device.key.encode() not in place
    assert open_to_others == []


def held_at_the_device(folder: JobFolder) -> bool:
    try:
        (*_, last) = read_journal(folder.attempt(1).device_journal)
    except (FileNotFoundError, ValueError):
        return False
    return bool(last["state"] == "queued")


def command_lines() -> bytes:
    """Of all processes: whoever is on the node may read them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes())
    return b"\n".join(found)


def children_of(folder: JobFolder) -> list[str]:
    """The processes that work in the job's name: what tells them is in their command line or their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.id.encode() in (path / "cmdline").read_bytes() + (path / "environ").read_bytes():
                found.append(path.name)
    assert found
    return found


def as_nobody(*command: str) -> str:
    """What another user of the node gets to see."""
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command], capture_output=True, text=True
    )
    return done.stdout
