"""Where everybody stands in the queue. For a long queue that costs more than a decision does, so what was found is kept for a while."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from typing import Any

from qhub_ext.broker.device_facts import DeviceFacts
from qhub_ext.broker.policy import Policy, Wait
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask

EXACT = 200
"""Up to so many tasks the answer is that of this moment."""
COSTS_AT_MOST = 0.05
"""Of the time goes into it, however often it is asked for."""


class Standing:
    def __init__(self, queue: TaskQueue, policy: Policy, changed: threading.Condition) -> None:
        self._queue, self._policy, self._changed = queue, policy, changed
        self._order: list[WaitingTask] = []
        self._keys: list[tuple[Any, ...]] = []
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
        return Counter(dict(known)) if known is not None else self._ahead_of_new(task, now)

    def _ahead_of_new(self, task: WaitingTask, now: float) -> Counter[str]:
        """Of one that came since: by the place that it would have had. To count the whole queue for each that comes would let a flood slow everybody."""
        key = self._policy.order(self._queue.heads(), now).key
        place = bisect_left(self._keys, (not task.running, *key(task), *task.order))
        device = _device(task)
        before = next((other for other in reversed(self._order[:place]) if _device(other) == device), None)
        if before is None:
            return Counter()
        return Counter(dict(self._ahead[before.id])) + Counter({before.profile: 1})

    def why(self, task: WaitingTask, facts: DeviceFacts, now: float) -> Wait:
        if not task.pieces:
            return Wait("finishing", "All of it has run; its result is being put together.")
        return self._policy.why(self._queue, task, facts, now, self.ahead(task, now))

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Open tasks by device, profile and state."""
        with self._changed:
            return Counter((t.devices[0], t.profile, "running" if t.running else "queued") for t in self._queue)

    def waiting(self) -> Counter[str]:
        """Open tasks by device."""
        found: Counter[str] = Counter()
        for (device, _, _), count in self.counts().items():
            found[device] += count
        return found

    def oldest(self) -> dict[str, float]:
        """When the oldest waiting task of each profile was submitted."""
        with self._changed:
            found: dict[str, float] = {}
            for task in self._queue:
                if not task.running:
                    found[task.profile] = min(found.get(task.profile, task.submitted_at), task.submitted_at)
            return found

    def _look(self, now: float) -> None:
        begin = time.monotonic()
        if len(self._queue) > EXACT and begin < self._good_until:
            return
        key = self._policy.order(self._queue.heads(), now).key
        placed = sorted(((not t.running, *key(t), *t.order), t) for t in self._queue)
        self._keys, self._order = [one for one, _ in placed], [task for _, task in placed]
        so_far: dict[str, Counter[str]] = {}
        ahead: dict[str, tuple[tuple[str, int], ...]] = {}
        for task in self._order:
            before = so_far.setdefault(_device(task), Counter())
            ahead[task.id] = tuple(before.items())
            before[task.profile] += 1
        self._ahead = ahead
        self._good_until = begin + (time.monotonic() - begin) / COSTS_AT_MOST


def _device(task: WaitingTask) -> str:
    return task.devices[0] if task.devices else ""
