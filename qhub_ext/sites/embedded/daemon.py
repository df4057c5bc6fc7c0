"""The one process that decides: who starts, who is stopped, who has ended. It leaves when it has been idle for a while.

    python -I -S daemon.py --directory SPOOL --cpus N --idle-exit S [--no-template] [--warm N --warm-imports A,B]

Whatever kills it, nothing is lost and nothing runs twice: the table says what was decided, `launch.json` (created
exclusively) what began, `outcome.json` (linked exclusively) how it ended. A restart reads them and carries on.
Imports the standard library and the job folder only: it starts in a moment and stays small.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__" and __package__ in (None, ""):
    # run by path, without site-packages: this package is found beside this file and nothing else is needed
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import argparse
import contextlib
import errno
import fcntl
import json
import os
import selectors
import signal
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from qhub_ext import __version__
from qhub_ext.errors import Cause, JobFolderError, SiteError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json, read_json_or_none, write_json
from qhub_ext.jobfolder.generation import begin_generation
from qhub_ext.jobfolder.journal import JournalWriter, read_journal
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import Outcome, seal
from qhub_ext.sites.embedded import launcher, policy, processes
from qhub_ext.sites.embedded.dependencies import Dependencies
from qhub_ext.sites.embedded.kept import Kept
from qhub_ext.sites.embedded.processes import Process, process_of
from qhub_ext.sites.embedded.spool import Spool, letters, stale_drafts
from qhub_ext.sites.embedded.table import HELD, QUEUED, STARTED, TableJob, TableWriter
from qhub_ext.sites.embedded.template import Template
from qhub_ext.sites.embedded.verdict import Evidence, conclude
from qhub_ext.sites.embedded.warm import LAUNCH, WarmPool
from qhub_ext.sites.scheduler import SITE_JOURNAL

SWEEP_S = 1.0
IDLE_SWEEP_S = 10.0
POLL_S = 0.2
"""How often processes are asked for where the kernel does not tell."""
STEAL_LOCK_WITHIN_S = 2.0
RETRY_AT_MOST_S = 30.0
LAUNCH_ATTEMPTS = 6
CONFIRM_WITHIN_S = 5.0
"""A warm kernel that has not claimed its job by then is stuck: the job starts cold."""
KILL_AGAIN_S = 5.0


@dataclass
class Run:
    """An attempt that has been started: the process to watch, and when to lose patience. Moments are monotonic, in s."""

    job: TableJob
    watched: Process | None = None
    pidfd: int = -1
    child: bool = False
    time_up_at: float = 0.0
    kill_at: float | None = None
    confirm_by: float | None = None
    exit_status: int | None = None


@dataclass
class Retry:
    """A start that did not work."""

    failures: int = 0
    at: float = 0.0


class Journals:
    """Events for the site's journal in job folders; what a full disk keeps out is written later, in its order."""

    def __init__(self) -> None:
        self.pending: dict[str, list[tuple[JobFolder, str, dict[str, Any]]]] = {}

    def tell(self, folder: JobFolder, kind: str, **fields: Any) -> None:
        self.pending.setdefault(folder.id, []).append((folder, kind, fields))
        self._flush(folder.id)

    def flush(self) -> None:
        for job_id in list(self.pending):
            self._flush(job_id)

    def _flush(self, job_id: str) -> None:
        events = self.pending[job_id]
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
        del self.pending[job_id]


