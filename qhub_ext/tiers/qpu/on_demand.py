"""A server of ours that starts when it is needed: one per folder, nobody's child, with its words in a log there. It leaves by itself."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from qhub_ext.errors import Cause, DeviceError

T = TypeVar("T")
START_S = 60.0
SETTLED_S = 1.0
ERROR = "Error: "
"""Begins the last line of a server that cannot start, and says why."""
_OF_A_JOB = ("QHUB_ATTEMPT", "TRACEPARENT", "SLURM_", "QRMI_JOB_")
"""What a job's environment says of that job alone: the server outlives it."""


@dataclass(frozen=True)
class OnDemand(Generic[T]):
    """`module` is run with `options`; `running` gives what is to be known of a server that is up, or None."""

    title: str
    directory: Path
    module: str
    options: Sequence[str]
    running: Callable[[], T | None]

    def up(self) -> T:
        """What `running` gives, of a server that was started where none was up. Raises DeviceError."""
        return self.running() or self._start()

    def _start(self) -> T:
        with _only_one(self.directory):
            found = self.running()
            if found is not None:
                return found
            log = self.directory / "server.log"
            with log.open("w") as out:
                # The shell ends at once, so that the server is nobody's child: no zombie stays with a long-lived kernel.
                subprocess.run(
                    ["/bin/sh", "-c", '"$@" &', "qhub", sys.executable, "-m", self.module, *self.options],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd="/",
                    env={k: v for k, v in os.environ.items() if not k.startswith(_OF_A_JOB)},
                    check=True,
                )
            until = time.monotonic() + START_S
            while time.monotonic() < until:
                found = self.running()
                if found is not None:
                    return found
                if _failed(log):
                    break
                time.sleep(0.05)
        words = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise DeviceError(f"{self.title} did not start: {words[0].removeprefix(ERROR)}", advice=f"Its log is {log}.", cause=Cause.INTEGRATION)  # fmt: skip


def _failed(log: Path) -> bool:
    """Whether its words are those of an end: a whole line of ours, or a traceback to which nothing is added any more."""
    told = log.read_text(errors="replace")
    if any(line.startswith(ERROR) and line.endswith("\n") for line in told.splitlines(keepends=True)):
        return True
    if "Traceback" not in told:
        return False
    time.sleep(SETTLED_S)
    return log.read_text(errors="replace") == told


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
