"""The records of a job's quantum calls, as primitives write them: a file each."""

from __future__ import annotations

from typing import Any

from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder


def read_tasks(folder: JobFolder) -> list[dict[str, Any]]:
    """Of the latest attempt, in order."""
    attempt = folder.latest_attempt()
    return [] if attempt is None else tasks_of(attempt)


def tasks_of(attempt: AttemptFolder) -> list[dict[str, Any]]:
    """Raises JobFolderError for a record that is torn."""
    found = map(read_json, sorted(attempt.tasks.glob("[0-9]*.json"))) if attempt.tasks.is_dir() else ()
    return [record for record in found if isinstance(record, dict)]
