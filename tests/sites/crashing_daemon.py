"""A daemon that kills itself before or after its Nth step; run as a process of its own.

    python -m tests.sites.crashing_daemon STEP SPOOL CPUS

A step is anything that leaves a trace: a line in the table or a journal, a launcher, a sealed outcome, a letter taken
away. Odd numbers die before the step, even ones after it, so that every gap between two traces is visited.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.sites.embedded import daemon as daemon_module
from qhub_ext.sites.embedded import ends
from qhub_ext.sites.embedded.daemon import Daemon

_left = 0


def _step(act: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        _tick()
        answer = act(*arguments, **named)
        _tick()
        return answer

    return counted


def _tick() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class CrashingDaemon(Daemon):
    pass


def main(step: str, spool: str, cpus: str) -> None:
    global _left
    JournalWriter.append = _step(JournalWriter.append)  # type: ignore[method-assign]
    ends.seal = _step(ends.seal)
    os.posix_spawn = _step(os.posix_spawn)
    Path.unlink = _step(Path.unlink)  # type: ignore[method-assign]
    daemon_module.Daemon = CrashingDaemon  # type: ignore[misc]
    _left = int(step)
    sys.exit(daemon_module.main(["--directory", spool, "--cpus", cpus, "--idle-exit", "60"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
