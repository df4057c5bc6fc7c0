"""What several jobs of one cell answer together, and how often the folders of an array are read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from qhub_ext.errors import UnknownNameError
from qhub_ext.job.identity import element_id, new_job_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder import shelf as shelves
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import Outcome, seal
from qhub_ext.service import Job, Jobs, JobService
from qhub_ext.service.knowledge import Knowledge
from qhub_ext.service.results import Results
from qhub_ext.settings import load_settings
from qhub_ext.sites.scheduler import SiteReport, SiteScheduler


@pytest.fixture
def service(tmp_path: Path) -> JobService:
    (tmp_path / "jobs").mkdir()
    return JobService(load_settings({"QHUB_SHELF": str(tmp_path / "jobs"), "QHUB_CACHE": str(tmp_path / "cache")}, []))


def made(service: JobService, tier: str = "local", size: int | None = None, name: str = "a job") -> JobFolder:
    identity = new_job_id()
    folder = JobFolder(service.shelf.path / identity)
    spec = JobSpec(identity, name, tier, "kingston", time.time(), "somebody", site="embedded", size=size)
    for one in (folder, *(folder.element(n) for n in range(size or 0))):
        for path in (one.path, one.journals, one.attempts, one.attempt(1).path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = identity if one is folder else element_id(identity, int(one.path.name))
        write_json(one.spec, replace(spec, id=own, size=size if one is folder else None).to_json())
    return folder


def test_jobs_answer_together_by_tier_and_by_name(service: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(Job(made(service, tier).id, service) for tier in ("local", "qpu"))
    monkeypatch.setattr(Job, "result", lambda self, timeout_s=None: service.spec(self.id).tier)
    assert jobs.result() == ["local", "qpu"]
    assert jobs["qpu"] is jobs[1]
    monkeypatch.setattr(Job, "__getitem__", lambda self, key: f"{key} of {service.spec(self.id).tier}")
    assert jobs["counts"] == ["counts of local", "counts of qpu"]
    assert len(jobs[:1]) == 1


def test_what_only_one_job_has_says_how_to_ask_for_it(service: JobService) -> None:
    jobs = Jobs(Job(made(service, tier).id, service) for tier in ("local", "qpu"))
    with pytest.raises(AttributeError, match=r"These are 2 jobs: \[job.outputs for job in jobs\] has it of each"):
        jobs.outputs  # noqa: B018 - the question is the test
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        jobs.colour  # noqa: B018 - the question is the test


class Site:
    """Knows every element as waiting, but one that has ended."""

    def __init__(self, folder: JobFolder, ended: int) -> None:
        self.ended = folder.element(ended)

    def poll(self, ids: list[str]) -> Mapping[str, SiteReport]:
        now = time.time()
        seal(self.ended.attempt(1), Outcome("completed", now, now))
        told = dict.fromkeys(ids, State.QUEUED) | {self.ended.id: State.COMPLETED}
        return {one: SiteReport(one, "7", state, now) for one, state in told.items()}


def test_the_folders_of_an_array_are_read_once_and_those_that_moved_once_more(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(service, size=40)
    read: list[str] = []
    whole: Any = shelves.read_record
    monkeypatch.setattr(shelves, "read_record", lambda f, *more: (read.append(f.path.name), whole(f, *more))[1])
    record = Knowledge(service.shelf, lambda _: cast("SiteScheduler", Site(folder, 3))).record(folder.id)
    assert record.done == 1
    assert len(read) == 40 + 1 + 2
    assert isinstance(Job(folder.id, service).elements[3].results(), Results)


def test_a_job_is_found_by_the_name_of_its_file(service: JobService) -> None:
    folder = made(service, name="study.py")
    assert service.shelf.find("study.py") == folder.id
    with pytest.raises(UnknownNameError, match=r"other\.py"):
        service.shelf.find("other.py")
