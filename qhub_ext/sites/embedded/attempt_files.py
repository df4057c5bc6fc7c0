"""What launcher and daemon leave in the folder of an attempt, read and written with the daemon's patience."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.table import TableJob


def folder_of(job: TableJob) -> JobFolder:
    return JobFolder(Path(job.path))


def attempt_of(job: TableJob) -> AttemptFolder:
    return folder_of(job).attempt(job.attempt)


def launch_of(job: TableJob) -> dict[str, Any] | None:
    """The launcher's record; None when no launcher has claimed the attempt."""
    return _read(attempt_of(job).launch, unreadable={})


def exit_of(job: TableJob) -> dict[str, Any] | None:
    """How the script ended; None when its launcher did not live to see it."""
    return _read(attempt_of(job).exit, unreadable=None)


def _read(path: Path, unreadable: dict[str, Any] | None) -> dict[str, Any] | None:
    try:
        record = read_json_or_none(path)
    except (JobFolderError, OSError) as error:
        say(f"{path} cannot be read: {error}")
        return unreadable
    return record if isinstance(record, dict) else None


def make_attempt(attempt: AttemptFolder) -> None:
    """Not its parents: a job folder that was removed stays so (FileNotFoundError)."""
    for path in (attempt.path.parent, attempt.path):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)


def ended(folder: JobFolder) -> bool:
    """The latest attempt has its outcome."""
    latest = folder.latest_attempt()
    return latest is not None and latest.outcome.exists()


def touch(folder: JobFolder) -> None:
    """An index that compares the time stamp of the folder (of an element: of its array's) then looks again."""
    with contextlib.suppress(OSError):
        os.utime(folder.bundle_root)