class Daemon:
    """All of it in one thread: `run` sleeps until the kernel has something to say."""

    def __init__(
        self,
        spool: Spool,
        *,
        cpus: int,
        idle_exit_s: float,
        command: list[str],
        template: bool = False,
        warm: int = 0,
        imports: str = "",
    ) -> None:
        self.spool = spool
        self.cpus = cpus
        self.idle_exit_s = idle_exit_s
        self.command = command
        self.selector = selectors.DefaultSelector()
        self.table = TableWriter(spool.table)
        self.line: dict[str, TableJob] = {job.id: job for job in policy.in_line(self.table.jobs.values())}
        self.runs: dict[str, Run] = {}
        self.unsealed: dict[str, tuple[TableJob, Outcome | None]] = {}
        self.retries: dict[str, Retry] = {}
        self.dependencies = Dependencies()
        self.journals = Journals()
        self.warm = WarmPool(
            self.selector, count=warm, imports=imports, arguments=[str(spool.directory), *command], say=say
        )
        self.template = Template(self.selector, wanted=template, arguments=[str(spool.directory), *command], say=say)
        self.tend_at: list[float | None] = []
        self.told_kept: tuple[tuple[str, Process], ...] = ()
        self.next_order = 1 + max((job.order for job in self.table.jobs.values()), default=0)
        self.idle_since = time.monotonic()
        self.swept_at = 0.0
        self.leaving = False
        self.bell = -1
        self.open_bell()

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        self.recover()
        while not self.leaving:
            try:
                self.turn()
            except OSError as error:
                say(f"this turn was cut short: {error}")
                time.sleep(POLL_S)
            except Exception:  # noqa: BLE001 - the edge of the process: one bad turn must not end everybody's queue
                say(traceback.format_exc())
                time.sleep(POLL_S)

    def turn(self) -> None:
        self.take_letters()
        self.look_after_runs()
        now = time.monotonic()
        if now - self.swept_at >= (SWEEP_S if self.runs or self.line else IDLE_SWEEP_S):
            self.swept_at = now
            self.sweep()
        self.start_jobs()
        idle = not self.line and self.free_cpus() > 0
        self.tend_at = [
            self.template.tend(waiting=bool(self.line), idle=idle),
            self.warm.tend(idle=idle and not self.template.starting),
        ]
        self.tell_kept()
        if self.table.jobs or self.unsealed:
            self.idle_since = time.monotonic()
        elif time.monotonic() - self.idle_since >= self.idle_exit_s and self.leave():
            return
        self.sleep()

    def sleep(self) -> None:
        """Until a ring, an end of a process, or the next thing to do."""
        now = time.monotonic()
        until = [self.swept_at + (SWEEP_S if self.runs or self.line else IDLE_SWEEP_S)]
        until += [run.time_up_at for run in self.runs.values() if not run.job.stop_why]
        until += [run.kill_at for run in self.runs.values() if run.kill_at is not None]
        until += [retry.at for retry in self.retries.values() if retry.at]
        until += [run.confirm_by for run in self.runs.values() if run.confirm_by is not None]
        until += [moment for moment in self.tend_at if moment is not None]
        if not self.table.jobs:
            until.append(self.idle_since + self.idle_exit_s)
        if self.runs and not processes.HAS_PIDFD:
            until.append(now + POLL_S)
        for key, _ in self.selector.select(max(0.0, min(until) - now)):
            if key.data == "bell":
                with contextlib.suppress(BlockingIOError):
                    os.read(self.bell, 4096)
            elif isinstance(key.data, Kept):
                key.data.heard(key.data, key.fd)
            elif key.data in self.runs:
                self.process_ended(self.runs[key.data])

    def sweep(self) -> None:
        """The slow way to notice what the quick ways missed."""
        self.journals.flush()
        self.warm.sweep()
        self.template.sweep()
        for job, outcome in list(self.unsealed.values()):
            self.seal_and_drop(job, outcome)
        for run in list(self.runs.values()):
            if run.watched is None or not run.watched.lives():
                self.process_ended(run)
        self.check_dependencies([job for job in self.line.values() if job.after])

    def leave(self) -> bool:
        """False when somebody wrote while we were about to go. From the closing of the bell on, clients start another."""
        self.close_bell()
        if letters(self.spool.incoming) or letters(self.spool.requests):
            self.open_bell()
            return False
        self.leaving = True
        return True

    def open_bell(self) -> None:
        # open for writing too, so that the last client's close is not an end of file
        self.bell = os.open(self.spool.bell, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.selector.register(self.bell, selectors.EVENT_READ, "bell")

    def close_bell(self) -> None:
        self.selector.unregister(self.bell)
        os.close(self.bell)
        self.bell = -1

    def tell_kept(self) -> None:
        """Whoever asks what the site's idle processes take finds them in daemon.json."""
        kept = [("template", self.template.kept)] if self.template.kept else []
        kept += [("kernel", kernel) for kernel in self.warm.kernels]
        told = tuple((what, one.process) for what, one in kept if one is not None and one.ready)
        if told != self.told_kept:
            self.told_kept = told
            identify(self.spool, self.cpus, told)

    # ------------------------------------------------------------------ taking up what was there

    def recover(self) -> None:
        for folder in (self.spool.incoming, self.spool.requests):
            for draft in stale_drafts(folder, time.time()):
                draft.unlink(missing_ok=True)
        for job in list(self.table.jobs.values()):
            if job.obstacle:
                job.obstacle = ""  # tried again at once
            if job.state == STARTED:
                self.take_up(job)
            elif not self.was_told(job):
                self.tell_queued(job)
        self.check_dependencies([job for job in self.line.values() if job.after])

    def take_up(self, job: TableJob) -> None:
        """A job that an earlier daemon started, or was about to start."""
        elapsed_s = max(0.0, time.time() - (job.started_at or time.time()))
        run = Run(job, time_up_at=time.monotonic() + job.time_s - elapsed_s)
        self.runs[job.id] = run
        self.warm.remember(job)
        self.template.remember(job)
        if job.stop_why:
            run.kill_at = time.monotonic() + max(0.0, (job.stop_at or 0) + job.grace_s - time.time())
        launch = self.launch_of(job)  # read once: it may appear at any moment
        if self.adopt(run, launch):
            say(f"{job.id}: attempt {job.attempt} taken up, {elapsed_s:.0f} s old")
            if job.stop_why:
                self.terminate(run)
        elif launch is not None:
            self.attempt_ended(run)
        elif job.stop_why:
            self.end_before_launch(run)
        else:
            # nobody wrote launch.json. Should the earlier daemon's launcher still be on its way, one of the two wins
            self.launch(run)

    def adopt(self, run: Run, launch: dict[str, Any] | None) -> bool:
        """Watches the launcher of this attempt or, where that is gone, its script. False when neither lives."""
        for record in (launch, (launch or {}).get("script")):
            process = process_of(record, boot=(launch or {}).get("boot_id", ""))
            if process is not None and process.lives():
                self.watch(run, process, child=False)
                return True
        return False

    def was_told(self, job: TableJob) -> bool:
        path = JobFolder(Path(job.path)).journal(SITE_JOURNAL)
        try:
            return any(event.get("attempt") == job.attempt for event in read_journal(path))
        except OSError:
            return False

    # ------------------------------------------------------------------ letters from clients

    def take_letters(self) -> None:
        # requests are listed first: one that is listed now speaks of submissions that are listed next
        requests = letters(self.spool.requests)
        for path in letters(self.spool.incoming):
            self.take_letter(path, self.accept)
        for path in requests:
            self.take_letter(path, self.obey)

    def take_letter(self, path: Path, act: Any) -> None:
        try:
            letter = read_json(path)
        except FileNotFoundError:
            return
        except (JobFolderError, OSError) as error:
            say(f"{path.name} is put aside: {error}")
            os.replace(path, path.with_suffix(".unreadable"))
            return
        try:
            act(letter)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            say(f"{path.name} is put aside: {error!r}")
            os.replace(path, path.with_suffix(".unreadable"))
            return
        except OSError as error:  # a full disk: the letter stays, and is read again on the next turn
            say(f"{path.name} has to wait: {error}")
            return
        path.unlink(missing_ok=True)

    def accept(self, letter: dict[str, Any]) -> None:
        """A submission. A job that the table or its own folder knows already is not queued again."""
        fresh = []
        for record in letter["jobs"]:
            job = TableJob.from_json(record)
            if job.id in self.table.jobs or ended(JobFolder(Path(job.path))):
                continue
            self.place(job, max(JobFolder(Path(job.path)).attempt_numbers(), default=1))
            fresh.append(job)
        self.queue_up(fresh)

    def place(self, job: TableJob, attempt: int) -> None:
        """At the end of the line."""
        job.order, job.attempt = self.next_order, attempt
        job.state, job.started_at, job.stop_why, job.stop_at = QUEUED, None, "", None
        job.unmet = job.after
        self.next_order += 1

    def queue_up(self, jobs: list[TableJob]) -> None:
        try:
            self.table.add(jobs)
        finally:  # those that were written down count, also when the disk was full after them
            for job in jobs:
                if self.table.jobs.get(job.id) is job:
                    self.line[job.id] = job
                    self.tell_queued(job)
        self.check_dependencies([job for job in jobs if job.after])

    def obey(self, letter: dict[str, Any]) -> None:
        act = {"cancel": self.cancel, "hold": self.hold, "release": self.release, "requeue": self.requeue}[
            letter["verb"]
        ]
        for job_id in letter["ids"]:
            job = self.table.jobs.get(job_id)
            if job is not None and letter.get("attempts", {}).get(job_id, job.attempt) == job.attempt:
                act(job)
            elif job is None and letter["verb"] == "requeue" and job_id in letter.get("jobs", {}):
                self.requeue_ended(TableJob.from_json(letter["jobs"][job_id]))

    def cancel(self, job: TableJob) -> None:
        if job.waits:
            self.end_waiting(job, State.CANCELLED, Cause.USER, "It was cancelled before it started.")
        elif job.id in self.runs:  # else it has ended, and only the writing of that is late
            self.stop(self.runs[job.id], "cancel")

    def hold(self, job: TableJob) -> None:
        if job.state == QUEUED:
            self.table.set(job, state=HELD)
            self.tell(job, "state", state=State.HELD.value, reason=policy.HELD_BY_USER, word=policy.HELD_BY_USER)

    def release(self, job: TableJob) -> None:
        if job.state == HELD:
            self.table.set(job, state=QUEUED)
            self.tell_queued(job)

    def requeue(self, job: TableJob) -> None:
        if job.id in self.runs and job.stop_why != "cancel":
            self.stop(self.runs[job.id], "requeue")

    def requeue_ended(self, job: TableJob) -> None:
        folder = JobFolder(Path(job.path))
        numbers = folder.attempt_numbers()
        if not ended(folder) or max(numbers, default=0) != job.attempt:
            return  # another requeue was quicker, or an earlier daemon died when it had obeyed
        self.dependencies.forget(job.id)
        self.place(job, max(numbers, default=0) + 1)
        self.queue_up([job])
        with contextlib.suppress(OSError):  # a full disk: the listing is late, the job is not
            begin_generation(folder)

    # ------------------------------------------------------------------ waiting

    def check_dependencies(self, jobs: Iterable[TableJob]) -> None:
        active = set(self.table.jobs)
        for job in jobs:
            if not job.waits:
                continue
            try:
                unmet, never = self.dependencies.unmet(JobFolder(Path(job.path)), job.after, active)
            except OSError as error:
                say(f"{job.id}: its dependencies cannot be read yet: {error}")
                continue
            if never:
                self.end_waiting(
                    job,
                    State.CANCELLED,
                    Cause.QUEUE_POLICY,
                    f"It can never start: {never} (dependency never satisfied).",
                    "Requeue that job, and then this one.",
                )
            elif unmet != job.unmet:
                self.table.set(job, unmet=unmet)

    def start_jobs(self) -> None:
        now = time.monotonic()
        for job_id, retry in list(self.retries.items()):
            if retry.at and retry.at <= now:
                retry.at = 0.0
                if job_id in self.line:
                    self.table.set(self.line[job_id], obstacle="")
        free = self.free_cpus()
        while free > 0:
            job = policy.choose(self.line.values(), free, self.cpus)
            if job is None:
                return
            if not self.start(job):
                return
            free -= job.cpus

    def free_cpus(self) -> int:
        return self.cpus - sum(run.job.cpus for run in self.runs.values())

    def start(self, job: TableJob) -> bool:
        """False when even the decision cannot be written down."""
        try:
            self.table.set(job, state=STARTED, started_at=time.time(), obstacle="")
        except OSError as error:
            say(f"{job.id} has to wait: {error}")
            return False
        self.line.pop(job.id, None)
        run = Run(job, time_up_at=time.monotonic() + job.time_s)
        self.runs[job.id] = run
        self.tell(job, "state", state=State.STARTING.value)
        self.warm.remember(job)
        self.template.remember(job)
        self.launch(run)
        return True

    # ------------------------------------------------------------------ running

    def launch(self, run: Run) -> None:
        job = run.job
        folder = JobFolder(Path(job.path))
        if job.id not in self.retries:  # a second try is cold, whatever was the matter with the first
            kernel = self.warm.take(job)
            if kernel is not None and self.launch_warm(run, kernel):
                return
            forked = self.template.fork(job, str(folder.attempt(job.attempt).path))
            if forked is not None:
                self.watch(run, forked, child=False)
                return
        command = [
            *(sys.executable, "-I", "-S", str(LAUNCH)),
            *("run", str(folder.attempt(job.attempt).path), str(folder.script), str(self.spool.directory)),
            *self.command,
        ]
        pid = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            setsid=True,
        )
        started = processes.start_time(pid)
        self.watch(run, Process(pid, started if started is not None else -1), child=True)

    def launch_warm(self, run: Run, kernel: Kept) -> bool:
        """Hands the job to a kernel that is ready; False when that has just ended."""
        folder = JobFolder(Path(run.job.path))
        attempt = folder.attempt(run.job.attempt)
        order = {"attempt": str(attempt.path), "folder": str(folder.path), "number": run.job.attempt}
        try:
            os.write(kernel.orders, json.dumps(order).encode() + b"\n")
        except OSError as error:
            say(f"{run.job.id}: its warm kernel is gone ({error}); it starts cold")
            return False
        finally:
            kernel.close()
        self.watch(run, kernel.process, child=True)
        run.confirm_by = time.monotonic() + CONFIRM_WITHIN_S
        return True

    def watch(self, run: Run, process: Process, *, child: bool) -> None:
        self.unwatch(run)
        run.watched, run.child = process, child
        if processes.HAS_PIDFD:
            try:
                run.pidfd = os.pidfd_open(process.pid)
            except OSError as error:  # gone already, or no descriptor left: the sweep looks as well
                say(f"{run.job.id}: process {process.pid} cannot be watched: {error}")
                return
            self.selector.register(run.pidfd, selectors.EVENT_READ, run.job.id)

    def unwatch(self, run: Run) -> None:
        if run.pidfd >= 0:
            self.selector.unregister(run.pidfd)
            os.close(run.pidfd)
            run.pidfd = -1
        if run.child and run.watched is not None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(run.watched.pid, os.WNOHANG)
                if pid:
                    run.exit_status = os.waitstatus_to_exitcode(status)
        run.watched, run.child = None, False

    def look_after_runs(self) -> None:
        """Wall times and graces that are over."""
        now = time.monotonic()
        for run in list(self.runs.values()):
            if not run.job.stop_why and now >= run.time_up_at:
                self.stop(run, "time")
            elif run.kill_at is not None and now >= run.kill_at:
                run.kill_at = now + KILL_AGAIN_S
                self.kill(run)
            elif run.confirm_by is not None and now >= run.confirm_by:
                run.confirm_by = None
                if self.launch_of(run.job) is None and run.watched is not None:
                    say(f"{run.job.id}: its warm kernel does not answer; it starts cold")
                    processes.kill_session(run.watched.pid)

    def stop(self, run: Run, why: str) -> None:
        """The runner reads why in the journal; then a TERM, and after the grace a KILL."""
        job = run.job
        if job.stop_why:
            if why == "cancel" and job.stop_why == "requeue":  # no new attempt then
                self.table.set(job, stop_why=why)
            return
        self.table.set(job, stop_why=why, stop_at=time.time())
        self.tell(job, "stop", why=why)
        run.kill_at = time.monotonic() + job.grace_s
        self.terminate(run)

    def terminate(self, run: Run) -> None:
        """The launcher passes it to its script alone. Where the launcher is gone, what we watch is the script."""
        if run.watched is not None:
            run.watched.send(signal.SIGTERM)

    def kill(self, run: Run) -> None:
        """The launcher is spared the first time, so that it can record the end."""
        launch = self.launch_of(run.job)
        session = (launch or {}).get("session") or (run.watched.pid if run.watched else 0)
        known = [process_of(launch), process_of((launch or {}).get("script")), run.watched]
        if session and any(process is not None and process.lives() for process in known):
            say(f"{run.job.id}: grace is over, session {session} is killed")
            late = (run.job.stop_at or 0) + run.job.grace_s + KILL_AGAIN_S <= time.time()
            processes.kill_session(session, spare=0 if late else session)

    def process_ended(self, run: Run) -> None:
        self.unwatch(run)
        launch = self.launch_of(run.job)
        if launch is None:
            self.launch_failed(run)
        elif not self.adopt(run, launch):
            self.attempt_ended(run)

    def launch_failed(self, run: Run) -> None:
        """A launcher that never claimed the attempt: nothing ran."""
        job = run.job
        folder = JobFolder(Path(job.path))
        if not folder.path.is_dir():
            say(f"{job.id}: {job.path} is gone; the job is forgotten")
            self.forget(job)
            return
        if job.stop_why:
            self.end_before_launch(run)
            return
        retry = self.retries.setdefault(job.id, Retry())
        retry.failures += 1
        if retry.failures >= LAUNCH_ATTEMPTS and run.exit_status != launcher.NO_SPACE:
            self.end_before_launch(run)
            return
        why = "there is no room on its disk." if run.exit_status == launcher.NO_SPACE else "its launcher ended at once."
        if run.exit_status is not None and run.exit_status < 0:
            why = f"its launcher was ended by signal {-run.exit_status}."
        wait_s = 0.0 if retry.failures == 1 else min(RETRY_AT_MOST_S, 0.25 * 2**retry.failures)
        retry.at = time.monotonic() + wait_s
        del self.runs[job.id]
        job.state, job.started_at, job.obstacle = QUEUED, None, why  # also when the disk is too full to write it down
        self.line = {other.id: other for other in policy.in_line([job, *self.line.values()])}
        with contextlib.suppress(OSError):
            self.table.set(job, state=QUEUED, started_at=None, obstacle=why)

    def end_before_launch(self, run: Run) -> None:
        """Claims the attempt, so that no launcher that is still on its way can begin it; then says how it ended."""
        job = run.job
        attempt = JobFolder(Path(job.path)).attempt(job.attempt)
        try:
            make_attempt(attempt)
            claimed = write_json(attempt.launch, {"pid": None, "claimed_by": "site"}, exclusive=True)
        except FileNotFoundError:
            self.forget(job)
            return
        if not claimed and self.adopt(run, self.launch_of(job)):
            if job.stop_why:
                self.terminate(run)
            return
        if job.stop_why or not claimed:
            self.attempt_ended(run)
            return
        self.seal_and_drop(
            job,
            Outcome(
                state=State.FAILED.value,
                running_at=None,
                ended_at=time.time(),
                cause=Cause.INTEGRATION.value,
                message=f"It could not be started after {LAUNCH_ATTEMPTS} tries.",
                advice=f"{self.spool.log} says why.",
                sealed_by="site",
            ),
        )

    def attempt_ended(self, run: Run) -> None:
        """Launcher and script are gone: what is left of them is cleared away, and the attempt has an outcome."""
        job = run.job
        self.unwatch(run)
        folder = JobFolder(Path(job.path))
        attempt = folder.attempt(job.attempt)
        launch = self.launch_of(job)
        left = exit_of(attempt)
        same_boot = not launch or launch.get("boot_id", "") in ("", processes.boot_id())
        session = (launch or {}).get("session")
        if session and left is None and same_boot and processes.start_time(session) is None:
            # the launcher was killed, so that nobody has cleared its session away. (A living leader with that number
            # would be a stranger: the number of a session is free again once all of its processes have gone.)
            processes.kill_session(session)
        if not folder.path.is_dir():
            say(f"{job.id}: {job.path} is gone; the job is forgotten")
            self.forget(job)
            return
        outcome = None
        if not attempt.outcome.exists():
            never_ran = launch is not None and left is None and not attempt.console.exists()
            evidence = Evidence(
                launch=launch,
                exit=left,
                stop_why=job.stop_why,
                time_s=job.time_s,
                rebooted=not same_boot,
                never_ran=never_ran,
                last_words=last_line(attempt.console),
            )
            outcome = conclude(evidence, started_at=job.started_at, now=time.time())
            if never_ran and not job.stop_why:
                # its launcher was killed before the script began: nothing is lost by beginning again
                job.stop_why = "requeue"
                self.table.set(job, stop_why="requeue")
        self.seal_and_drop(job, outcome)

    # ------------------------------------------------------------------ ends

    def end_waiting(self, job: TableJob, state: State, cause: Cause, message: str, advice: str = "") -> None:
        outcome = Outcome(state.value, None, time.time(), cause.value, message, advice, sealed_by="site")
        self.line.pop(job.id, None)
        self.seal_and_drop(job, outcome)

    def seal_and_drop(self, job: TableJob, outcome: Outcome | None) -> None:
        """The last act on an attempt; `outcome` is None where the runner sealed one. Tried again while the disk is full."""
        folder = JobFolder(Path(job.path))
        attempt = folder.attempt(job.attempt)
        self.runs.pop(job.id, None)
        self.line.pop(job.id, None)
        try:
            if outcome is not None:
                make_attempt(attempt)
                if not attempt.outcome.exists():
                    attempt.reserve.unlink(missing_ok=True)  # room that was kept for this moment
                    seal(attempt, outcome)
                    self.tell(
                        job,
                        "state",
                        state=outcome.state,
                        cause=outcome.cause,
                        message=outcome.message,
                        advice=outcome.advice,
                    )
            if job.stop_why == "requeue":
                self.begin_again(job)
            else:
                self.table.drop(job)
        except FileNotFoundError:
            say(f"{job.id}: {job.path} is gone; the job is forgotten")
            self.forget(job)
            return
        except OSError as error:
            say(f"{job.id}: its end is not written down yet: {error}")
            self.unsealed[job.id] = (job, outcome)
            return
        self.unsealed.pop(job.id, None)
        self.retries.pop(job.id, None)
        touch(folder)
        if job.id not in self.table.jobs:
            self.check_dependencies([other for other in self.line.values() if other.after])

    def begin_again(self, job: TableJob) -> None:
        self.table.set(
            job,
            state=QUEUED,
            attempt=job.attempt + 1,
            order=self.next_order,
            started_at=None,
            stop_why="",
            stop_at=None,
            obstacle="",
        )
        self.next_order += 1
        self.line[job.id] = job
        self.tell_queued(job)

    def forget(self, job: TableJob) -> None:
        for known in (self.runs, self.line, self.retries, self.unsealed):
            known.pop(job.id, None)
        self.table.drop(job)

    # ------------------------------------------------------------------ small change

    def launch_of(self, job: TableJob) -> dict[str, Any] | None:
        attempt = JobFolder(Path(job.path)).attempt(job.attempt)
        try:
            record = read_json_or_none(attempt.launch)
        except (JobFolderError, OSError) as error:
            say(f"{job.id}: {attempt.launch} cannot be read: {error}")
            return {}
        return record if isinstance(record, dict) else None

    def tell(self, job: TableJob, kind: str, **fields: Any) -> None:
        self.journals.tell(JobFolder(Path(job.path)), kind, attempt=job.attempt, **fields)

    def tell_queued(self, job: TableJob) -> None:
        self.tell(job, "state", state=State.QUEUED.value, site_id=job.id)


