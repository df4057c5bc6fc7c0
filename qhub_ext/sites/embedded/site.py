"""The client of the embedded site: writes letters, reads the table, starts the daemon when there is none.

It holds no state that matters: every process of the user may have one, and they share the queue through the spool.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qhub_ext import __version__
from qhub_ext.errors import InvalidOptionError, JobFolderError, SiteError
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json, read_json_or_none
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record, read_spec, require_own
from qhub_ext.settings import Settings
from qhub_ext.sites.embedded import policy
from qhub_ext.sites.embedded.processes import Process, process_of
from qhub_ext.sites.embedded.script import render_script
from qhub_ext.sites.embedded.spool import (
    REQUEST_SCHEMA,
    SUBMISSION_SCHEMA,
    Spool,
    explain_os_error,
    letters,
)
from qhub_ext.sites.embedded.table import HELD, STARTED, TableJob, TableReader
from qhub_ext.sites.scheduler import (
    SITE_JOURNAL,
    Finding,
    QueueEntry,
    Reason,
    Refusal,
    SiteReport,
    StartEstimate,
)
from qhub_ext.sites.sendable import read_sendable
from qhub_ext.telemetry.console import JSON
from qhub_ext.telemetry.console import VARIABLE as LOGS

DAEMON = Path(__file__).resolve().with_name("daemon.py")  # run by its path; a client does not import it
START_AGAIN_S = 2.0
"""A daemon needs a moment before its bell can be rung; so long a mere look does not start another."""
EXPLAINED = 8
"""Who asks about so few jobs reads sentences; a listing of thousands shows words."""
NEAR = 50
"""So many of the line are told when they start at the latest; those far behind would be told anew whenever anything ends."""
SETTLE_S = 5.0
"""A verb waits so long for the daemon to have acted, so that the next look shows it."""

# What a daemon, and so every job of the site, takes over from the process that happened to start it. What a job needs of
# its own notebook's environment travels in its runtime.json.
_ENVIRONMENT = (
    *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH"),
    *("MODULEPATH", "MODULESHOME"),  # where `module load` of a tier's runtime looks
)
_ENVIRONMENT_PREFIXES = ("LC_", "XDG_", "QHUB_", "OTEL_")


class EmbeddedSite:
    name = "embedded"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.spool = Spool(Path(settings.embedded.directory).expanduser().absolute())
        self._reader = TableReader(self.spool.table)
        self._started_at = -START_AGAIN_S

    # ------------------------------------------------------------------ the protocol

    def submit(self, folders: Sequence[JobFolder]) -> dict[str, str]:
        """One file, on disk when this returns; the daemon need not be there yet."""
        if not folders:
            return {}
        self.spool.prepare()
        total = self._cpus()
        jobs = [self._job_of(folder, total) for folder in folders]
        letter = {"schema": SUBMISSION_SCHEMA, "jobs": [job.to_json() for job in jobs]}
        try:
            self.spool.put(self.spool.incoming, letter)
            self._wake()
        except OSError as error:
            raise explain_os_error(error, f"The queue in {self.spool.directory} cannot take the job") from error
        return {job.id: job.id for job in jobs}

    def find(self, job_ids: Sequence[str]) -> dict[str, str]:
        known = self._known()
        return {i: i for i in job_ids if i in known or self._folder(i).journal(SITE_JOURNAL).exists()}

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]:
        jobs, as_of = self._look()
        total = self._cpus()
        line = policy.in_line(jobs.values())
        head = next((job.id for job in line if policy.may_start(job, total)), None)
        starts = policy.latest_starts(jobs.values(), total, as_of, NEAR)
        latest = {i: at for i, at in starts.items() if at > as_of}  # nothing is in the way of the others
        reports = {
            i: replace(_report(jobs[i], head, total, as_of), starts_by=latest.get(i)) for i in job_ids if i in jobs
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
        total = self._cpus()
        line = policy.in_line(jobs.values())
        head = next((job.id for job in line if policy.may_start(job, total)), None)
        running = sorted((job for job in jobs.values() if not job.waits), key=lambda job: job.started_at or 0.0)
        places = {job.id: place for place, job in enumerate(line, start=1)}
        return [
            QueueEntry(
                job_id=job.id,
                site_id=job.id,
                name=job.name,
                owner=job.owner,
                state=_state(job),
                position=places.get(job.id),
                submitted_at=job.submitted_at,
                reason=_word(job, head, total) if job.waits else "",
                tier=job.tier,
                device=job.device,
                cpus=job.cpus,
                time_s=job.time_s,
                started_at=job.started_at,
            )
            for job in (*running, *line)
        ]

    def estimate(self, job_id: str) -> StartEstimate:
        jobs, as_of = self._look()
        job = jobs.get(job_id)
        if job is None:
            return StartEstimate(None, None, self._absence(job_id))
        if not job.waits:
            return StartEstimate(job.started_at, job.started_at, "It has started.")
        return StartEstimate(*policy.estimate_start(job, jobs.values(), self._cpus(), as_of))

    def explain_reason(self, job_id: str) -> Reason:
        jobs, _ = self._look()
        job = jobs.get(job_id)
        if job is None:
            return Reason("", self._absence(job_id), audience="you")
        if not job.waits:
            return Reason("", "It has started and waits for nothing.", audience="you")
        wait = policy.explain(job, jobs.values(), self._cpus())
        return Reason(wait.word, wait.sentence, wait.audience, wait.advice)

    def render_script(self, folder: JobFolder, spec: JobSpec | None = None) -> str:
        return render_script(folder, spec if spec is not None else _spec_of(folder))

    def doctor(self) -> list[Finding]:
        from qhub_ext.sites.embedded.checkup import examine

        return examine(self)

    # ------------------------------------------------------------------ the daemon

    def daemon(self) -> Process | None:
        """The living daemon's process."""
        record = self._identity()
        process = process_of(record)
        return process if process is not None and process.lives() else None

    def kept(self) -> dict[str, list[Process]]:
        """Idle processes of the living daemon that wait for jobs: template and kernels."""
        found: dict[str, list[Process]] = {}
        for record in (self._identity() or {}).get("kept", ()):
            process = process_of(record)
            if process is not None and process.lives():
                found.setdefault(str(record.get("what")), []).append(process)
        return found

    def start_daemon(self) -> None:
        """Starts one, detached, and returns at once; a second one would leave by itself."""
        self._started_at = time.monotonic()
        with self.spool.log.open("ab") as log:
            # The shell ends at once, so that the daemon is nobody's child: no zombie stays with a long-lived kernel.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "qhub", *self.daemon_command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_daemon_environment(self._settings.telemetry.logs),
                start_new_session=True,
                check=True,
            )

    def daemon_command(self) -> list[str]:
        embedded = self._settings.embedded
        return [
            *(sys.executable, "-I", "-S", str(DAEMON)),
            *("--directory", str(self.spool.directory)),
            *("--cpus", str(self._configured_cpus())),
            *("--idle-exit", str(embedded.idle_exit_s)),
            *(() if embedded.template else ("--no-template",)),
            *("--warm", str(embedded.warm_kernels)),
            *("--warm-imports", ",".join(embedded.warm_imports)),
        ]

    @property
    def cpus(self) -> int:
        """CPUs that the jobs of this site may use together."""
        return self._cpus()

    def jobs(self) -> list[TableJob]:
        return list(self._reader.read().values())

    def version_note(self) -> str:
        """A sentence when the daemon is of another version than this client."""
        theirs = (self._identity() or {}).get("version", __version__)
        return (
            "" if theirs == __version__ else f"It is of version {theirs}, this is {__version__}; it leaves when idle."
        )

    def _wake(self) -> None:
        if not self.spool.ring():
            self.start_daemon()

    # ------------------------------------------------------------------ looking

    def _look(self) -> tuple[dict[str, TableJob], float]:
        """The table, and when it was true (s since 1970 UTC). A daemon that somebody killed is started again."""
        now = time.time()
        lives = self.spool.daemon_lives()
        if lives:
            self._started_at = -START_AGAIN_S  # should it be killed later, it is started again without delay
        jobs = self._known()
        patient = time.monotonic() - self._started_at < START_AGAIN_S
        if not lives and not patient and (jobs or letters(self.spool.requests)):
            try:
                self.start_daemon()
            except OSError as error:
                raise explain_os_error(error, "The embedded site cannot be started", "") from error
        return jobs, now if lives or not jobs else self._reader.written_at or now

    def _known(self) -> dict[str, TableJob]:
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
        for path in (*letters(self.spool.requests), *letters(self.spool.incoming)):
            try:
                records = read_json(path)["jobs"]  # of a request: by id, and only where it makes a job again
                jobs = [TableJob.from_json(one) for one in (records.values() if isinstance(records, dict) else records)]
            except (FileNotFoundError, JobFolderError, TypeError, KeyError, AttributeError):
                continue  # just taken, or not a letter: the daemon puts that aside
            for job in jobs:
                job.order = (1 << 62) + len(found)
                found.setdefault(job.id, job)
        return found

    def _cpus(self) -> int:
        record = self._identity()
        return int(record["cpus"]) if record and "cpus" in record else self._configured_cpus()

    def _configured_cpus(self) -> int:
        return self._settings.embedded.cpus or usable_cpus()

    def _identity(self) -> dict[str, Any] | None:
        try:
            record = read_json_or_none(self.spool.identity)
        except (JobFolderError, OSError):
            return None
        return record if isinstance(record, dict) else None

    def _folder(self, job_id: str) -> JobFolder:
        return folder_of(Path(self._settings.shelf).expanduser(), job_id)

    def _absence(self, job_id: str) -> str:
        """Why a job is not in the table."""
        try:
            state = read_record(self._folder(job_id)).state
        except JobFolderError:
            return "The site does not know this job."
        return f"It has ended: {state.value.replace('_', ' ')}." if state.final else "The site does not know this job."

    # ------------------------------------------------------------------ asking

    def _job_of(self, folder: JobFolder, total_cpus: int) -> TableJob:
        """Raises SiteError for a folder that this site cannot run, InvalidOptionError for one that is too wide for it."""
        spec = read_sendable(folder)
        if spec.cpus > total_cpus:
            raise InvalidOptionError(
                f"The job asks for {spec.cpus} CPUs and the embedded site of this computer has {total_cpus}; nothing was queued.",
                advice="Ask for fewer CPUs.",
            )
        if not folder.script.is_file():
            raise SiteError(f"{folder.path} has no script to run; nothing was queued.")
        return table_job(folder, spec)

    def _ask(self, verb: str, job_ids: Sequence[str]) -> list[Refusal]:
        known = self._known()
        refusals, accepted, records, attempts = [], [], {}, {}
        for job_id in self._expand(verb, job_ids, known):
            job = known.get(job_id)
            if verb == "requeue" and job is None:
                record = self._ended_job(job_id)
                why = "" if record else self._absence(job_id)
                if record:
                    records[job_id], attempts[job_id] = record.to_json(), record.attempt
            else:
                why = _refuse(verb, job) if job is not None else self._absence(job_id)
                if job is not None and verb == "requeue":
                    attempts[job_id] = job.attempt
            if why:
                refusals.append(Refusal(job_id, why))
            else:
                accepted.append(job_id)
        if accepted:
            letter = {"schema": REQUEST_SCHEMA, "verb": verb, "ids": accepted, "jobs": records, "attempts": attempts}
            try:
                path = self.spool.put(self.spool.requests, letter)
                self._wake()
            except OSError as error:
                raise explain_os_error(error, f"The {verb} cannot be handed to the site", "") from error
            self._settle(path)
        return refusals

    def _expand(self, verb: str, job_ids: Sequence[str], known: dict[str, TableJob]) -> list[str]:
        """An array stands for its elements."""
        expanded: dict[str, None] = {}
        for job_id in job_ids:
            members = [] if "." in job_id else [i for i in known if i.startswith(f"{job_id}.")]
            if verb == "requeue" and not members and job_id not in known and "." not in job_id:
                members = _elements(self._folder(job_id))
            expanded.update(dict.fromkeys(members or [job_id]))
        return list(expanded)

    def _ended_job(self, job_id: str) -> TableJob | None:
        """A job that has ended, as it would be submitted again."""
        folder = self._folder(job_id)
        try:
            require_own(folder)
            spec = read_spec(folder)
            state = read_record(folder, spec).state
        except (FileNotFoundError, JobFolderError):
            return None
        if not state.final or not folder.script.is_file():
            return None
        return replace(table_job(folder, spec), attempt=max(folder.attempt_numbers(), default=0))

    def _settle(self, letter: Path) -> None:
        """Until the daemon has read it; it will in any case, also when this returns first."""
        until = time.monotonic() + SETTLE_S
        while letter.exists() and time.monotonic() < until:
            time.sleep(0.002)


