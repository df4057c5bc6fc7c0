"""The daemon from the side of its clients: whether it lives, what it keeps ready, and how it is started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from qhub_ext import __version__
from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_record_or_none
from qhub_ext.settings import Settings
from qhub_ext.sites.embedded.processes import Process, process_of
from qhub_ext.sites.embedded.spool import Spool, explain_os_error
from qhub_ext.telemetry.console import JSON
from qhub_ext.telemetry.console import VARIABLE as LOGS

DAEMON = Path(__file__).resolve().with_name("daemon.py")  # run by its path; a client does not import it
START_AGAIN_S = 2.0
"""A daemon needs a moment before its bell can be rung; so long a mere look does not start another."""

# What a daemon, and so every job of the site, takes over from the process that happened to start it. What a job needs of
# its own notebook's environment travels in its runtime.json.
_ENVIRONMENT = (
    *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH"),
    *("MODULEPATH", "MODULESHOME"),  # where `module load` of a tier's runtime looks
)
_ENVIRONMENT_PREFIXES = ("LC_", "XDG_", "QHUB_", "OTEL_")


class DaemonProcess:
    def __init__(self, settings: Settings, spool: Spool) -> None:
        self._settings = settings
        self._spool = spool
        self._started_at = -START_AGAIN_S

    def process(self) -> Process | None:
        """None where it does not live."""
        process = process_of(self._identity())
        return process if process is not None and process.lives() else None

    def kept(self) -> dict[str, list[Process]]:
        """Idle processes of the living daemon that wait for jobs: template and kernels."""
        found: dict[str, list[Process]] = {}
        for record in (self._identity() or {}).get("kept", ()):
            process = process_of(record)
            if process is not None and process.lives():
                found.setdefault(str(record.get("what")), []).append(process)
        return found

    def lives(self) -> bool:
        lives = self._spool.daemon_lives()
        if lives:
            self._started_at = -START_AGAIN_S  # should it be killed later, it is started again without delay
        return lives

    def wake(self) -> None:
        if not self._spool.ring():
            self.start()

    def start(self) -> None:
        """Starts one, detached, and returns at once; a second one would leave by itself."""
        self._started_at = time.monotonic()
        with self._spool.log.open("ab") as log:
            # The shell ends at once, so that the daemon is nobody's child: no zombie stays with a long-lived kernel.
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "qhub", *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_daemon_environment(self._settings.telemetry.logs),
                start_new_session=True,
                check=True,
            )

    def start_again(self) -> None:
        """One that somebody killed; not one that was started just now. Raises SiteError."""
        if time.monotonic() - self._started_at < START_AGAIN_S:
            return
        try:
            self.start()
        except OSError as error:
            raise explain_os_error(error, "The embedded site cannot be started", "") from error

    def command(self) -> list[str]:
        embedded = self._settings.embedded
        return [
            *(sys.executable, "-I", "-S", str(DAEMON)),
            *("--directory", str(self._spool.directory)),
            *("--cpus", str(self._configured_cpus())),
            *("--idle-exit", str(embedded.idle_exit_s)),
            *(() if embedded.template else ("--no-template",)),
            *("--warm", str(embedded.warm_kernels)),
            *("--warm-imports", ",".join(embedded.warm_imports)),
        ]

    @property
    def cpus(self) -> int:
        """CPUs that the jobs of this site may use together."""
        record = self._identity() or {}
        return int(record["cpus"]) if "cpus" in record else self._configured_cpus()

    def version_note(self) -> str:
        """A sentence when the daemon is of another version than this client."""
        theirs = (self._identity() or {}).get("version", __version__)
        return (
            "" if theirs == __version__ else f"It is of version {theirs}, this is {__version__}; it leaves when idle."
        )

    def _configured_cpus(self) -> int:
        return self._settings.embedded.cpus or usable_cpus()

    def _identity(self) -> dict[str, Any] | None:
        try:
            return read_record_or_none(self._spool.identity)
        except (JobFolderError, OSError):
            return None


def usable_cpus() -> int:
    """CPUs that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def _daemon_environment(logs: str) -> dict[str, str]:
    kept = {LOGS: logs} if logs == JSON else {}
    kept |= {n: v for n, v in os.environ.items() if n in _ENVIRONMENT or n.startswith(_ENVIRONMENT_PREFIXES)}
    kept.pop("QHUB_ATTEMPT", None)  # when a job submits a job
    return kept
