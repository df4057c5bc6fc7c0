"""The queue as a client sees it: the daemon's table and what is on its way there, and what each job of it looks like."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.errors import JobFolderError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.sites.embedded import policy
from qhub_ext.sites.embedded.spool import Spool, letters
from qhub_ext.sites.embedded.table import HELD, TableJob, TableReader
from qhub_ext.sites.scheduler import QueueEntry, SiteReport


class QueueView:
    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._reader = TableReader(spool.table)

    @property
    def written_at(self) -> float:
        """When the daemon last wrote (s since 1970 UTC); 0 where it never did."""
        return self._reader.written_at

    def table(self) -> dict[str, TableJob]:
        """Jobs by id, as the daemon last wrote them."""
        return self._reader.read()

    def known(self) -> dict[str, TableJob]:
        """The table and what is on its way there. The letters are read first: the daemon removes one only when the
        table has it, so that no job is missed in between."""
        incoming = self._incoming()
        jobs = self._reader.read()
        for job_id, job in incoming.items():
            jobs.setdefault(job_id, job)
        return jobs

    def _incoming(self) -> dict[str, TableJob]:
        """Submissions, and requeues of what has ended, that the daemon has not read yet."""
        found: dict[str, TableJob] = {}
        for path in (*letters(self._spool.requests), *letters(self._spool.incoming)):
            try:
                records = read_json(path)["jobs"]  # of a request: by id, and only where it makes a job again
                jobs = [TableJob.from_json(one) for one in (records.values() if isinstance(records, dict) else records)]
            except (FileNotFoundError, JobFolderError, TypeError, KeyError, AttributeError):
                continue  # just taken, or not a letter: the daemon puts that aside
            for job in jobs:
                job.order = (1 << 62) + len(found)
                found.setdefault(job.id, job)
        return found


def report_of(job: TableJob, head: str | None, total_cpus: int, as_of: float) -> SiteReport:
    reason = _word(job, head, total_cpus) if job.waits else ""
    return SiteReport(job.id, job.id, _state(job), as_of, job.state, reason, job.attempt)


def entry_of(job: TableJob, position: int | None, head: str | None, total_cpus: int) -> QueueEntry:
    return QueueEntry(
        job_id=job.id,
        site_id=job.id,
        name=job.name,
        owner=job.owner,
        state=_state(job),
        position=position,
        submitted_at=job.submitted_at,
        reason=_word(job, head, total_cpus) if job.waits else "",
        tier=job.tier,
        device=job.device,
        cpus=job.cpus,
        time_s=job.time_s,
        started_at=job.started_at,
    )


def absence(folder: JobFolder) -> str:
    """Why its job is not in the queue."""
    try:
        state = read_record(folder).state
    except JobFolderError:
        return "The site does not know this job."
    return f"It has ended: {state.value.replace('_', ' ')}." if state.final else "The site does not know this job."


def _word(job: TableJob, head: str | None, total_cpus: int) -> str:
    word = policy.word_for(job, (), total_cpus)
    return policy.PRIORITY if word == policy.RESOURCES and job.id != head else word


def _state(job: TableJob) -> State:
    if job.waits:
        return State.HELD if job.state == HELD else State.QUEUED
    launch = JobFolder(Path(job.path)).attempt(job.attempt).launch
    return State.RUNNING if launch.exists() else State.STARTING