def table_job(folder: JobFolder, spec: JobSpec) -> TableJob:
    script = folder.script.read_text(errors="surrogateescape")
    plain = bool(spec.python) and spec.launch is None and script == render_script(folder, spec)
    return TableJob(
        id=spec.id,
        path=str(folder.path.absolute()),
        name=spec.name,
        owner=spec.owner,
        tier=spec.tier,
        device=spec.device,
        cpus=max(1, spec.cpus),
        time_s=spec.time_s,
        grace_s=spec.grace_s,
        after=spec.after,
        unmet=spec.after,
        submitted_at=time.time(),
        python=spec.python,
        plain=plain,
        warm_key=f"{spec.python}|{spec.environment_digest}|{spec.cpus}|{spec.memory_mb}"
        if plain and not spec.cold
        else "",
    )


def _report(job: TableJob, head: str | None, total_cpus: int, as_of: float) -> SiteReport:
    reason = _word(job, head, total_cpus) if job.waits else ""
    return SiteReport(job.id, job.id, _state(job), as_of, job.state, reason, job.attempt)


def _word(job: TableJob, head: str | None, total_cpus: int) -> str:
    word = policy.word_for(job, (), total_cpus)
    return policy.PRIORITY if word == policy.RESOURCES and job.id != head else word


def _state(job: TableJob) -> State:
    if job.waits:
        return State.HELD if job.state == HELD else State.QUEUED
    launch = JobFolder(Path(job.path)).attempt(job.attempt).launch
    return State.RUNNING if launch.exists() else State.STARTING


def usable_cpus() -> int:
    """CPUs that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _refuse(verb: str, job: TableJob) -> str:
    """Why not, or empty."""
    if verb == "hold" and job.state == STARTED:
        return "It has started; only a waiting job can be held."
    if verb == "release" and job.state != HELD:
        return "It has started." if job.state == STARTED else "It is not held."
    if verb == "requeue" and job.waits:
        return "It is waiting already."
    return ""


def _elements(folder: JobFolder) -> list[str]:
    try:
        size = read_spec(folder).size
    except (FileNotFoundError, JobFolderError):
        return []
    return [folder.element(index).id for index in range(size or 0)]


def _spec_of(folder: JobFolder) -> JobSpec | None:
    try:
        return read_spec(folder)
    except JobFolderError:
        return None  # for --dry-run, before there is a folder


def _daemon_environment(logs: str) -> dict[str, str]:
    kept = {LOGS: logs} if logs == JSON else {}
    kept |= {n: v for n, v in os.environ.items() if n in _ENVIRONMENT or n.startswith(_ENVIRONMENT_PREFIXES)}
    kept.pop("QHUB_ATTEMPT", None)  # when a job submits a job
    return kept
