"""Old jobs leave the shelf by age or size, listed first, and are found again where they were moved to."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from qhub_ext.errors import QhubError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.service import JobService
from qhub_ext.service.pruning import choose
from qhub_ext.settings import load_settings
from qhub_ext.verbs import Surface, verbs
from tests.benchmarks.bench_listing import finished_job

DAY_S = 86400.0
DAYS = 5


@pytest.fixture
def service(tmp_path: Path) -> JobService:
    """With jobs that ended 0, 1, 2, 3 and 4 days ago; each takes at least 100 kB."""
    environment = {
        "QHUB_SHELF": str(tmp_path / "jobs"),
        "QHUB_CACHE": str(tmp_path / "cache"),
        "QHUB_EMBEDDED_DIRECTORY": str(tmp_path / "site"),
    }
    service = JobService(load_settings(environment, []))
    service.shelf.path.mkdir(mode=0o700)
    now = time.time() - 60
    for days in range(DAYS):
        finished_job(service.shelf.path, days, now - days * DAY_S)
    for job_id in service.shelf.ids():
        folder = service.shelf.folder(job_id)
        folder.path.chmod(0o700)
        folder.inputs.mkdir()
        (folder.inputs / "x").write_bytes(os.urandom(100_000))
    return service


def told(service: JobService, *words: str) -> Any:
    done = CliRunner().invoke(verbs, [*words, "--json"], obj=Surface(service), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return json.loads(done.return_value.to_text())


def test_nothing_goes_before_it_was_listed(service: JobService) -> None:
    before = service.shelf.ids()
    listed = told(service, "prune", "--older-than", "60h")
    assert [job["id"] for job in listed["jobs"]] == [before[4], before[3]]
    assert service.shelf.ids() == before
    assert told(service, "prune", "--older-than", "60h", "--yes")["done"] is True
    assert service.shelf.ids() == before[:3]
    assert [s.id for s in service.jobs()] == before[:3]
    assert not [name for name in os.listdir(service.shelf.path) if name.startswith(".new")]
    with pytest.raises(QhubError, match="needs to know which"):
        told(service, "prune")


def test_the_oldest_go_until_the_rest_fits(service: JobService) -> None:
    before = service.shelf.ids()
    chosen, total = choose(service.shelf, time.time(), older_than_s=None, keep_bytes=300_000)
    assert total > 500_000
    assert [one.job.id for one in chosen] == before[::-1][: len(chosen)]
    assert total - sum(one.size for one in chosen) <= 300_000
    assert {one.why for one in chosen} == {"size"}


@pytest.mark.parametrize(
    ("size", "says"), [("300k", ""), ("0.1M", ""), ("20", "Write 20G or 20M"), ("much", "not a size on a disk")]
)
def test_a_size_is_one_of_a_disk_however_small(service: JobService, size: str, says: str) -> None:
    if says:
        with pytest.raises(QhubError, match=says):
            told(service, "prune", "--keep", size)
    else:
        assert {job["why"] for job in told(service, "prune", "--keep", size)["jobs"]} == {"size"}


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="There is no second file system to move to.")
def test_jobs_are_moved_to_another_file_system_too(service: JobService) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        *_, oldest = service.shelf.ids()
        before = (service.shelf.folder(oldest).inputs / "x").read_bytes()
        told(service, "prune", "--older-than", "80h", "--to", elsewhere, "--yes")
        assert (service.shelf.folder(oldest).inputs / "x").read_bytes() == before
        assert str(service.shelf.folder(oldest).path).startswith(elsewhere)


def test_a_job_that_runs_or_that_one_waits_for_stays(service: JobService) -> None:
    oldest, second = service.shelf.ids()[::-1][:2]
    service.shelf.folder(second).attempt(1).outcome.unlink()
    spec = service.shelf.folder(second).spec
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"after": [oldest]}))
    assert service.shelf.record(second).state is State.RUNNING
    chosen, _ = choose(service.shelf, time.time(), older_than_s=1.0, keep_bytes=None)
    assert {one.job.id for one in chosen}.isdisjoint({oldest, second})


def test_a_folder_of_a_newer_version_stays_and_is_listed_as_one_that_cannot_be_read(service: JobService) -> None:
    oldest = service.shelf.ids()[-1]
    spec = service.shelf.folder(oldest).spec
    spec.write_text(json.dumps(json.loads(spec.read_text()) | {"schema": "qhub.job/2"}))
    chosen, _ = choose(service.shelf, time.time(), older_than_s=80 * 3600, keep_bytes=0)
    assert oldest not in {one.job.id for one in chosen}
    assert len(chosen) == DAYS - 1
    with pytest.raises(QhubError, match="pip install --upgrade"):
        service.rerun(oldest)


TORN: list[tuple[str, str | None]] = [
    ("spec.json", ""),
    ("spec.json", '{"schema":"qhub.job/1","id"'),
    ("spec.json", "{}"),
    ("spec.json", None),
    ("attempts/1/outcome.json", '{"schema":"qhub.outc'),
]


@pytest.mark.parametrize(("name", "text"), TORN)
def test_a_torn_folder_goes_when_nothing_in_it_has_changed_for_so_long(
    service: JobService, name: str, text: str | None
) -> None:
    torn = service.shelf.folder(service.shelf.ids()[0])
    file = torn.path / name
    file.unlink() if text is None else file.write_text(text)
    assert service.jobs()[0].state == "lost"

    def why(days: float, **asked: Any) -> str | None:
        chosen, _ = choose(
            service.shelf, time.time() + days * DAY_S, **{"older_than_s": None, "keep_bytes": None, **asked}
        )
        return {one.job.id: one.why for one in chosen}.get(torn.id)

    assert why(0, older_than_s=1.0, keep_bytes=0) is None  # it may be in somebody's hands
    assert why(2, older_than_s=3 * DAY_S) is None
    assert why(2, older_than_s=1 * DAY_S) == "age, torn"
    assert why(2, keep_bytes=0) == "size, torn"
    if os.geteuid() == 0:
        os.chown(torn.path, 12345, 12345)
        assert why(2, older_than_s=1 * DAY_S) is None


def test_what_killed_submissions_left_goes_too(service: JobService) -> None:
    for name in (".new-old", ".new-fresh"):
        (service.shelf.path / name).mkdir()
    os.utime(service.shelf.path / ".new-old", (1, 1))
    told(service, "prune", "--older-than", "400d", "--yes")
    assert [n for n in os.listdir(service.shelf.path) if n.startswith(".new")] == [".new-fresh"]


def test_what_was_moved_is_found_as_before_also_when_the_archive_moves(service: JobService, tmp_path: Path) -> None:
    *_, oldest = service.shelf.ids()
    archive = tmp_path / "my archive"
    told(service, "prune", "--older-than", "84h", "--to", str(archive), "--yes")
    assert oldest not in service.shelf.ids()
    for reference in (oldest, oldest.rpartition("-")[2], "job 4"):
        assert service.job(reference).id == oldest
    assert service.record(oldest).state is State.COMPLETED
    assert service.shelf.folder(oldest).path.parent == archive
    archive.rename(tmp_path / "elsewhere")
    with pytest.raises(QhubError, match="There is no job"):
        service.job(oldest)
    assert told(service, "archives") == [{"folder": str(archive), "jobs": None}]
    told(service, "archives", str(tmp_path / "elsewhere"))
    assert service.job(oldest).record.state is State.COMPLETED
    assert told(service, "archives", "--forget", str(archive)) == [{"folder": str(tmp_path / "elsewhere"), "jobs": 1}]
    with pytest.raises(QhubError, match="lies on the shelf itself"):
        told(service, "prune", "--older-than", "1h", "--to", str(service.shelf.path / "x"), "--yes")


def test_listing_takes_no_longer_for_what_lies_in_archives(service: JobService, tmp_path: Path) -> None:
    told(service, "prune", "--older-than", "1h", "--to", str(tmp_path / "archive"), "--yes")
    (tmp_path / "archive").chmod(0)  # a listing that looked in there would fail
    try:
        assert len(service.jobs()) == 1
        assert len(Shelf(service.shelf.path, tmp_path / "other cache").summaries()) == 1
    finally:
        (tmp_path / "archive").chmod(0o700)
