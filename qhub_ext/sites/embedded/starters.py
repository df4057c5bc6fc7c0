"""The three ways in which the launcher of an attempt begins: in a warm kernel, forked from the template, as a program of its own."""

from __future__ import annotations

import json
import os
import selectors
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.sites.embedded import processes
from qhub_ext.sites.embedded.attempt_files import attempt_of, folder_of
from qhub_ext.sites.embedded.kept import Kept
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.processes import Process
from qhub_ext.sites.embedded.spool import Spool
from qhub_ext.sites.embedded.table import TableJob
from qhub_ext.sites.embedded.template import Template
from qhub_ext.sites.embedded.warm import WarmPool

LAUNCH = Path(__file__).resolve().parent / "launch.py"
CONFIRM_WITHIN_S = 5.0
"""A warm kernel that has not claimed its job by then is stuck: the job starts cold."""


@dataclass(frozen=True)
class Started:
    process: Process
    """The launcher."""
    child: bool
    """Of this process, and so to be waited for."""
    confirm_by: float | None = None


class Starters:
    def __init__(
        self,
        spool: Spool,
        selector: selectors.BaseSelector,
        command: list[str],
        *,
        template: bool = False,
        warm: int = 0,
        imports: str = "",
    ) -> None:
        self._arguments = [str(spool.directory), *command]
        self._launch = [sys.executable, "-I", "-S", str(LAUNCH)]
        self._warm = WarmPool(
            selector, count=warm, imports=imports, launch=[*self._launch, "warm"], arguments=self._arguments
        )
        self._template = Template(selector, wanted=template, arguments=self._arguments)
        self._moments: list[float | None] = []

    def start(self, job: TableJob, *, cold: bool) -> Started:
        """`cold` takes a program of its own, whatever is kept ready."""
        if not cold:
            kernel = self._warm.take(job)
            if kernel is not None and _order(kernel, job):
                return Started(kernel.process, child=True, confirm_by=time.monotonic() + CONFIRM_WITHIN_S)
            forked = self._template.fork(job, str(attempt_of(job).path))
            if forked is not None:
                return Started(forked, child=False)
        attempt, script = attempt_of(job), folder_of(job).script
        command = [*self._launch, "run", str(attempt.path), str(script), *self._arguments]
        null = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=null, setsid=True)
        started = processes.start_time(pid)
        return Started(Process(pid, started if started is not None else -1), child=True)

    def remember(self, job: TableJob) -> None:
        """The next jobs will be like this one."""
        self._warm.remember(job)
        self._template.remember(job)

    def tend(self, *, waiting: bool, idle: bool) -> None:
        self._moments = [
            self._template.tend(waiting=waiting, idle=idle),
            self._warm.tend(idle=idle and not self._template.starting),
        ]

    def moments(self) -> list[float]:
        """When to tend again (monotonic, s)."""
        return [moment for moment in self._moments if moment is not None]

    def kept(self) -> tuple[tuple[str, Process], ...]:
        """(what it is, its process) of each that is ready."""
        template = [("template", self._template.kept)] if self._template.kept else []
        every = [*template, *(("kernel", kernel) for kernel in self._warm.kernels)]
        return tuple((what, one.process) for what, one in every if one.ready)

    def sweep(self) -> None:
        self._warm.sweep()
        self._template.sweep()

    def close(self) -> None:
        self._warm.close()
        self._template.dismiss()


def _order(kernel: Kept, job: TableJob) -> bool:
    """Hands the job to a kernel that is ready; False when that has just ended."""
    order = {"attempt": str(attempt_of(job).path), "folder": job.path, "number": job.attempt}
    try:
        os.write(kernel.orders, json.dumps(order).encode() + b"\n")
    except OSError as error:
        say(f"its warm kernel is gone ({error}); it starts otherwise", job)
        return False
    finally:
        kernel.close()
    return True
