import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qhub_ext.errors import JobFolderError, UnknownNameError
from qhub_ext.job.identity import element_id, new_job_id, short_id
from qhub_ext.job.spec import Element, JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.generation import begin_generation
from qhub_ext.jobfolder.journal import append_once
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import Outcome, require_own, seal
from qhub_ext.jobfolder.shelf import Shelf, remove_drafts


def spec(name: str = "a job", **more: object) -> JobSpec:
    return JobSpec(
        id=new_job_id(),
        name=name,
        tier="local",
        device="kingston",
        created_at=time.time(),
        owner="x",
        **more,  # type: ignore[arg-type]
    )


def put(shelf: Shelf, wanted: JobSpec, elements: tuple[JobSpec, ...] = ()) -> JobFolder:
    return shelf.create(wanted, "1 + 1", lambda path: None, {"schema": "qhub.runtime/1"}, elements)


def finish(folder: JobFolder, state: State = State.COMPLETED) -> None:
    folder.attempt(1).path.mkdir(parents=True)
    assert seal(folder.attempt(1), Outcome(state=state.value, running_at=2.0, ended_at=3.0))


def test_a_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = put(Shelf(tmp_path / "jobs"), spec())
    for path in (folder.path, folder.path.parent):
        assert path.stat().st_mode & 0o777 == 0o700
    assert folder.spec.stat().st_mode & 0o777 == 0o600


def test_a_submission_that_dies_half_way_leaves_no_job(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shelf.create(spec(), "1", die, {})
    assert shelf.ids() == []
    assert list(tmp_path.iterdir()) == []


def test_a_shelf_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobFolderError, match=r"nothing was submitted|could not be written"):
        put(Shelf(tmp_path / "file" / "jobs"), spec())


def test_a_job_is_found_by_what_people_type(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    older, newer = put(shelf, spec("older")), put(shelf, spec('a b|c"<x>\n'))
    for reference in (newer.id, short_id(newer.id), short_id(newer.id)[-4:], "-1", 'a b|c"<x>\n'.strip("\n") + "\n"):
        if reference.endswith("\n"):
            continue  # references are stripped, names with a newline are found by id
        assert shelf.find(reference) == newer.id
    assert shelf.find("older") == older.id
    assert shelf.find("-2") == older.id
    with pytest.raises(UnknownNameError, match=r"There is no job 'nosuch'"):
        shelf.find("nosuch")
    with pytest.raises(UnknownNameError, match=r"There is no job 'odler'. Did you mean 'older'\?"):
        shelf.find("odler")


def test_an_array_is_as_its_elements_are(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    whole = replace(spec("sweep"), size=3)
    parts = tuple(
        replace(whole, id=element_id(whole.id, n), size=None, element=Element(whole.id, n, {"x": n})) for n in range(3)
    )
    folder = put(shelf, whole, parts)
    for n in range(3):
        append_once(folder.element(n).journal("site"), "state", state="queued", attempt=1)
    assert shelf.record(whole.id).state is State.QUEUED
    finish(folder.element(0))
    append_once(folder.element(1).journal("runner-1"), "state", state="running", attempt=1)
    record = shelf.record(whole.id)
    assert (record.state, record.done) == (State.RUNNING, 1)
    finish(folder.element(1), State.FAILED)
    finish(folder.element(2))
    assert shelf.record(whole.id).state is State.FAILED
    assert shelf.record(f"{whole.id}.2").state is State.COMPLETED
    for reference in (f"{short_id(whole.id)}.2", f"{whole.name}.2", "-1.2", "~1.2"):
        assert shelf.find(reference) == f"{whole.id}.2", reference
    for reference in (f"{whole.id}.7", f"{whole.name}.7", "-1.7"):
        with pytest.raises(UnknownNameError, match="no such element"):
            shelf.find(reference)
    assert [s.id for s in shelf.summaries()] == [whole.id]
    assert folder.element(1).cell.read_text() == "1 + 1"


def test_the_index_serves_finished_jobs_and_notices_a_requeue(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "jobs", tmp_path / "cache")
    folder = put(shelf, spec())
    finish(folder)
    assert shelf.summaries()[0].state == "completed"
    folder.attempt(2).path.mkdir()
    append_once(folder.journal("site"), "state", state="queued", attempt=2)
    begin_generation(folder)
    assert shelf.summaries()[0].state == "queued"
    assert Shelf(tmp_path / "jobs", tmp_path / "cache").summaries()[0].state == "queued"


def test_a_listing_reads_the_folder_of_a_finished_job_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path / "jobs", tmp_path / "cache")
    for _ in range(5):
        finish(put(shelf, spec()))
    before = shelf.summaries()
    read: list[Path] = []
    monkeypatch.setattr("qhub_ext.jobfolder.shelf.read_spec", lambda folder: read.append(folder.path))
    assert shelf.summaries() == before
    assert Shelf(tmp_path / "jobs", tmp_path / "cache").summaries() == before
    assert read == []


def test_a_listing_of_a_few_looks_at_the_folders_of_a_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qhub_ext.jobfolder import shelf as module

    shelf = Shelf(tmp_path / "jobs", tmp_path / "cache")
    for number in range(7):
        wanted = spec()
        finish(put(shelf, replace(wanted, id=new_job_id(float(number)))))
    looked: list[str] = []
    stamp = module._stamp

    def counted(folder: os.DirEntry[str]) -> int | None:
        looked.append(folder.name)
        return stamp(folder)

    monkeypatch.setattr(module, "_stamp", counted)
    assert len(shelf.summaries(2)) == len(looked) == 2


def test_many_and_few_are_read_from_the_index_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path / "jobs", tmp_path / "cache")
    for _ in range(4):
        finish(put(shelf, spec()))
    before = shelf.summaries()
    monkeypatch.setattr("qhub_ext.jobfolder.index.FEW", 2)
    again = Shelf(tmp_path / "jobs", tmp_path / "cache")
    assert again.summaries() == before
    assert again.summaries(2) == before[:2]


