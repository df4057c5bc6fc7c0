"""Turns at the devices: slices are given out by the policy, and their ends are taken back. Threads of the devices ask here.

At most `ahead` slices of ours are at a device at a time, the one that runs counted: with 1 nothing waits in the vendor's own queue, with 2 the
device finds its next slice there when one ends, and a more urgent task waits for what is there already. What counts is in the ledger first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from qhub_ext.broker.device_facts import DeviceFacts
from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.orders import Orders
from qhub_ext.broker.policy import Decision, Policy
from qhub_ext.broker.restarts import measured, stale_of
from qhub_ext.broker.rows import SliceRow, TaskRow
from qhub_ext.broker.setbacks import Setbacks
from qhub_ext.broker.slices import merge
from qhub_ext.broker.stations import Stations
from qhub_ext.broker.task_queue import TaskQueue
from qhub_ext.broker.tempo import LAST, Tempo
from qhub_ext.broker.work import Piece, joined, minus, seconds_of
from qhub_ext.errors import Cause, DeviceError, QhubError


class Turns:
    def __init__(
        self, ledger: Ledger, policy: Policy, queue: TaskQueue, orders: Orders, clock: Callable[[], float],
        changed: threading.Condition, ahead: Mapping[str, int],
    ) -> None:  # fmt: skip
        self._ledger, self._policy, self._queue, self._orders = ledger, policy, queue, orders
        self._clock, self._changed = clock, changed
        self._ahead = dict(ahead)
        self._stations = Stations(orders, policy)
        self.setbacks = Setbacks(ledger, queue, self._stations, clock, changed)
        self.closed = False
        for device in orders.devices:
            self._take_over(device)

    def take(self, device: str) -> None:
        """One more device, with what a broker before had there."""
        self._stations.add(device)
        self._take_over(device)

    def _take_over(self, device: str) -> None:
        for profile, one in self._ledger.last_slices(device, LAST):
            self._ended(one, profile, one.ended_at or 0.0)
        for one in self._ledger.open_slices(device):
            if one.state == "sending":  # whether it arrived, nobody knows
                self._ledger.set_slice(one, state="uncertain", ended_at=self._clock())
            elif (task := self._queue.get(one.task)) is not None:
                task.pieces = minus(task.pieces, one.pieces)
                self._stations.occupy(task, one, self._clock())
        self._stations[device].current = self._ledger.last_task(device)

    def _ended(self, one: SliceRow, profile: str, ended_at: float) -> None:
        estimated = seconds_of(one.pieces) + self._policy.overhead_s
        self._stations[one.device].tempo.ended(profile, one.sent_at, ended_at, estimated)

    @property
    def devices(self) -> tuple[str, ...]:
        return self._orders.devices

    def learned(self, device: str, most_shots: int) -> None:
        """What a device says of itself counts before what was known of it."""
        self._stations[device].most_shots = most_shots

    def most_shots(self, device: str) -> float:
        return self._stations[device].most_shots

    def tempo(self, device: str) -> Tempo:
        return self._stations[device].tempo

    def current(self, device: str) -> str:
        """The task that had the device last."""
        return self._stations[device].current

    def window(self, device: str, at: float) -> tuple[float, float] | None:
        return self._orders.window(device, at)

    def ahead(self, device: str) -> int:
        return self._ahead.get(device, 1)

    def facts(self, device: str) -> DeviceFacts:
        return self._stations.facts(device, self._clock())

    def trouble(self, device: str) -> str:
        down = self._stations[device].down
        return "" if down is None else down[1]

    # ------------------------------------------------------------------ given out

    def next_slice(self, device: str, timeout_s: float) -> tuple[TaskRow, SliceRow] | None:
        """Waits for one that may go to the device now, writes it down and gives it."""
        until, station = time.monotonic() + timeout_s, self._stations[device]
        with self._changed:
            while not self.closed:
                now = self._clock()
                if len(station.held) < self.ahead(device):
                    decision = self._policy.decide(self._queue, self.facts(device), now, station.current)
                    if decision is not None:
                        return self._begin(device, decision, now)
                left = until - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
        return None

    def _begin(self, device: str, decision: Decision, now: float) -> tuple[TaskRow, SliceRow]:
        task, row = self._queue.get(decision.task_id), self._ledger.task(decision.task_id)
        assert task is not None
        assert row is not None
        one = self._ledger.begin_slice(
            task.id, device, decision.pieces, now,
            turn_s=decision.turn_s, place_of=decision.place_of, preempts=decision.preempts, profile=task.profile,
        )  # fmt: skip
        if decision.preempts and (other := self._queue.get(decision.preempts)) is not None:
            other.preempted_by = task.profile
        task.preempted_by = ""
        decision.give(task)
        self._stations.occupy(task, one, now)
        return row, one

    def sent(self, one: SliceRow, vendor: str) -> None:
        self._ledger.set_slice(one, state="sent", vendor=vendor)

    def wanted(self, one: SliceRow) -> bool:
        """Whether anybody still wants what is on the device."""
        return not self.closed and one.task in self._queue

    # ------------------------------------------------------------------ taken back

    def finished(self, one: SliceRow, result: str, qpu_s: float | None, snapshot: str) -> bool:
        """Takes the result of a slice. Whether it was the last: then `complete` is to be called."""
        with self._changed:
            task, now = self._queue.get(one.task), self._clock()
            if task is None:
                self._ledger.set_slice(one, state="cancelled", ended_at=now, qpu_s=qpu_s)
                self._stations.release(one, None, now)
                return False
            estimated, others = (
                seconds_of(one.pieces),
                [s for s in self._stations.slices_of(one.task) if s.number != one.number],
            )
            seconds = estimated if qpu_s is None else qpu_s
            rest, scale = task.pieces, task.scale
            if qpu_s and estimated > 0:  # what a shot really takes is known now
                scale = self._stations.scale(one) * qpu_s / estimated
                rest = tuple(replace(piece, unit_s=piece.unit_s * scale / task.scale) for piece in rest)
            units = sum(piece.units for piece in one.pieces)
            told = replace(one, snapshot=snapshot, qpu_s=qpu_s)
            stale = stale_of(self._ledger.slices(one.task), told) if task.restarts else []
            if stale:
                rest = joined(rest, *map(measured, stale))
            used, lent = self._policy.used_with(task, seconds, now)
            self._ledger.finish_slice(
                one, result.encode(), rest=joined(rest, *(s.pieces for s in others)), units=units, qpu_s=seconds,
                snapshot=snapshot, now=now, shares=used, lent=lent, running=bool(others), stale=stale,
            )  # fmt: skip
            if task.restarts:  # said again after a lost answer, the ledger knows what was stale
                rest = minus(self._ledger_pieces(one.task), joined(*(s.pieces for s in others)))
                task.restarts = not any(s.stale for s in self._ledger.slices(one.task))
            self._stations.release(one, task, now)
            self._ended(one, task.profile, now)
            self._policy.charge(task, seconds, now)
            self._policy.usage.slices += 1
            task.pieces, task.scale = rest, scale
            last = not rest and not others
            if last:  # nothing of it waits any more
                task.running = one.device
            self.up(one.device)
            self._changed.notify_all()
            return last

    def _ledger_pieces(self, task_id: str) -> tuple[Piece, ...]:
        row = self._ledger.task(task_id)
        return () if row is None else row.pieces

    def complete(self, task_id: str) -> None:
        """Puts the results of its slices together and ends it. That may take seconds, and nobody waits for it at the desk: it may be cancelled meanwhile."""
        row = self._ledger.task(task_id)
        if row is None or row.ended:  # also where the answer of the ledger to its end was lost
            with self._changed:
                self.forget(task_id)
                self._changed.notify_all()
            return
        done = [one for one in self._ledger.slices(task_id) if one.counts]
        failed: QhubError | None = None
        try:
            merged = merge(row.program, [(one.pieces, self._ledger.files.slice_result(one)) for one in done])
        except OSError as error:
            failed = DeviceError(f"The result of a slice of the task {task_id} cannot be read any more: {error}.", advice="Submit it again.", cause=Cause.INTEGRATION)  # fmt: skip
        except DeviceError as error:
            failed = error
        else:
            self._ledger.files.keep_result(task_id, merged.encode())
        with self._changed:
            if failed is None:
                self.end(row, "completed")
            else:
                self.end(row, "failed", cause=str(failed.cause), message=failed.message, advice=failed.advice)
            self._queue.remove(task_id)
            self._changed.notify_all()

    def forget(self, task_id: str) -> None:
        """It was cancelled: nobody goes on with it."""
        self._queue.remove(task_id)
        self._stations.forget(task_id)

    def end(self, row: TaskRow, state: str, *, cause: str = "", message: str = "", advice: str = "") -> None:
        self._ledger.end_task(row.id, state, ended_at=self._clock(), cause=cause, message=message, advice=advice)

    # ------------------------------------------------------------------ devices

    def down(self, device: str, why: str) -> None:
        with self._changed:
            self._stations.down(device, why, self._clock())
            self._changed.notify_all()

    def up(self, device: str) -> None:
        with self._changed:
            if self._stations[device].down is not None:
                self._stations[device].down = None
                self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()
