"""Where everybody stands in the queue. For a long queue that costs more than a decision does, so what was found is kept for a while."""

from __future__ import annotations

import time
from collections import Counter

from qhub_ext.broker.policy import Policy
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask

EXACT = 200
"""Up to so many tasks the answer is that of this moment."""
COSTS_AT_MOST = 0.05
"""Of the time goes into it, however often it is asked for."""


class Standing:
    def __init__(self, queue: TaskQueue, policy: Policy) -> None:
        self._queue, self._policy = queue, policy
        self._order: list[WaitingTask] = []
        self._ahead: dict[str, tuple[tuple[str, int], ...]] = {}
        self._good_until = 0.0

    def order(self, now: float) -> list[WaitingTask]:
        """In the order in which they would run now, those on devices first."""
        self._look(now)
        return [task for task in self._order if task.id in self._queue]

    def ahead(self, task: WaitingTask, now: float) -> Counter[str]:
        """Tasks for the same device that go before it, by profile."""
        self._look(now)
        known = self._ahead.get(task.id)
        return Counter(dict(known)) if known is not None else self._policy.ahead(self._queue, task, now)

    def _look(self, now: float) -> None:
        begin = time.monotonic()
        if len(self._queue) > EXACT and begin < self._good_until:
            return
        self._order = sorted(self._queue, key=lambda t: (not t.running, *self._policy.key(t, now), t.order))
        so_far: dict[str, Counter[str]] = {}
        ahead: dict[str, tuple[tuple[str, int], ...]] = {}
        for task in self._order:
            before = so_far.setdefault(task.devices[0] if task.devices else "", Counter())
            ahead[task.id] = tuple(before.items())
            before[task.profile] += 1
        self._ahead = ahead
        self._good_until = begin + (time.monotonic() - begin) / COSTS_AT_MOST
