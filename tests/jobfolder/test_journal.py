import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_json, read_record_or_none, write_json
from qhub_ext.jobfolder.generation import begin_generation
from qhub_ext.jobfolder.journal import JournalWriter, append_once, parse_line, read_all, read_journal
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.tasks import tasks_of


def test_events_come_back_in_order_with_their_numbers(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "site.jsonl") as journal:
        for n in range(5):
            journal.append("note", text=f"näme {n}\n")
    assert [e["seq"] for e in read_journal(tmp_path / "site.jsonl")] == [1, 2, 3, 4, 5]
    assert [e["seq"] for e in read_journal(tmp_path / "site.jsonl", after=3)] == [4, 5]


def test_a_torn_last_line_is_passed_over_and_the_next_writer_carries_on(tmp_path: Path) -> None:
    path = tmp_path / "site.jsonl"
    with JournalWriter(path) as journal:
        journal.append("note", text="whole")
        journal.append("note", text="torn")
    path.write_bytes(path.read_bytes()[:-9])
    assert [e["text"] for e in read_journal(path)] == ["whole"]
    with JournalWriter(path) as journal:
        journal.append("note", text="after")
    assert [e["text"] for e in read_journal(path)] == ["whole", "after"]


@given(st.binary(max_size=60))
def test_no_bytes_in_a_journal_are_an_error(line: bytes) -> None:
    event = parse_line(line)
    assert event is None or isinstance(event, dict)


@pytest.mark.parametrize(
    "damage",
    ['"seq":"1"', '"kind":{}', '"at":null', '"at":"2026"', '"at":NaN', '"at":1e308', '"attempt":[]', '"attempt":1e308'],
)
def test_a_line_whose_values_are_none_that_are_written_there_is_passed_over(damage: str) -> None:
    assert parse_line(b'{"seq":1,"at":5.0,"kind":"note","attempt":1}') is not None
    assert parse_line(f"{{{damage}}}".encode()) is None


def test_a_folder_in_the_place_of_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(JobFolderError, match="is a folder"):
        read_all(tmp_path)
    with pytest.raises(JobFolderError, match="is a folder"):
        read_json(tmp_path)


@pytest.mark.parametrize("damage", [b"3", b"null", b"[1]", b'"x"'])
def test_records_that_are_no_objects_count_as_none(tmp_path: Path, damage: bytes) -> None:
    attempt = JobFolder(tmp_path / "job").attempt(1)
    attempt.tasks.mkdir(parents=True)
    (attempt.tasks / "0001.json").write_bytes(damage)
    attempt.outcome.write_bytes(damage)
    assert tasks_of(attempt) == []
    assert read_record_or_none(attempt.outcome) is None


def test_a_journal_that_is_cut_anywhere_loses_only_its_last_event(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with JournalWriter(path) as journal:
        for n in range(3):
            journal.append("note", n=n)
    whole = path.read_bytes()
    ends = [i + 1 for i, b in enumerate(whole) if b == 10]
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        # a line that lacks only its newline is still whole
        expected = sum(1 for e in ends if e - 1 <= cut)
        assert len(list(read_journal(path))) == expected


def test_all_journals_of_a_folder_are_read_and_drafts_are_not(tmp_path: Path) -> None:
    for name in ("site.jsonl", "runner-1.jsonl", ".site.jsonl.tmp", "notes.txt"):
        (tmp_path / name).write_text(json.dumps({"seq": 1, "kind": name}) + "\n")
    assert {e["kind"] for e in read_all(tmp_path)} == {"site.jsonl", "runner-1.jsonl"}
    assert read_all(tmp_path / "absent") == []


def test_an_exclusive_write_lets_the_first_one_stand(tmp_path: Path) -> None:
    path = tmp_path / "outcome.json"
    assert write_json(path, {"by": "runner"}, exclusive=True)
    assert not write_json(path, {"by": "site"}, exclusive=True)
    assert read_json(path) == {"by": "runner"}
    assert [p.name for p in tmp_path.iterdir()] == ["outcome.json"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write into the folders of others")
def test_what_root_writes_into_the_folder_of_another_user_that_user_can_read(tmp_path: Path) -> None:
    job = JobFolder(tmp_path / "shelf" / "01kayt4w2-7qm3xd")
    job.journals.mkdir(parents=True)
    for folder in (job.path.parent, job.path, job.journals):
        os.chown(folder, 65534, 65534)
    append_once(job.journal("site-1"), "state", state="lost")
    begin_generation(job)
    for made in (job.journal("site-1"), job.path.parent / ".generation"):
        assert made.stat().st_uid == 65534
