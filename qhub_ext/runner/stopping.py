"""How a job is asked to stop: the signals that ask, the site's word on why, and the grace until it is ended."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from typing import Any

from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.runner.sighting import Stop


class Signals:
    """Requests to stop, remembered from the first moment on; `fd` becomes readable when one comes."""

    def __init__(self) -> None:
        self.fd, write = os.pipe()
        for fd in (self.fd, write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self.heard: list[str] = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: Any) -> None:
        self.heard.append(signal.Signals(number).name)

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)


@dataclass
class Grace:
    """When the cell is interrupted next, and until when it may go on: moments of the monotonic clock."""

    interrupt_at: float = float("inf")
    ends_at: float = float("inf")
    _step_s: float = 1.0

    def begin(self, now: float, grace_s: float) -> None:
        margin = max(grace_s * 0.2, min(2.0, grace_s / 2))
        self.ends_at = now + grace_s - margin
        self._step_s = max((grace_s - margin) / 2, 0.25)

    def interrupted(self, now: float, *, begun: bool) -> None:
        """Again, for a cell that caught it and went on; late enough for a `finally` that takes its time."""
        self.interrupt_at = now + (self._step_s if begun else 0.2)
        self._step_s = max(self._step_s / 2, 0.25)


def stop_of(folder: JobFolder, attempt: int, signal_name: str, after_s: float) -> Stop:
    """The site writes its word before it sends the signal."""
    why = ""
    for event in sorted(read_all(folder.journals), key=lambda e: e.get("at", 0.0)):
        if event.get("kind") == "stop" and event.get("attempt", attempt) == attempt:
            why = str(event.get("why", ""))
    return Stop(why, signal_name, after_s, _time_up_s())


def _time_up_s() -> float | None:
    """What the site told beforehand."""
    told = os.environ.get("QHUB_TIME_UP_S", "")
    return float(told) if told.isdigit() else None
