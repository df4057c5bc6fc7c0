"""The table survives torn lines, full disks and its own compaction; readers follow it cheaply."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.sites.embedded import table as table_module
from qhub_ext.sites.embedded.table import HELD, STARTED, TableJob, TableReader, TableWriter


def jobs(count: int) -> list[TableJob]:
    return [TableJob(id=f"job-{n}", path=f"/shelf/job-{n}", name='a "name" | <b>\n', order=n) for n in range(count)]


def test_what_was_written_is_there_for_the_next_writer(tmp_path: Path) -> None:
    writer = TableWriter(tmp_path / "table")
    first, second, third = jobs(3)
    writer.add([first, second, third])
    writer.set(first, state=STARTED, attempt=2, unmet=("a", "b"))
    writer.drop(second)
    again = TableWriter(tmp_path / "table")
    assert {job.id: (job.state, job.attempt, job.unmet) for job in again.jobs.values()} == {
        "job-0": (STARTED, 2, ("a", "b")),
        "job-2": ("queued", 1, ()),
    }
    assert again.jobs["job-0"].name == first.name


def test_a_torn_last_line_is_passed_over_and_the_next_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "table"
    writer = TableWriter(path)
    writer.add(jobs(2))
    with path.open("ab") as file:
        file.write(b'{"seq":3,"at":1,"kind":"drop","id":"jo')
    reader = TableReader(path)
    assert set(reader.read()) == {"job-0", "job-1"}
    again = TableWriter(path)
    again.set(again.jobs["job-0"], state=HELD)
    assert TableReader(path).read()["job-0"].state == HELD


@pytest.mark.parametrize("cut", range(0, 700, 23))
def test_a_table_cut_anywhere_still_opens(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "table"
    writer = TableWriter(path)
    writer.add(jobs(2))
    writer.set(writer.jobs["job-0"], state=HELD)
    writer.close()
    path.write_bytes(path.read_bytes()[:cut])
    assert set(TableWriter(path).jobs) <= {"job-0", "job-1"}


def test_a_reader_follows_changes_and_compaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "COMPACT_AFTER_LINES", 20)
    path = tmp_path / "table"
    writer, reader = TableWriter(path), TableReader(path)
    (job,) = jobs(1)
    writer.add([job])
    begin = path.read_bytes().splitlines()[0]
    for attempt in range(2, 60):
        writer.set(job, attempt=attempt)
        assert reader.read()["job-0"].attempt == attempt
    assert path.read_bytes().splitlines()[0] != begin
    assert len(path.read_bytes().splitlines()) < 30


def test_what_a_reader_gave_out_stays_as_it_was(tmp_path: Path) -> None:
    writer = TableWriter(tmp_path / "table")
    writer.add(jobs(1))
    reader = TableReader(tmp_path / "table")
    before = reader.read()
    writer.set(writer.jobs["job-0"], state=HELD, unmet=("a",))
    assert reader.read()["job-0"].state == HELD
    assert reader.read()["job-0"].unmet == ("a",)
    assert before["job-0"].state == "queued"


def test_a_full_disk_leaves_memory_and_file_of_one_mind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table"
    writer = TableWriter(path)
    writer.add(jobs(2))
    whole = JournalWriter.append

    def half_a_line(self: JournalWriter, kind: str, /, **fields: Any) -> dict[str, Any]:
        with path.open("ab") as file:
            file.write(b'{"seq":9,"at":1,"kind":"dr')
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(JournalWriter, "append", half_a_line)
    with pytest.raises(OSError, match="No space"):
        writer.set(writer.jobs["job-0"], state=STARTED)
    with pytest.raises(OSError, match="No space"):
        writer.drop(writer.jobs["job-1"])
    assert writer.jobs["job-0"].state == "queued"
    monkeypatch.setattr(JournalWriter, "append", whole)
    writer.set(writer.jobs["job-1"], state=HELD)
    assert {job.id: job.state for job in TableReader(path).read().values()} == {"job-0": "queued", "job-1": HELD}


def test_a_missing_table_is_an_empty_queue(tmp_path: Path) -> None:
    assert TableReader(tmp_path / "table").read() == {}
