"""The tasks that have something left to run, in groups whose own order never changes: a decision looks at the head of each.

A group is (profile, user, account, session, devices, with or without a deadline, priority). Inside it the order is fixed: by deadline where there are deadlines,
then by submission, then by id. So a decision costs as much as there are groups, however long the queue is.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from qhub_ext.broker.work import Piece, seconds_of


@dataclass(eq=False, slots=True)
class WaitingTask:
    """Moments in s since 1970 UTC. `pieces` is what is left; `running` while a slice of it is on a device."""

    id: str
    user: str
    profile: str
    submitted_at: float
    pieces: tuple[Piece, ...]
    account: str = ""
    session: str = ""
    job: str = ""
    devices: tuple[str, ...] = ()
    deadline_at: float | None = None
    running: str = ""
    preempted_by: str = ""
    priority: int = 0
    waiting_since: float = 0.0

    @property
    def seconds(self) -> float:
        return seconds_of(self.pieces)

    @property
    def order(self) -> tuple[float, float, str]:
        return (self.deadline_at or 0.0, self.submitted_at, self.id)


Group = tuple[str, str, str, str, tuple[str, ...], bool, int]


@dataclass
class TaskQueue:
    _tasks: dict[str, WaitingTask] = field(default_factory=dict)
    _groups: dict[Group, list[tuple[tuple[float, float, str], str]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._tasks

    def __iter__(self) -> Iterator[WaitingTask]:
        return iter(self._tasks.values())

    def get(self, task_id: str) -> WaitingTask | None:
        return self._tasks.get(task_id)

    def add(self, task: WaitingTask) -> None:
        """The same id again is the same task."""
        if task.id in self._tasks:
            return
        self._tasks[task.id] = task
        heapq.heappush(self._groups.setdefault(group_of(task), []), (task.order, task.id))

    def remove(self, task_id: str) -> WaitingTask | None:
        """Its place in the heap is left to be stepped over."""
        return self._tasks.pop(task_id, None)

    def move(self, task: WaitingTask, priority: int) -> None:
        """To another group, and out of its own, where its place must not be found again."""
        heap = self._groups.get(group_of(task), [])
        heap[:] = [entry for entry in heap if entry[1] != task.id]
        heapq.heapify(heap)
        task.priority = priority
        heapq.heappush(self._groups.setdefault(group_of(task), []), (task.order, task.id))

    def groups(self) -> list[Group]:
        for group in [g for g, heap in self._groups.items() if self._front(heap) is None]:
            del self._groups[group]
        return list(self._groups)

    def front(self, group: Group, count: int = 1) -> list[WaitingTask]:
        """The first tasks of a group that are not on a device now, at most `count`."""
        heap = self._groups.get(group, [])
        first = self._front(heap)
        if first is None:
            return []
        if not first.running and count == 1:
            return [first]
        found = []
        for task in self._in_order(heap):
            if not task.running:
                found.append(task)
                if len(found) == count:
                    break
        return found

    def _front(self, heap: list[tuple[tuple[float, float, str], str]]) -> WaitingTask | None:
        while heap and heap[0][1] not in self._tasks:
            heapq.heappop(heap)
        return self._tasks[heap[0][1]] if heap else None

    def _in_order(self, heap: list[tuple[tuple[float, float, str], str]]) -> Iterator[WaitingTask]:
        """Walks a heap in order without taking it apart: the next smallest is a child of one that was given."""
        open_places = [(heap[0], 0)] if heap else []
        while open_places:
            (_, task_id), place = heapq.heappop(open_places)
            for child in (2 * place + 1, 2 * place + 2):
                if child < len(heap):
                    heapq.heappush(open_places, (heap[child], child))
            task = self._tasks.get(task_id)
            if task is not None:
                yield task


def group_of(task: WaitingTask) -> Group:
    return (
        task.profile,
        task.user,
        task.account,
        task.session,
        task.devices,
        task.deadline_at is not None,
        task.priority,
    )
