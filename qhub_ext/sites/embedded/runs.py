"""The attempts that have been started: begun, watched, stopped, taken up after a daemon's death, and brought to their end."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.jobfolder.console import last_words
from qhub_ext.jobfolder.outcome import Outcome
from qhub_ext.sites.embedded import launcher, processes
from qhub_ext.sites.embedded.attempt_files import attempt_of, exit_of, folder_of, launch_of, make_attempt
from qhub_ext.sites.embedded.ends import Ends
from qhub_ext.sites.embedded.journals import Journals
from qhub_ext.sites.embedded.line import Line
from qhub_ext.sites.embedded.log import note, say
from qhub_ext.sites.embedded.processes import Process, process_of
from qhub_ext.sites.embedded.spool import Spool
from qhub_ext.sites.embedded.starters import Starters
from qhub_ext.sites.embedded.table import STARTED, TableJob, TableWriter
from qhub_ext.sites.embedded.verdict import Evidence, conclude

LAUNCH_ATTEMPTS = 6
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


class Runs:
    def __init__(
        self,
        spool: Spool,
        selector: selectors.BaseSelector,
        table: TableWriter,
        line: Line,
        ends: Ends,
        journals: Journals,
        starters: Starters,
    ) -> None:
        self.runs: dict[str, Run] = {}
        self._spool = spool
        self._selector = selector
        self._table = table
        self._line = line
        self._ends = ends
        self._journals = journals
        self._starters = starters

    @property
    def cpus(self) -> int:
        """That are busy."""
        return sum(run.job.cpus for run in self.runs.values())

    def moments(self) -> list[float]:
        """When to look again (monotonic, s)."""
        every = self.runs.values()
        found = [run.time_up_at for run in every if not run.job.stop_why]
        found += [run.kill_at for run in every if run.kill_at is not None]
        return found + [run.confirm_by for run in every if run.confirm_by is not None]

    # ------------------------------------------------------------------ begun

    def start(self, job: TableJob) -> bool:
        """False when even the decision cannot be written down."""
        try:
            self._table.set(job, state=STARTED, started_at=time.time(), obstacle="")
        except OSError as error:
            say(f"it has to wait: {error}", job)
            return False
        note(f"attempt {job.attempt} started", job)
        self._line.take_out(job)
        run = self.runs[job.id] = Run(job, time_up_at=time.monotonic() + job.time_s)
        self._journals.tell(job, "state", state=State.STARTING.value)
        self._starters.remember(job)
        self._launch(run)
        return True

    def recover(self) -> None:
        """Jobs that an earlier daemon started, or was about to start."""
        for job in list(self._table.jobs.values()):
            if job.state == STARTED:
                job.obstacle = ""
                self._take_up(job)

    def _launch(self, run: Run) -> None:
        # a second try is cold, whatever was the matter with the first
        started = self._starters.start(run.job, cold=self._line.failures(run.job) > 0)
        run.confirm_by = started.confirm_by
        self._watch(run, started.process, child=started.child)

    def _take_up(self, job: TableJob) -> None:
        elapsed_s = max(0.0, time.time() - (job.started_at or time.time()))
        run = self.runs[job.id] = Run(job, time_up_at=time.monotonic() + job.time_s - elapsed_s)
        self._starters.remember(job)
        if job.stop_why:
            run.kill_at = time.monotonic() + max(0.0, (job.stop_at or 0) + job.grace_s - time.time())
        launch = launch_of(job)  # read once: it may appear at any moment
        if self._adopt(run, launch):
            say(f"attempt {job.attempt} taken up, {elapsed_s:.0f} s old", job)
            if job.stop_why:
                self._terminate(run)
        elif launch is not None:
            self._attempt_ended(run)
        elif job.stop_why:
            self._end_before_launch(run)
        else:
            # nobody wrote launch.json. Should the earlier daemon's launcher still be on its way, one of the two wins
            self._launch(run)

    # ------------------------------------------------------------------ watched

    def process_ended(self, job_id: str) -> None:
        """What the kernel says of a process that is watched."""
        if job_id in self.runs:
            self._process_ended(self.runs[job_id])

    def look_after(self) -> None:
        """Wall times and graces that are over."""
        now = time.monotonic()
        for run in list(self.runs.values()):
            if not run.job.stop_why and now >= run.time_up_at:
                self.stop(run.job, "time")
            elif run.kill_at is not None and now >= run.kill_at:
                run.kill_at = now + KILL_AGAIN_S
                self._kill(run)
            elif run.confirm_by is not None and now >= run.confirm_by:
                run.confirm_by = None
                if launch_of(run.job) is None and run.watched is not None:
                    say("its warm kernel does not answer; it starts cold", run.job)
                    processes.kill_session(run.watched.pid)

    def sweep(self) -> None:
        """Ends that nobody told of."""
        for run in list(self.runs.values()):
            if run.watched is None or not run.watched.lives():
                self._process_ended(run)

    def _adopt(self, run: Run, launch: dict[str, Any] | None) -> bool:
        """Watches the launcher of this attempt or, where that is gone, its script. False when neither lives."""
        for record in (launch, (launch or {}).get("script")):
            process = process_of(record, boot=(launch or {}).get("boot_id", ""))
            if process is not None and process.lives():
                self._watch(run, process, child=False)
                return True
        return False

    def _watch(self, run: Run, process: Process, *, child: bool) -> None:
        self._unwatch(run)
        run.watched, run.child = process, child
        if processes.HAS_PIDFD:
            try:
                run.pidfd = os.pidfd_open(process.pid)
            except OSError as error:  # gone already, or no descriptor left: the sweep looks as well
                say(f"process {process.pid} cannot be watched: {error}", run.job)
                return
            self._selector.register(run.pidfd, selectors.EVENT_READ, run.job.id)

    def _unwatch(self, run: Run) -> None:
        if run.pidfd >= 0:
            self._selector.unregister(run.pidfd)
            os.close(run.pidfd)
            run.pidfd = -1
        if run.child and run.watched is not None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(run.watched.pid, os.WNOHANG)
                if pid:
                    run.exit_status = os.waitstatus_to_exitcode(status)
        run.watched, run.child = None, False

    # ------------------------------------------------------------------ stopped

    def stop(self, job: TableJob, why: str) -> None:
        """The runner reads why in the journal; then a TERM, and after the grace a KILL."""
        run = self.runs.get(job.id)
        if run is None or job.stop_why:
            # it is being stopped, or has ended and only the writing of that is late: the last word says whether it begins again
            if why != "time" and why != job.stop_why:
                self._table.set(job, stop_why=why)
            return
        self._table.set(job, stop_why=why, stop_at=time.time())
        self._journals.tell(job, "stop", why=why)
        run.kill_at = time.monotonic() + job.grace_s
        self._terminate(run)

    def _terminate(self, run: Run) -> None:
        """The launcher passes it to its script alone. Where the launcher is gone, what we watch is the script."""
        if run.watched is not None:
            run.watched.send(signal.SIGTERM)

    def _kill(self, run: Run) -> None:
        """The launcher is spared the first time, so that it can record the end."""
        launch = launch_of(run.job)
        session = (launch or {}).get("session") or (run.watched.pid if run.watched else 0)
        known = [process_of(launch), process_of((launch or {}).get("script")), run.watched]
        if session and any(process is not None and process.lives() for process in known):
            say(f"grace is over, session {session} is killed", run.job)
            late = (run.job.stop_at or 0) + run.job.grace_s + KILL_AGAIN_S <= time.time()
            processes.kill_session(session, spare=0 if late else session)

    # ------------------------------------------------------------------ brought to their end

    def _process_ended(self, run: Run) -> None:
        self._unwatch(run)
        launch = launch_of(run.job)
        if launch is None:
            self._launch_failed(run)
        elif not self._adopt(run, launch):
            self._attempt_ended(run)

    def _launch_failed(self, run: Run) -> None:
        """A launcher that never claimed the attempt: nothing ran."""
        job = run.job
        if not folder_of(job).path.is_dir():
            self._forget(run)
            return
        no_space = run.exit_status == launcher.NO_SPACE
        if job.stop_why or (self._line.failures(job) + 1 >= LAUNCH_ATTEMPTS and not no_space):
            self._end_before_launch(run)
            return
        why = "there is no room on its disk." if no_space else "its launcher ended at once."
        if run.exit_status is not None and run.exit_status < 0:
            why = f"its launcher was ended by signal {-run.exit_status}."
        del self.runs[job.id]
        self._line.put_back(job, why)

    def _end_before_launch(self, run: Run) -> None:
        """Claims the attempt, so that no launcher that is still on its way can begin it; then says how it ended."""
        job = run.job
        attempt = attempt_of(job)
        try:
            make_attempt(attempt)
            claimed = write_json(attempt.launch, {"pid": None, "claimed_by": "site"}, exclusive=True)
        except FileNotFoundError:
            self._forget(run)
            return
        if not claimed and self._adopt(run, launch_of(job)):
            if job.stop_why:
                self._terminate(run)
            return
        if job.stop_why or not claimed:
            self._attempt_ended(run)
            return
        failed = Outcome(
            state=State.FAILED.value,
            running_at=None,
            ended_at=time.time(),
            cause=Cause.INTEGRATION.value,
            message=f"It could not be started after {LAUNCH_ATTEMPTS} tries.",
            advice=f"{self._spool.log} says why.",
            sealed_by="site",
        )
        self._end(run, failed)

    def _attempt_ended(self, run: Run) -> None:
        """Launcher and script are gone: what is left of them is cleared away, and the attempt has an outcome."""
        job = run.job
        self._unwatch(run)
        attempt = attempt_of(job)
        launch, left = launch_of(job), exit_of(job)
        same_boot = not launch or launch.get("boot_id", "") in ("", processes.boot_id())
        session = (launch or {}).get("session")
        if session and left is None and same_boot and processes.start_time(session) is None:
            # the launcher was killed, so that nobody has cleared its session away. (A living leader with that number
            # would be a stranger: the number of a session is free again once all of its processes have gone.)
            processes.kill_session(session)
        if not folder_of(job).path.is_dir():
            self._forget(run)
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
                last_words=last_words(attempt),
            )
            outcome = conclude(evidence, started_at=job.started_at, now=time.time())
            if never_ran and not job.stop_why:
                # its launcher was killed before the script began: nothing is lost by beginning again
                job.stop_why = "requeue"
                self._table.set(job, stop_why="requeue")
        self._end(run, outcome)

    def _end(self, run: Run, outcome: Outcome | None) -> None:
        self.runs.pop(run.job.id, None)
        self._ends.seal(run.job, outcome)

    def _forget(self, run: Run) -> None:
        self._unwatch(run)
        self.runs.pop(run.job.id, None)
        self._ends.forget(run.job)
