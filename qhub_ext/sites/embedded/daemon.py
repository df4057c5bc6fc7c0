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

from qhub_ext.sites.embedded.installed_code import BEGAN_WITH  # before the rest, which may be replaced meanwhile

# isort: split
import argparse
import contextlib
import fcntl
import os
import selectors
import signal
import time
import traceback
from collections.abc import Iterable
from typing import Any

from qhub_ext import __version__
from qhub_ext.errors import Cause, SiteError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.sites.embedded import processes
from qhub_ext.sites.embedded.ends import Ends
from qhub_ext.sites.embedded.journals import Journals
from qhub_ext.sites.embedded.kept import Kept
from qhub_ext.sites.embedded.letterbox import Letterbox
from qhub_ext.sites.embedded.line import Line
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.processes import Process
from qhub_ext.sites.embedded.runs import Runs
from qhub_ext.sites.embedded.spool import Spool
from qhub_ext.sites.embedded.starters import Starters
from qhub_ext.sites.embedded.succession import TRY, Succession
from qhub_ext.sites.embedded.table import TableJob, TableWriter

SWEEP_S = 1.0
IDLE_SWEEP_S = 10.0
POLL_S = 0.2
"""How often processes are asked for where the kernel does not tell."""
STEAL_LOCK_WITHIN_S = 2.0


class Daemon:
    """All of it in one thread: `run` sleeps until the kernel has something to say."""

    def __init__(
        self, spool: Spool, *, cpus: int, idle_exit_s: float, command: list[str], lock: int = -1, **kept: Any
    ) -> None:
        """`lock` is the descriptor that holds the spool's. `kept` says what `Starters` keeps ready."""
        self.spool = spool
        self.lock = lock
        self.cpus = cpus
        self.idle_exit_s = idle_exit_s
        self.selector = selectors.DefaultSelector()
        self.table = TableWriter(spool.table)
        self.journals = Journals()
        self.line = Line(self.table, self.journals)
        self.ends = Ends(self.table, self.line, self.journals)
        self.starters = Starters(spool, self.selector, command, **kept)
        self.runs = Runs(spool, self.selector, self.table, self.line, self.ends, self.journals, self.starters)
        self.letterbox = Letterbox(spool, self.accept, self.obey)
        self.succession = Succession(BEGAN_WITH, command)
        self.told_kept: tuple[tuple[str, Process], ...] = ()
        self.idle_since = time.monotonic()
        self.swept_at = 0.0
        self.leaving = False
        self.handed_over = False
        self.bell = -1
        self.open_bell()

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        self.letterbox.clear_drafts()
        self.line.recover()
        self.runs.recover()
        self.ends.end_hopeless(self.line.dependents())
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
        outdated = self.succession.due
        if outdated and self.succession.ready():
            idle = not self.table.jobs and not self.ends.unsealed
            if not (idle and self.leave()):  # after an idle one the next submission starts one of the new code
                self.hand_over()
            return
        if not outdated:
            self.letterbox.take()
        self.runs.look_after()
        if time.monotonic() - self.swept_at >= self.sweep_every_s:
            self.swept_at = time.monotonic()
            self.sweep()
        if not outdated:
            self.start_jobs()
            self.starters.tend(waiting=bool(self.line.jobs), idle=not self.line.jobs and self.runs.cpus < self.cpus)
        self.tell_kept()
        if self.table.jobs or self.ends.unsealed:
            self.idle_since = time.monotonic()
        elif time.monotonic() - self.idle_since >= self.idle_exit_s and self.leave():
            return
        self.sleep()

    def start_jobs(self) -> None:
        self.line.end_retries()
        while (free := self.cpus - self.runs.cpus) > 0:
            job = self.line.choose(free, self.cpus)
            if job is None or not self.runs.start(job):
                return

    @property
    def sweep_every_s(self) -> float:
        return SWEEP_S if self.runs.runs or self.line.jobs else IDLE_SWEEP_S

    def sweep(self) -> None:
        """The slow way to notice what the quick ways missed."""
        self.journals.flush()
        self.starters.sweep()
        self.ends.seal_late()
        self.runs.sweep()
        self.ends.end_hopeless(self.line.dependents())

    def sleep(self) -> None:
        """Until a ring, an end of a process, or the next thing to do."""
        now = time.monotonic()
        until = [self.swept_at + self.sweep_every_s]
        until += [*self.runs.moments(), *self.line.moments(), *self.starters.moments(), *self.succession.moments()]
        if not self.table.jobs:
            until.append(self.idle_since + self.idle_exit_s)
        if self.runs.runs and not processes.HAS_PIDFD:
            until.append(now + POLL_S)
        for key, _ in self.selector.select(max(0.0, min(until) - now)):
            if key.data == "bell":
                with contextlib.suppress(BlockingIOError):
                    os.read(self.bell, 4096)
            elif isinstance(key.data, Kept):
                key.data.heard(key.data, key.fd)
            else:
                self.runs.process_ended(key.data)

    def leave(self) -> bool:
        """False when somebody wrote while we were about to go. From the closing of the bell on, clients start another."""
        self.close_bell()
        if not self.letterbox.empty():
            self.open_bell()
            return False
        self.leaving = True
        return True

    def hand_over(self) -> None:
        """To a daemon of the code that is installed now. Who runs goes on and is taken up by it, who waits starts there."""
        say(f"the package was changed since daemon {os.getpid()} began: it hands over to one of the new code")
        self.journals.flush()
        self.close()
        self.close_bell()  # from here on clients may start one as well: the lock is for one of them
        os.close(self.lock)
        self.succession.begin()
        self.leaving = self.handed_over = True

    def close(self) -> None:
        self.starters.close()
        self.table.close()

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
        kept = self.starters.kept()
        if kept != self.told_kept:
            self.told_kept = kept
            identify(self.spool, self.cpus, kept)

    # ------------------------------------------------------------------ letters from clients

    def accept(self, letter: dict[str, Any]) -> None:
        """A submission."""
        self.ends.end_hopeless(self.line.accept([TableJob.from_json(record) for record in letter["jobs"]]))

    def obey(self, letter: dict[str, Any]) -> None:
        verb = letter["verb"]
        act = {"cancel": self.cancel, "hold": self.line.hold, "release": self.line.release, "requeue": self.requeue}[
            verb
        ]
        for job_id in letter["ids"]:
            job = self.table.jobs.get(job_id)
            if job is not None and letter.get("attempts", {}).get(job_id, job.attempt) == job.attempt:
                act(job)
            elif job is None and verb == "requeue" and job_id in letter.get("jobs", {}):
                self.ends.end_hopeless(self.line.requeue_ended(TableJob.from_json(letter["jobs"][job_id])))

    def cancel(self, job: TableJob) -> None:
        if job.waits:
            self.ends.end_waiting(job, State.CANCELLED, Cause.USER, "It was cancelled before it started.")
        else:
            self.runs.stop(job, "cancel")

    def requeue(self, job: TableJob) -> None:
        if not job.waits:
            self.runs.stop(job, "requeue")


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
    parser.add_argument(TRY, dest="only_try", action="store_true", help="leave at once: it can be started")
    # who starts it may be of older or newer code than this, and know another option
    options, strange = parser.parse_known_args(arguments)
    if options.only_try:
        return 0
    if strange:
        say(f"options that this version does not know are passed over: {' '.join(strange)}")
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
        lock=lock,
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
    if daemon.handed_over:  # queue and daemon.json are another's
        return 0
    daemon.close()
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
