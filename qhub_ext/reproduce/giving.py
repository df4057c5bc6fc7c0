"""Gives a new job the lock of its environment; has it made where it is not known yet (`locking`)."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import LockStore, attach

_asked: dict[tuple[Path, str], float] = {}
"""When a lock was last asked for (monotonic, s), by its shelf and the state of its environment."""
ASK_AGAIN_S = 60.0
# twice a process, so that it lives on when this one ends; the first leaves at once. The job's own start comes first: it needs the CPU
_DETACH = (
    "import os, sys, time\nif os.fork(): os._exit(0)\n"
    "os.setsid(); os.nice(10); time.sleep(2); os.execv(sys.argv[1], sys.argv[1:])"
)


def give_lock(folder: JobFolder, runtime: Mapping[str, object], shelf: Path) -> None:
    """At submission: a link where the lock is known, else a process that makes it. Costs the submission a few system calls."""
    state = str(runtime.get("state", ""))
    with contextlib.suppress(OSError):  # a full disk costs the lock, and not the job
        known = LockStore(shelf).find(state)
        if known is not None:
            attach(known, folder)
        elif (
            runtime.get("executable") == sys.executable
            and time.monotonic() - _asked.get((shelf, state), -ASK_AGAIN_S) >= ASK_AGAIN_S
        ):
            _asked[shelf, state] = time.monotonic()
            _start(shelf, state, folder.id)


def _start(shelf: Path, state: str, job_id: str) -> None:
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    words = [sys.executable, "-P", "-m", "qhub_ext.reproduce.locking", str(shelf), state, path, job_id]
    null = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_RDWR, 0) for n in range(3)]
    # not subprocess: a fork of a kernel with gigabytes takes long
    pid = os.posix_spawn(
        sys.executable, [sys.executable, "-I", "-S", "-c", _DETACH, *words], os.environ, file_actions=null
    )
    threading.Thread(target=_reap, args=(pid,), daemon=True).start()  # the interpreter in between takes 10 ms to start


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # somebody waits for every child
        os.waitpid(pid, 0)