@pytest.mark.parametrize("damage", [b"", b"not a database at all", None])
def test_a_damaged_index_is_rebuilt(tmp_path: Path, damage: bytes | None) -> None:
    shelf = Shelf(tmp_path / "jobs", tmp_path / "cache")
    finish(put(shelf, spec()))
    before = shelf.summaries()
    (index,) = (tmp_path / "cache").glob("*.sqlite")
    if damage is None:
        index.unlink()
    else:
        index.write_bytes(damage)
    assert shelf.summaries() == before


def test_a_folder_that_cannot_be_read_is_listed_with_the_reason(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    folder = put(shelf, spec())
    folder.spec.write_text("{not json")
    (listed,) = shelf.summaries()
    assert listed.state == "lost"
    assert "not readable as JSON" in listed.message


def test_what_a_newer_version_listed_is_told_as_newer_and_listed_again_after_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both share one cache."""
    folder = put(Shelf(tmp_path / "jobs"), spec())
    finish(folder)

    def listed() -> tuple[str, str]:
        (line,) = Shelf(tmp_path / "jobs", tmp_path / "cache").summaries()
        return line.state, line.message

    assert listed() == ("completed", "")
    folder.spec.write_text(folder.spec.read_text().replace("qhub.job/1", "qhub.job/2"))
    begin_generation(folder)
    for _ in range(2):
        with monkeypatch.context() as newer:
            for module in ("outcome", "index"):
                newer.setattr(f"qhub_ext.jobfolder.{module}.JOB_SCHEMA", "qhub.job/2")
            assert listed() == ("completed", "")
        state, told = listed()
        assert state == "lost"
        assert told.startswith(f"{folder.id} was written by a newer version of qhub_ext (qhub.job/2); this one reads")


def test_values_are_loaded_only_from_folders_that_nobody_else_can_write(tmp_path: Path) -> None:
    folder = put(Shelf(tmp_path), spec())
    require_own(folder)
    folder.path.chmod(0o777)
    with pytest.raises(JobFolderError, match="can be written to by others"):
        require_own(folder)
    if os.geteuid() == 0:
        folder.path.chmod(0o700)
        os.chown(folder.path, 12345, 12345)
        with pytest.raises(JobFolderError, match="belongs to another user"):
            require_own(folder)


def test_what_killed_submissions_left_is_cleared_after_a_while(tmp_path: Path) -> None:
    (tmp_path / ".new-x").mkdir()
    put(Shelf(tmp_path), spec())
    assert remove_drafts(tmp_path, older_than_s=60, now=time.time()) == 0
    assert remove_drafts(tmp_path, older_than_s=60, now=time.time() + 100) == 1
    assert len(Shelf(tmp_path).ids()) == 1
