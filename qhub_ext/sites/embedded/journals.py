"""Events for the site's journal in job folders; what a full disk keeps out is written later, in its order."""

from __future__ import annotations

import errno
from typing import Any

from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import JournalWriter, read_journal
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.sites.embedded.attempt_files import folder_of
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.table import TableJob
from qhub_ext.sites.scheduler import SITE_JOURNAL


class Journals:
    def __init__(self) -> None:
        self._pending: dict[str, list[tuple[JobFolder, str, dict[str, Any]]]] = {}

    def tell(self, job: TableJob, kind: str, **fields: Any) -> None:
        folder = folder_of(job)
        self._pending.setdefault(folder.id, []).append((folder, kind, {"attempt": job.attempt, **fields}))
        self._flush(folder.id)

    def tell_queued(self, job: TableJob) -> None:
        self.tell(job, "state", state=State.QUEUED.value, site_id=job.id)

    def told(self, job: TableJob) -> bool:
        """Whether anything was ever said about this attempt."""
        try:
            events = read_journal(folder_of(job).journal(SITE_JOURNAL))
            return any(event.get("attempt") == job.attempt for event in events)
        except OSError:
            return False

    def flush(self) -> None:
        for job_id in list(self._pending):
            self._flush(job_id)

    def _flush(self, job_id: str) -> None:
        events = self._pending[job_id]
        folder = events[0][0]
        try:
            if folder.path.is_dir():  # the journal would make the folder again
                with JournalWriter(folder.journal(SITE_JOURNAL)) as journal:
                    while events:
                        journal.append(events[0][1], **events[0][2])
                        events.pop(0)
        except OSError as error:
            say(f"{job_id}: its journal cannot be written: {error}")
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                return
        del self._pending[job_id]
