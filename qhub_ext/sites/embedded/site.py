"""The client of the embedded site: writes letters, reads the table, starts the daemon when there is none.

It holds no state that matters: every process of the user may have one, and they share the queue through the spool.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qhub_ext.errors import JobFolderError
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.settings import Settings
from qhub_ext.sites.embedded import policy
from qhub_ext.sites.embedded.daemon_process import DaemonProcess
from qhub_ext.sites.embedded.queue_view import QueueView, absence, entry_of, report_of
from qhub_ext.sites.embedded.script import render_script
from qhub_ext.sites.embedded.spool import SUBMISSION_SCHEMA, Spool, explain_os_error, letters
from qhub_ext.sites.embedded.submission import submitted_job
from qhub_ext.sites.embedded.table import TableJob
from qhub_ext.sites.embedded.verbs import request_for
from qhub_ext.sites.scheduler import SITE_JOURNAL, Finding, QueueEntry, Reason, Refusal, SiteReport, StartEstimate

EXPLAINED = 8
"""Who asks about so few jobs reads sentences; a listing of thousands shows words."""
NEAR = 50
"""So many of the line are told when they start at the latest; those far behind would be told anew whenever anything ends."""
SETTLE_S = 5.0
"""A verb waits so long for the daemon to have acted, so that the next look shows it."""


class EmbeddedSite:
    name = "embedded"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.spool = Spool(Path(settings.embedded.directory).expanduser().absolute())
        self.daemon = DaemonProcess(settings, self.spool)
        self._view = QueueView(self.spool)

    def submit(self, folders: Sequence[JobFolder]) -> dict[str, str]:
        """One file, on disk when this returns; the daemon need not be there yet."""
        if not folders:
            return {}
        self.spool.prepare()
        total = self.daemon.cpus
        jobs = [submitted_job(folder, total) for folder in folders]
        letter = {"schema": SUBMISSION_SCHEMA, "jobs": [job.to_json() for job in jobs]}
        try:
            self.spool.put(self.spool.incoming, letter)
            self.daemon.wake()
        except OSError as error:
            raise explain_os_error(error, f"The queue in {self.spool.directory} cannot take the job") from error
        return {job.id: job.id for job in jobs}

    def find(self, job_ids: Sequence[str]) -> dict[str, str]:
        known = self._view.known()
        return {i: i for i in job_ids if i in known or self._folder(i).journal(SITE_JOURNAL).exists()}

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]:
        jobs, as_of = self._look()
        total = self.daemon.cpus
        line = policy.in_line(jobs.values())
        head = next((job.id for job in line if policy.may_start(job, total)), None)
        starts = policy.latest_starts(jobs.values(), total, as_of, NEAR)
        latest = {i: at for i, at in starts.items() if at > as_of}  # nothing is in the way of the others
        reports = {
            i: replace(report_of(jobs[i], head, total, as_of), starts_by=latest.get(i)) for i in job_ids if i in jobs
        }
        if len(reports) <= EXPLAINED:
            for job_id, report in reports.items():
                if jobs[job_id].waits:
                    wait = policy.explain(jobs[job_id], jobs.values(), total)
                    reports[job_id] = replace(report, message=wait.sentence)
        return reports

    def cancel(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._ask("cancel", job_ids)

    def hold(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._ask("hold", job_ids)

    def release(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._ask("release", job_ids)

    def requeue(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._ask("requeue", job_ids)

    def queue(self) -> list[QueueEntry]:
        """Those that run first, then the line, in its order."""
        jobs, _ = self._look()
        total = self.daemon.cpus
        line = policy.in_line(jobs.values())
        head = next((job.id for job in line if policy.may_start(job, total)), None)
        running = sorted((job for job in jobs.values() if not job.waits), key=lambda job: job.started_at or 0.0)
        places = {job.id: place for place, job in enumerate(line, start=1)}
        return [entry_of(job, places.get(job.id), head, total) for job in (*running, *line)]

    def estimate(self, job_id: str) -> StartEstimate:
        jobs, as_of = self._look()
        job = jobs.get(job_id)
        if job is None:
            return StartEstimate(None, None, absence(self._folder(job_id)))
        if not job.waits:
            return StartEstimate(job.started_at, job.started_at, "It has started.")
        return StartEstimate(*policy.estimate_start(job, jobs.values(), self.daemon.cpus, as_of))

    def explain_reason(self, job_id: str) -> Reason:
        jobs, _ = self._look()
        job = jobs.get(job_id)
        if job is None:
            return Reason("", absence(self._folder(job_id)), audience="you")
        if not job.waits:
            return Reason("", "It has started and waits for nothing.", audience="you")
        wait = policy.explain(job, jobs.values(), self.daemon.cpus)
        return Reason(wait.word, wait.sentence, wait.audience, wait.advice)

    def render_script(self, folder: JobFolder, spec: JobSpec | None = None) -> str:
        return render_script(folder, spec if spec is not None else _spec_of(folder))

    def doctor(self) -> list[Finding]:
        from qhub_ext.sites.embedded.checkup import examine

        return examine(self)

    def jobs(self) -> list[TableJob]:
        return list(self._view.table().values())

    def _look(self) -> tuple[dict[str, TableJob], float]:
        """The queue, and when it was so (s since 1970 UTC). A daemon that somebody killed is started again."""
        now = time.time()
        lives = self.daemon.lives()
        jobs = self._view.known()
        if not lives and (jobs or letters(self.spool.requests)):
            self.daemon.start_again()
        return jobs, now if lives or not jobs else self._view.written_at or now

    def _folder(self, job_id: str) -> JobFolder:
        return folder_of(Path(self._settings.shelf).expanduser(), job_id)

    def _ask(self, verb: str, job_ids: Sequence[str]) -> list[Refusal]:
        letter, refusals = request_for(verb, job_ids, self._view.known(), self._folder)
        if letter is not None:
            try:
                path = self.spool.put(self.spool.requests, letter)
                self.daemon.wake()
            except OSError as error:
                raise explain_os_error(error, f"The {verb} cannot be handed to the site", "") from error
            _settle(path)
        return refusals


def _settle(letter: Path) -> None:
    """Until the daemon has read it; it will in any case, also when this returns first."""
    until = time.monotonic() + SETTLE_S
    while letter.exists() and time.monotonic() < until:
        time.sleep(0.002)


def _spec_of(folder: JobFolder) -> JobSpec | None:
    try:
        return read_spec(folder)
    except JobFolderError:
        return None  # for --dry-run, before there is a folder
