"""The forecast of this moment, kept for a while: to play the queue forward costs more than many decisions do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from qhub_ext.broker.forecast import Begin, forecast
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.task_queue import TaskQueue
from qhub_ext.broker.turns import Turns

COSTS_AT_MOST = 0.05
"""Of the time goes into it, however often it is asked for."""


class Forecasts:
    def __init__(self, queue: TaskQueue, policy: Policy, turns: Turns, changed: threading.Condition, clock: Callable[[], float]) -> None:  # fmt: skip
        self._queue, self._policy, self._turns, self._changed, self._clock = queue, policy, turns, changed, clock
        self._playing = threading.Lock()
        self._found: dict[str, Begin] = {}
        self._good_until = 0.0

    def of(self, task_id: str) -> Begin | None:
        """When its next slice begins; None where there is no saying. Not to be called by who holds the desk's lock: it takes a while."""
        if time.monotonic() >= self._good_until and self._playing.acquire(blocking=False):
            try:
                self._play()
            finally:
                self._playing.release()
        return self._found.get(task_id)

    def _play(self) -> None:
        begin = time.monotonic()
        with self._changed:
            now, turns = self._clock(), self._turns
            devices = turns.devices
            told = forecast(
                self._queue, self._policy, {d: turns.facts(d) for d in devices}, {d: turns.current(d) for d in devices}, turns.window,
                {d: turns.tempo(d) for d in devices}, now,
            )  # fmt: skip
        self._found = told()
        self._good_until = time.monotonic() + (time.monotonic() - begin) / COSTS_AT_MOST
