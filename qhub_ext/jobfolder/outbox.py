"""Summaries that the broker has not taken yet: SHELF/.outbox/JOB@ATTEMPT.json, a second name of the one in the job folder.

The folder is there where summaries are to be sent at all: a submission makes it when a broker is configured, so that a runner, which reads no
settings, knows. A summary leaves it when the broker has it, or has refused it for good; a job folder that was removed meanwhile takes nothing along.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder

FOLDER, REFUSED = ".outbox", ".refused"


class Outbox:
    def __init__(self, shelf: Path) -> None:
        self.path = shelf / FOLDER

    def open(self) -> None:
        """Summaries are to be sent from now on."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def wanted(self) -> bool:
        return self.path.is_dir()

    def put(self, folder: JobFolder, attempt: AttemptFolder, *, anew: bool = False) -> None:
        """Where the file system has no second names, a copy. `anew`: in the place of one that waits still."""
        entry = self.path / f"{folder.id}@{attempt.number}.json"
        if anew:
            entry.unlink(missing_ok=True)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(attempt.summary, entry)
            except PermissionError:
                shutil.copyfile(attempt.summary, entry)

    def __len__(self) -> int:
        return sum(1 for _ in self._names())

    def waiting(self, most: int) -> list[tuple[str, dict[str, Any]]]:
        """(name, summary), the oldest first. What cannot be read as one is set aside."""
        found = []
        for name in sorted(self._names())[:most]:
            try:
                record = read_json(self.path / name)
            except FileNotFoundError:  # sent by another process in this moment
                continue
            except JobFolderError:
                self.refuse(name)
                continue
            if isinstance(record, dict):
                found.append((name, record))
            else:
                self.refuse(name)
        return found

    def sent(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / name)

    def refuse(self, name: str) -> None:
        """Kept beside for whoever wants to know, and never sent again."""
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.path / name, self.path / f"{name}{REFUSED}")

    def _names(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            yield from (name for name in os.listdir(self.path) if name.endswith(".json") and not name.startswith("."))
