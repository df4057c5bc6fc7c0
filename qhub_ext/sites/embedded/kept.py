"""A process that the daemon keeps ready: it says `ready` on its stdout, takes orders on its stdin, and leaves when that ends."""

from __future__ import annotations

import contextlib
import os
import selectors
from collections.abc import Callable
from dataclasses import dataclass, field

from qhub_ext.sites.embedded import processes
from qhub_ext.sites.embedded.processes import Process


@dataclass(eq=False)
class Kept:
    key: str
    """What it was started for."""
    process: Process
    orders: int
    words: int
    """Where `ready` comes from, and answers."""
    heard: Callable[[Kept, int], None]
    """Called by the daemon's loop when one of its descriptors has something to say."""
    selector: selectors.BaseSelector = field(repr=False)
    pidfd: int = -1
    ready: bool = False

    def unregister(self) -> None:
        """The loop no longer listens to it."""
        self.selector.unregister(self.words)
        if self.pidfd >= 0:
            self.selector.unregister(self.pidfd)
            os.close(self.pidfd)
            self.pidfd = -1

    def close(self) -> None:
        """The end of its stdin, which sends it away."""
        for end in (self.orders, self.words):
            os.close(end)


def keep(key: str, command: list[str], selector: selectors.BaseSelector, heard: Callable[[Kept, int], None]) -> Kept:
    """Starts it, in a session of its own."""
    orders_end, orders = os.pipe()
    words, words_end = os.pipe()
    try:
        pid = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, orders_end, 0), (os.POSIX_SPAWN_DUP2, words_end, 1)],
            setsid=True,
        )
    except OSError:
        os.close(orders)
        os.close(words)
        raise
    finally:
        os.close(orders_end)
        os.close(words_end)
    kept = Kept(key, Process(pid, processes.start_time(pid) or -1), orders, words, heard, selector)
    os.set_blocking(words, False)
    os.set_blocking(orders, False)
    selector.register(words, selectors.EVENT_READ, kept)
    if processes.HAS_PIDFD:
        kept.pidfd = os.pidfd_open(pid)
        selector.register(kept.pidfd, selectors.EVENT_READ, kept)
    return kept


class Departed:
    """Processes that were sent away, so that no zombie stays."""

    def __init__(self) -> None:
        self._processes: list[Process] = []

    def add(self, process: Process) -> None:
        self._processes.append(process)
        self.reap()

    def reap(self) -> None:
        for process in list(self._processes):
            with contextlib.suppress(ChildProcessError):
                pid, _ = os.waitpid(process.pid, os.WNOHANG)
                if not pid:
                    continue
            self._processes.remove(process)


def memory_available_mb() -> int:
    """A large number where the system does not say."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        pass  # not Linux
    return 1 << 30
