"""Kernels kept ready: started when a CPU is idle, for the environment of the latest job, one job each.

Not niced: without privileges a process never gets its nice value back, and the job would keep it. They start only when
nothing waits and a CPU has been free for a moment, and go when memory runs short.
"""

from __future__ import annotations

import json
import os
import selectors
import time
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.sites.embedded.kept import Departed, Kept, keep, memory_available_mb
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.table import TableJob

SETTLED_S = 0.3
START_ABOVE_MB, KEEP_ABOVE_MB = 1024, 512
GIVE_UP_AFTER = 3
"""A runner that has ended so often without getting ready will not do so in this environment."""
AGAIN_AFTER_S = 10.0


@dataclass(frozen=True)
class Wish:
    key: str
    path: str
    python: str


class WarmPool:
    def __init__(
        self,
        selector: selectors.BaseSelector,
        *,
        count: int,
        imports: str,
        launch: list[str],
        arguments: list[str],
    ) -> None:
        self.kernels: list[Kept] = []
        self._departed = Departed()
        self._selector = selector
        self._count = count
        self._imports = imports
        self._launch = launch
        self._arguments = arguments
        self._wish: Wish | None = None
        self._settled_at: float | None = None
        self._failures: dict[str, int] = {}
        self._not_before = 0.0

    def remember(self, job: TableJob) -> None:
        """The next kernels are like this job's."""
        if self._count and job.warm_key:
            self._wish = Wish(job.warm_key, job.path, job.python)

    def take(self, job: TableJob) -> Kept | None:
        """A kernel that is ready for this job; it is the caller's from now on."""
        for kernel in self.kernels:
            if job.warm_key and kernel.key == job.warm_key and kernel.ready:
                kernel.unregister()
                self.kernels.remove(kernel)
                return kernel
        return None

    def tend(self, *, idle: bool) -> float | None:
        """Starts and dismisses; returns when to look again (monotonic, s)."""
        now = time.monotonic()
        if not idle:
            self._settled_at = None
            return None
        wish = self._wish
        if wish is None or self._failures.get(wish.key, 0) >= GIVE_UP_AFTER:
            return None
        if sum(kernel.key == wish.key for kernel in self.kernels) >= self._count:
            return None
        self._settled_at = self._settled_at or now
        due = max(self._settled_at + SETTLED_S, self._not_before)
        if now < due:
            return due
        for kernel in [kernel for kernel in self.kernels if kernel.key != wish.key]:
            self.dismiss(kernel)
        if memory_available_mb() >= START_ABOVE_MB and Path(wish.path).is_dir():
            self._start(wish)
        else:
            self._not_before = now + AGAIN_AFTER_S
        return now + SETTLED_S

    def sweep(self) -> None:
        if self.kernels and memory_available_mb() < KEEP_ABOVE_MB:
            say("memory is short: the warm kernels go")
            self._not_before = time.monotonic() + AGAIN_AFTER_S
            for kernel in list(self.kernels):
                self.dismiss(kernel)
        for kernel in [kernel for kernel in self.kernels if not kernel.process.lives()]:
            self.ended(kernel)
        self._departed.reap()

    def heard(self, kernel: Kept, end: int) -> None:
        """Something on one of its descriptors."""
        if kernel not in self.kernels:
            return
        if end == kernel.words and b"ready" in os.read(kernel.words, 4096):
            kernel.ready = True
            say(f"a warm kernel is ready (launcher {kernel.process.pid})")
            self._failures.pop(kernel.key, None)
        else:
            self.ended(kernel)

    def ended(self, kernel: Kept) -> None:
        if not kernel.ready:
            self._failures[kernel.key] = self._failures.get(kernel.key, 0) + 1
            self._not_before = time.monotonic() + AGAIN_AFTER_S
            say(f"a warm kernel ended before it was ready ({self._failures[kernel.key]} in a row)")
        self.dismiss(kernel)

    def dismiss(self, kernel: Kept) -> None:
        kernel.unregister()
        self.kernels.remove(kernel)
        kernel.close()
        self._departed.add(kernel.process)

    def close(self) -> None:
        for kernel in list(self.kernels):
            self.dismiss(kernel)

    def _start(self, wish: Wish) -> None:
        runner = [
            *(wish.python, "-m", "qhub_ext.runner", "--warm"),
            *("--like", wish.path, "--imports", self._imports),
        ]
        command = [*self._launch, self._arguments[0], json.dumps(runner), *self._arguments[1:]]
        self.kernels.append(keep(wish.key, command, self._selector, self.heard))
