"""Slices that a device did not complete: what becomes of their tasks, and whether the device is down. Threads of the devices tell it here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.rows import SliceRow
from qhub_ext.broker.stations import Stations
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.work import joined
from qhub_ext.errors import Cause, DeviceError, QhubError

RESENT = 3
"""A slice whose answer was lost, or that the device forgot, is sent again so often in a row; it is short, and what it cost is in the ledger."""


class Setbacks:
    def __init__(
        self, ledger: Ledger, queue: TaskQueue, stations: Stations, clock: Callable[[], float], changed: threading.Condition,
    ) -> None:  # fmt: skip
        self._ledger, self._queue, self._stations = ledger, queue, stations
        self._clock, self._changed = clock, changed

    def uncertain(self, one: SliceRow, error: DeviceError) -> None:
        """The answer to the start was lost: a slice is sent again a few times, as its cost is small and its result counts once."""
        with self._changed:
            self._ledger.set_slice(one, state="uncertain", ended_at=self._clock())
            task = self._give_back(one)
            self._stations.down(one.device, error.message, self._clock())  # until it answers to a question again
            if task is not None and self._in_a_row(one, "uncertain") > RESENT:
                self._fail(one, error)
            self._changed.notify_all()

    def refused(self, one: SliceRow, error: DeviceError) -> None:
        """The device's service said no: to this task, when it is the task's fault; else the device is down and the task waits."""
        with self._changed:
            self._ledger.set_slice(one, state="refused", ended_at=self._clock())
            task = self._give_back(one)
            again_and_again = not error.transient and self._in_a_row(one, "refused") > RESENT
            if error.cause is Cause.CODE or again_and_again:  # one task must not keep a device from all others
                if task is not None:
                    self._fail(one, error)
            else:
                self._stations.down(one.device, error.message, self._clock())
            self._changed.notify_all()

    def failed(self, one: SliceRow, error: DeviceError) -> None:
        """The device took the slice and did not complete it."""
        with self._changed:
            self._ledger.set_slice(one, state="failed", ended_at=self._clock())
            task = self._queue.get(one.task)
            self._stations.release(one, task, self._clock())
            if task is not None:
                self._fail(one, error)
            self._changed.notify_all()

    def stopped(self, one: SliceRow) -> None:
        """Nobody wanted it any more."""
        with self._changed:
            self._ledger.set_slice(one, state="cancelled", ended_at=self._clock())
            self._stations.release(one, self._queue.get(one.task), self._clock())
            self._changed.notify_all()

    def _give_back(self, one: SliceRow) -> WaitingTask | None:
        """Its pieces wait again, with what was learned meanwhile of how long they take."""
        task, scale = self._queue.get(one.task), self._stations.scale(one)
        if self._stations.release(one, task, self._clock()) and task is not None:
            back = tuple(replace(piece, unit_s=piece.unit_s * task.scale / scale) for piece in one.pieces)
            task.pieces = joined(back, task.pieces)
        return task

    def _in_a_row(self, one: SliceRow, state: str) -> int:
        ends = [s.state for s in self._ledger.slices(one.task) if s.ended_at is not None]
        return next((k for k, end in enumerate(reversed(ends)) if end != state), len(ends))

    def _fail(self, one: SliceRow, error: QhubError) -> None:
        row = self._ledger.task(one.task)
        if row is not None and not row.ended:
            self._ledger.end_task(
                row.id, "failed", ended_at=self._clock(), cause=str(error.cause), message=error.message, advice=error.advice
            )  # fmt: skip
        self._queue.remove(one.task)
