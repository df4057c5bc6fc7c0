"""The jobs that wait: put at the end, held, released, put back when a start did not work, taken out by who starts or ends them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from qhub_ext.job.state import State
from qhub_ext.jobfolder.generation import begin_generation
from qhub_ext.sites.embedded import policy
from qhub_ext.sites.embedded.attempt_files import ended, folder_of
from qhub_ext.sites.embedded.dependencies import Dependencies
from qhub_ext.sites.embedded.journals import Journals
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.table import HELD, QUEUED, TableJob, TableWriter

RETRY_AT_MOST_S = 30.0


@dataclass
class Retry:
    """A start that did not work. The moment is monotonic, in s; 0 when it is to be tried as soon as there is a CPU."""

    failures: int = 0
    at: float = 0.0


class Line:
    def __init__(self, table: TableWriter, journals: Journals) -> None:
        self.jobs: dict[str, TableJob] = {job.id: job for job in policy.in_line(table.jobs.values())}
        self._table = table
        self._journals = journals
        self._dependencies = Dependencies()
        self._retries: dict[str, Retry] = {}
        self._next_order = 1 + max((job.order for job in table.jobs.values()), default=0)

    def recover(self) -> None:
        """What an earlier daemon left: its obstacles are tried again at once, and what it did not say is said."""
        for job in self.jobs.values():
            job.obstacle = ""
            if not self._journals.told(job):
                self._journals.tell_queued(job)

    # ------------------------------------------------------------------ into the line

    def accept(self, jobs: Iterable[TableJob]) -> list[TableJob]:
        """Those that neither the table nor their own folders know already, queued."""
        fresh = [job for job in jobs if job.id not in self._table.jobs and not ended(folder_of(job))]
        for job in fresh:
            self._place(job, max(folder_of(job).attempt_numbers(), default=1))
        return self._add(fresh)

    def requeue_ended(self, job: TableJob) -> list[TableJob]:
        """A job that has ended, with a new attempt. `job.attempt` is the one that whoever asked has seen end."""
        folder = folder_of(job)
        latest = max(folder.attempt_numbers(), default=0)
        if not ended(folder) or latest != job.attempt:
            return []  # another requeue was quicker, or an earlier daemon died when it had obeyed
        self._dependencies.forget(job.id)
        self._place(job, latest + 1)
        added = self._add([job])
        with contextlib.suppress(OSError):  # a full disk: the listing is late, the job is not
            begin_generation(folder)
        return added

    def begin_again(self, job: TableJob) -> None:
        """At the end of the line, with a new attempt."""
        fields = {"started_at": None, "stop_why": "", "stop_at": None, "obstacle": ""}
        self._table.set(job, state=QUEUED, attempt=job.attempt + 1, order=self._next_order, **fields)
        self._next_order += 1
        self.jobs[job.id] = job
        self._journals.tell_queued(job)

    def put_back(self, job: TableJob, why: str) -> None:
        """In its old place, after a start that did not work."""
        retry = self._retries.setdefault(job.id, Retry())
        retry.failures += 1
        wait_s = 0.0 if retry.failures == 1 else min(RETRY_AT_MOST_S, 0.25 * 2**retry.failures)
        retry.at = time.monotonic() + wait_s
        job.state, job.started_at, job.obstacle = QUEUED, None, why  # also when the disk is too full to write it down
        self.jobs = {other.id: other for other in policy.in_line([job, *self.jobs.values()])}
        with contextlib.suppress(OSError):
            self._table.set(job, state=QUEUED, started_at=None, obstacle=why)

    def _place(self, job: TableJob, attempt: int) -> None:
        job.order, job.attempt = self._next_order, attempt
        job.state, job.started_at, job.stop_why, job.stop_at = QUEUED, None, "", None
        job.unmet = job.after
        self._next_order += 1

    def _add(self, jobs: list[TableJob]) -> list[TableJob]:
        try:
            self._table.add(jobs)
        finally:  # those that were written down count, also when the disk was full after them
            for job in jobs:
                if self._table.jobs.get(job.id) is job:
                    self.jobs[job.id] = job
                    self._journals.tell_queued(job)
        return jobs

    # ------------------------------------------------------------------ waiting

    def hold(self, job: TableJob) -> None:
        if job.state == QUEUED:
            self._table.set(job, state=HELD)
            word = policy.HELD_BY_USER
            self._journals.tell(job, "state", state=State.HELD.value, reason=word, word=word)

    def release(self, job: TableJob) -> None:
        if job.state == HELD:
            self._table.set(job, state=QUEUED)
            self._journals.tell_queued(job)

    def dependents(self) -> list[TableJob]:
        return [job for job in self.jobs.values() if job.after]

    def hopeless(self, jobs: Iterable[TableJob]) -> Iterator[tuple[TableJob, str]]:
        """Those whose dependencies can never be met, and why; of the others it is written down what they still wait for."""
        active = set(self._table.jobs)
        for job in jobs:
            if job.id not in self.jobs or not job.after:
                continue
            try:
                unmet, never = self._dependencies.unmet(folder_of(job), job.after, active)
            except OSError as error:
                say(f"its dependencies cannot be read yet: {error}", job)
                continue
            if never:
                yield job, never
            elif unmet != job.unmet:
                self._table.set(job, unmet=unmet)

    # ------------------------------------------------------------------ out of the line

    def choose(self, free_cpus: int, total_cpus: int) -> TableJob | None:
        """The job to start now."""
        return policy.choose(self.jobs.values(), free_cpus, total_cpus)

    def take_out(self, job: TableJob) -> None:
        self.jobs.pop(job.id, None)

    # ------------------------------------------------------------------ starts that did not work

    def failures(self, job: TableJob) -> int:
        retry = self._retries.get(job.id)
        return retry.failures if retry is not None else 0

    def forget_failures(self, job: TableJob) -> None:
        self._retries.pop(job.id, None)

    def end_retries(self) -> None:
        """Those whose time has come may be chosen again."""
        now = time.monotonic()
        for job_id, retry in self._retries.items():
            if retry.at and retry.at <= now:
                retry.at = 0.0
                if job_id in self.jobs:
                    self._table.set(self.jobs[job_id], obstacle="")

    def moments(self) -> list[float]:
        """When to look again (monotonic, s)."""
        return [retry.at for retry in self._retries.values() if retry.at]
