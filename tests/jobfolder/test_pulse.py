"""The pulse of a job folder beats when a state may have changed, and only then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qhub_ext.job.identity import new_job_id
from qhub_ext.jobfolder.generation import begin_generation
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import Outcome, seal
from qhub_ext.jobfolder.pulse import SETTLED_S, take_pulse, take_shelf_pulse


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / new_job_id())
    folder.journals.mkdir(parents=True)
    folder.attempts.mkdir()
    return folder


def test_each_step_of_a_job_is_felt(folder):
    pulses = [take_pulse(folder)]

    def beat():
        pulses.append(take_pulse(folder))
        assert pulses[-1].events != pulses[-2].events

    with JournalWriter(folder.journal("client")) as journal:
        beat()
        journal.append("state", state="submitted")
        beat()
        journal.append("state", state="submitted")
        beat()
    attempt = folder.attempt(1)
    attempt.path.mkdir()
    beat()
    attempt.launch.write_text("{}")
    beat()
    seal(attempt, Outcome("completed", 1.0, 2.0))
    beat()
    folder.attempt(2).path.mkdir()
    beat()


def test_what_is_printed_is_felt_apart_from_states(folder):
    folder.attempt(1).path.mkdir()
    with JournalWriter(folder.attempt(1).outputs) as outputs:
        outputs.append("stream", text="a")
        first = take_pulse(folder)
        outputs.append("stream", text="b")
        second = take_pulse(folder)
    assert first.events == second.events
    assert first.outputs < second.outputs


def test_without_a_change_the_pulse_stays(folder):
    folder.attempt(1).path.mkdir()
    assert take_pulse(folder) == take_pulse(folder)


def test_a_folder_that_is_gone_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        take_pulse(JobFolder(tmp_path / "gone"))


def test_a_shelf_is_felt_when_jobs_come_or_begin_anew(tmp_path, folder):
    now = 4e9  # long after: the shelf's own time can be relied on
    first = take_shelf_pulse(tmp_path, now)
    assert take_shelf_pulse(tmp_path, now) == first
    os.utime(tmp_path, (1.0, 1.0))
    assert take_shelf_pulse(tmp_path, now).names != first.names
    begin_generation(folder)
    assert take_shelf_pulse(tmp_path, now).generation != first.generation
    assert take_shelf_pulse(tmp_path / "none", now) == take_shelf_pulse(tmp_path / "none", now)


def test_a_shelf_that_has_just_changed_is_looked_at_again(tmp_path):
    changed_at = tmp_path.stat().st_mtime
    soon = changed_at + SETTLED_S / 4
    assert take_shelf_pulse(tmp_path, soon).names != take_shelf_pulse(tmp_path, soon + SETTLED_S / 4).names
