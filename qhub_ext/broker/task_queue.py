"""The tasks that have something left to run, in groups whose own order never changes: a decision looks at the head of each.

A group is (profile, user, account, session, devices, with or without a deadline, priority, long or not). Inside it the order is fixed: by deadline where there are deadlines,
then by submission, then by id. So a decision costs as much as there are groups, however long the queue is.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from qhub_ext.broker.work import Piece, seconds_of


@dataclass(eq=False, slots=True)
class WaitingTask:
    """Moments in s since 1970 UTC. `pieces` is what is still to be given out; `running` names the device while a slice of it is there.

    `scale` is how much longer its work takes than was guessed at first, `place_of` the owner in whose place it went last, `turn_s` the seconds of
    QPU that it had on end then. `long`: it needs more than a turn. `restarts`: what ran under an older calibration is to run again, once.
    """

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
    scale: float = 1.0
    place_of: str = ""
    turn_s: float = 0.0
    restarts: bool = False
    long: bool = False

    @property
    def seconds(self) -> float:
        return seconds_of(self.pieces)

    @property
    def order(self) -> tuple[float, float, str]:
        return (self.deadline_at or 0.0, self.submitted_at, self.id)


Group = tuple[str, str, str, str, tuple[str, ...], bool, int, bool]
Heap = list[tuple[tuple[float, float, str], str]]


@dataclass
class TaskQueue:
    _tasks: dict[str, WaitingTask] = field(default_factory=dict)
    _at: dict[tuple[str, ...], dict[Group, Heap]] = field(default_factory=dict)
    """By the devices that the tasks may run on: a decision for one looks at no group of another."""

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
        heapq.heappush(self._heap(group_of(task)), (task.order, task.id))

    def remove(self, task_id: str) -> WaitingTask | None:
        """Its place in the heap is left to be stepped over."""
        return self._tasks.pop(task_id, None)

    def move(self, task: WaitingTask, priority: int) -> None:
        """To another group, and out of its own, where its place must not be found again."""
        heap = self._heap(group_of(task))
        heap[:] = [entry for entry in heap if entry[1] != task.id]
        heapq.heapify(heap)
        task.priority = priority
        heapq.heappush(self._heap(group_of(task)), (task.order, task.id))

    def groups(self, device: str = "") -> list[Group]:
        """All of them, or those whose tasks may run on a device."""
        places = list(self._at) if not device else [devices for devices in self._at if not devices or device in devices]
        found: list[Group] = []
        for place in places:
            groups = self._at[place]
            for group in [g for g, heap in groups.items() if self._front(heap) is None]:
                del groups[group]
            if groups:
                found += groups
            else:
                del self._at[place]
        return found

    def heads(self) -> Iterator[WaitingTask]:
        """The first task of each group."""
        for group in self.groups():
            yield from self.front(group)

    def front(self, group: Group, device: str = "", count: int = 1) -> list[WaitingTask]:
        """The first tasks of a group that have something to give out and are on no other device, at most `count`."""
        heap = self._heap(group)
        first = self._front(heap)
        if first is None:
            return []
        if count == 1 and _may(first, device):
            return [first]
        found = []
        for task in self._in_order(heap):
            if _may(task, device):
                found.append(task)
                if len(found) == count:
                    break
        return found

    def _heap(self, group: Group) -> Heap:
        return self._at.setdefault(group[4], {}).setdefault(group, [])

    def _front(self, heap: Heap) -> WaitingTask | None:
        while heap and heap[0][1] not in self._tasks:
            heapq.heappop(heap)
        return self._tasks[heap[0][1]] if heap else None

    def _in_order(self, heap: Heap) -> Iterator[WaitingTask]:
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


def _may(task: WaitingTask, device: str) -> bool:
    return bool(task.pieces) and task.running in ("", device)


def group_of(task: WaitingTask) -> Group:
    return (
        task.profile,
        task.user,
        task.account,
        task.session,
        task.devices,
        task.deadline_at is not None,
        task.priority,
        task.long,
    )
