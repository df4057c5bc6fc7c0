"""A third-party site: what another package writes to add its own scheduler, in full, and its way through the service."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import SiteError, UnknownNameError
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import append_once
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.service import JobService
from qhub_ext.settings import Settings
from qhub_ext.sites import pick
from qhub_ext.sites.scheduler import Finding, QueueEntry, Reason, Refusal, SiteReport, StartEstimate
from qhub_ext.sites.start import start_of
from tests.sites.workshop import Workshop


class AtOnceSite:
    """The smallest scheduler: it runs every job at once, and waits for it."""

    name = "at-once"

    def __init__(self, settings: Settings) -> None:
        self.shelf = Path(settings.shelf)

    def submit(self, folders: Sequence[JobFolder]) -> dict[str, str]:
        for folder in folders:
            if folder.journal("site").exists():
                continue  # the same folder sent again is the same job
            append_once(folder.journal("site"), "state", state="starting", site_id=folder.id)
            folder.attempt(1).path.mkdir(parents=True, exist_ok=True)
            with folder.attempt(1).console.open("wb") as console:
                environment = {"QHUB_ATTEMPT": "1", "PATH": "/usr/bin:/bin"}
                subprocess.run(
                    ["/bin/bash", folder.script], cwd=folder.path, env=environment, stdout=console, check=False
                )
        return {folder.id: folder.id for folder in folders}

    def find(self, job_ids: Sequence[str]) -> dict[str, str]:
        return {i: i for i in job_ids if folder_of(self.shelf, i).journal("site").exists()}

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]:
        return {}  # whatever was submitted has ended, and the folder says how

    def cancel(self, job_ids: Sequence[str]) -> list[Refusal]:
        return [Refusal(job_id, "It has ended.") for job_id in job_ids]

    hold = release = requeue = cancel

    def queue(self) -> list[QueueEntry]:
        return []

    def estimate(self, job_id: str) -> StartEstimate:
        return StartEstimate(None, None, "Jobs start when they are submitted.")

    def explain_reason(self, job_id: str) -> Reason:
        return Reason("", "It waits for nothing.")

    def render_script(self, folder: JobFolder, spec: JobSpec | None = None) -> str:
        before, command = start_of(folder, spec)
        return f"#!/bin/bash\n{before}exec {command}\n"

    def doctor(self) -> list[Finding]:
        return [Finding("ok", "There is nothing that could be broken.")]


class HalfASite:
    name = "half"

    def __init__(self, settings: Settings) -> None: ...


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip leaves of a package with these entry points."""
    record = tmp_path / "packages" / "at_once-1.0.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: at-once\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(
        f"[{pick.GROUP}]\nat-once = {__name__}:AtOnceSite\nhalf = {__name__}:HalfASite\ngone = no_such_package:Site\n"
    )
    monkeypatch.syspath_prepend(str(record.parent))


def test_a_site_of_another_package_runs_jobs(installed: None, tmp_path: Path) -> None:
    settings = Settings(shelf=tmp_path / "shelf", site="at-once")
    site = pick.pick_site(settings=settings)
    shop = Workshop(settings, site)
    job = shop.submit("echo hello; seal completed")
    assert read_record(job).state is State.COMPLETED
    assert job.attempt(1).console.read_text() == "hello\n"
    assert site.submit([job]) == site.find([job.id]) == {job.id: job.id}
    assert job.attempt(1).console.read_text() == "hello\n"


def test_a_cell_goes_there_and_comes_back_by_the_same_service(installed: None, tmp_path: Path) -> None:
    settings = Settings(shelf=tmp_path / "shelf", cache=tmp_path / "cache", sites={"local": "at-once"})
    service = JobService(settings)
    job = service.run(Request(tier="local", time_s=60), "answer = 6 * 7", {})
    assert service.spec(job.id).site == "at-once"
    assert job.record.state is State.COMPLETED, str(job)
    assert job["answer"] == 42
    assert [finding.what for finding in service.site("at-once").doctor()] == ["There is nothing that could be broken."]


def test_sites_of_other_packages_are_listed_beside_ours(installed: None) -> None:
    with pytest.raises(UnknownNameError, match="Known: at-once, embedded, gone, half, slurm"):
        pick.pick_site("xyz")


def test_a_site_that_cannot_be_used_says_why(installed: None) -> None:
    with pytest.raises(SiteError, match="verbs of the protocol"):
        pick.pick_site("half")
    with pytest.raises(SiteError, match="no_such_package"):
        pick.pick_site("gone")
    with pytest.raises(UnknownNameError, match="slurm"):
        pick.pick_site("slurmm")
