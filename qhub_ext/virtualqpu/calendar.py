"""When a virtual QPU is calibrated: after each period it stands still for a window, and then has a new snapshot.

A window waits until the PUB that runs has ended, as on a real device, where jobs are not cut in the middle of a circuit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """`cycle` counts calibrations from 0 on; `since` when this one came into force, `until` when the open window closes, `next_at` when the next opens; s since 1970 UTC."""

    cycle: int
    since: float
    calibrating: bool
    until: float | None = None
    next_at: float | None = None


class Calendar:
    """`period_s` (None: only when told to) and `window_s` in the device's own time; `speed` 10 makes a second of it a tenth of one."""

    def __init__(
        self, period_s: float | None, window_s: float, speed: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._period = None if period_s is None else period_s / speed
        self._window = self._asked_window = window_s / speed
        self._speed = speed
        self._clock = clock
        self._lock = threading.RLock()
        self._cycle = 0
        self._since = clock()
        self._until: float | None = None
        self._asked = False
        self._busy = False
        self._free_at = self._since

    def now(self) -> Moment:
        with self._lock:
            self._settle(self._clock())
            return Moment(self._cycle, self._since, self._until is not None, self._until, self._next_at())

    def occupy(self) -> bool:
        """A PUB begins; False while the device is being calibrated."""
        with self._lock:
            self._settle(self._clock())
            if self._until is not None:
                return False
            self._busy = True
            return True

    def leave(self) -> None:
        """It has ended: a window that was due in the meantime opens now."""
        with self._lock:
            self._busy = False
            self._free_at = self._clock()
            self._settle(self._free_at)

    def calibrate(self, window_s: float | None = None) -> None:
        """Now, or as soon as the PUB that runs has ended. A window that is open stays the one. `window_s`: other than always, in the device's own time."""
        with self._lock:
            self._settle(self._clock())
            if self._until is None:
                self._asked = True
                self._asked_window = self._window if window_s is None else window_s / self._speed
                self._free_at = max(self._free_at, self._clock())
                self._settle(self._clock())

    def _next_at(self) -> float | None:
        return None if self._period is None or self._until is not None else self._since + self._period

    def _settle(self, now: float) -> None:
        while True:
            if self._until is not None:
                if now < self._until:
                    return
                self._cycle, self._since, self._until = self._cycle + 1, self._until, None
                continue
            if self._busy:
                return
            due = self._free_at if self._asked else self._next_at()
            if due is None or due > now:
                return
            window = self._asked_window if self._asked else self._window
            self._asked = False
            self._until = max(due, self._free_at) + window