def ended(folder: JobFolder) -> bool:
    """The latest attempt has its outcome."""
    latest = folder.latest_attempt()
    return latest is not None and latest.outcome.exists()


def make_attempt(attempt: AttemptFolder) -> None:
    """Not its parents: a job folder that was removed stays so (FileNotFoundError)."""
    for path in (attempt.path.parent, attempt.path):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)


def exit_of(attempt: AttemptFolder) -> dict[str, Any] | None:
    try:
        record = read_json_or_none(attempt.exit)
    except (JobFolderError, OSError) as error:
        say(f"{attempt.exit} cannot be read: {error}")
        return None
    return record if isinstance(record, dict) else None


def last_line(console: Path, at_most: int = 300) -> str:
    try:
        with console.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4096))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    words = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return words if len(words) <= at_most else words[: at_most - 1] + "…"


def touch(folder: JobFolder) -> None:
    """An index that compares the time stamp of the folder (of an element: of its array's) then looks again."""
    with contextlib.suppress(OSError):
        os.utime(folder.bundle_root)


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the log is the least
        print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text, flush=True)


def take_lock(spool: Spool) -> int | None:
    """The descriptor that holds the lock, or None when another daemon has it and keeps it."""
    fd = os.open(spool.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    patience = time.monotonic() + STEAL_LOCK_WITHIN_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() >= patience:
                os.close(fd)
                return None
            time.sleep(0.02)  # one that leaves needs a moment


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="qhub-embedded-site", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--cpus", type=int, required=True)
    parser.add_argument("--idle-exit", type=float, default=600.0, metavar="S")
    parser.add_argument("--no-template", action="store_true")
    parser.add_argument("--warm", type=int, default=0, metavar="N")
    parser.add_argument("--warm-imports", default="", metavar="A,B")
    options = parser.parse_args(arguments)
    os.chdir("/")
    os.umask(0o077)
    spool = Spool(options.directory)
    try:
        spool.prepare()
        lock = take_lock(spool)
    except (SiteError, OSError) as error:
        say(str(error))
        return 1
    if lock is None:
        return 0
    command = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), *(arguments or sys.argv[1:])]
    daemon = Daemon(
        spool,
        cpus=options.cpus,
        idle_exit_s=options.idle_exit,
        command=command,
        template=not options.no_template,
        warm=options.warm,
        imports=options.warm_imports,
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def asked_to_leave(*_: object) -> None:
        daemon.leaving = True
        spool.ring()  # or the wait for events would go on

    signal.signal(signal.SIGTERM, asked_to_leave)
    identify(spool, options.cpus)
    say(f"daemon {os.getpid()} of {spool.directory}: {options.cpus} CPUs, {len(daemon.table.jobs)} jobs")
    daemon.run()
    daemon.warm.close()
    daemon.template.dismiss()
    daemon.table.close()
    spool.identity.unlink(missing_ok=True)
    say(f"daemon {os.getpid()} leaves")
    return 0


def identify(spool: Spool, cpus: int, kept: Iterable[tuple[str, Process]] = ()) -> None:
    record = {
        "pid": os.getpid(),
        "start_time": processes.start_time(os.getpid()),
        "boot_id": processes.boot_id(),
        "version": __version__,
        "cpus": cpus,
        "at": time.time(),
        "kept": [{"what": what, "pid": process.pid, "start_time": process.start_time} for what, process in kept],
    }
    try:
        write_json(spool.identity, record)
    except OSError as error:
        say(f"{spool.identity} could not be written: {error}")


if __name__ == "__main__":
    sys.exit(main())
