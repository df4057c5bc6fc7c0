"""The broker's desk: tasks come in, wait by the policy, and are cancelled or fetched; sessions and leases end when they should.

Everything that counts is in the ledger before anybody hears of it; the queue in memory is rebuilt from there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from qhub_ext.broker.admission import hold_against_limits
from qhub_ext.broker.changed import Changed
from qhub_ext.broker.database import Database
from qhub_ext.broker.forecasts import Forecasts
from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.limits import PRIORITY
from qhub_ext.broker.orders import Orders
from qhub_ext.broker.policy import Policy, Wait
from qhub_ext.broker.profiles import DAY_S
from qhub_ext.broker.refusals import ConflictError
from qhub_ext.broker.rows import LeaseRow, Session, SliceRow, TaskRow
from qhub_ext.broker.sessions import IDLE_S, LIFE_S, Sessions, boot_clock
from qhub_ext.broker.slices import check_precisions, read_work
from qhub_ext.broker.standing import Standing
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.turns import Turns
from qhub_ext.errors import InvalidOptionError, UnknownNameError


@dataclass(frozen=True)
class TaskState:
    """A task as its owner sees it: `wait` says why it is not on the device; None when it is, or has ended."""

    row: TaskRow
    wait: Wait | None
    device_state: str
    slices: tuple[SliceRow, ...] = ()


class Desk:
    def __init__(
        self,
        directory: Path,
        devices: Iterable[str],
        policy: Policy | None = None,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = None,
        session_idle_s: float = IDLE_S,
        session_s: float = LIFE_S,
        database: Database | None = None,
        ahead: Mapping[str, int] | None = None,
        on_calibration_change: str = "flag",
    ) -> None:
        """`steady` runs on whatever somebody does to the wall clock; `ahead` is how many slices a device may have at a time (default 1)."""
        self.ledger = Ledger(directory, database)
        self.policy = policy or Policy()
        self.clock = clock
        self._on_calibration_change = on_calibration_change
        self.changed = Changed()
        self.sessions = Sessions(
            self.ledger, self.policy.profiles, self.changed, clock, steady or (boot_clock if clock is time.time else clock),
            session_idle_s, session_s,
        )  # fmt: skip
        self.orders = Orders(self.ledger, self.policy, devices, clock, self.changed)
        self.policy.fair_share.restore(self.ledger.accounts.shares())
        self.policy.lent.restore(self.ledger.accounts.lent())
        self._restore_day()
        self._queue = TaskQueue()
        finished = []
        for row in self.ledger.open_tasks():
            task = _waiting(row)
            task.restarts = task.restarts and not any(s.stale for s in self.ledger.slices(row.id))
            self._queue.add(task)
            if not row.pieces:
                finished.append(row.id)
        self.turns = Turns(self.ledger, self.policy, self._queue, self.orders, clock, self.changed, ahead or {})
        self.standing = Standing(self._queue, self.policy, self.changed)
        self.forecasts = Forecasts(self._queue, self.policy, self.turns, self.changed, clock)
        for task_id in finished:  # of a broker that was killed between the last slice and the end
            self.turns.complete(task_id)

    def _restore_day(self) -> None:
        """What was used today counts against the day's limits also after a restart, and after the clock was in another day for a while."""
        now, usage = self.clock(), self.policy.usage
        usage.begin(now)
        for row in self.ledger.accounts.usage(now // DAY_S * DAY_S):
            usage.users[row["user"]] += row["qpu_s"]
            usage.accounts[row["account"]] += row["qpu_s"]

    # ------------------------------------------------------------------ what ends by itself

    def close_session(self, session_id: str, why: str = "Its session was closed.", by: str = "") -> None:
        """`by`: the operator who ordered it."""
        with self.changed:
            mine = [task.id for task in self._queue if task.session == session_id]
            with self.ledger.transaction():
                for row in self.ledger.tasks_of(mine).values():
                    self.turns.end(row, "cancelled", cause="user", message=why)
                self.sessions.end(session_id)
                if by:
                    self.orders.log(by, "close session", session_id)
            for task in mine:
                self.turns.forget(task)
            self.changed.notify_all()
            self.orders.end_leases_of(session_id)

    def sweep(self, gone: Callable[[Iterable[tuple[int, str]]], set[str]] | None = None) -> None:
        """Ends sessions that nobody used, whose time is over or whose job has ended (`gone` asks the site), ends leases, and forgets results that
        nobody fetched for long.
        """
        if jump := self.sessions.follow_the_clock():
            self.orders.reload_leases()
            with self.changed:
                self._restore_day()
            self.orders.log("broker", "clock", f"It was set by {jump:+.0f} s; sessions and leases last as long as before.")  # fmt: skip
        ended = gone([(one.uid, one.job) for one in self.ledger.open_sessions() if one.job]) if gone else set()
        with self.changed:
            busy = {task.session for task in self._queue}
            for session_id, why in list(self.sessions.over(ended, busy)):
                self.close_session(session_id, why)
            self.orders.end_leases(lambda session_id: None if session_id in busy else self.ledger.last_end(session_id))
        self.ledger.forget_ended(self.clock())

    # ------------------------------------------------------------------ tasks

    def submit(
        self, session: Session, device: str, program: str, params: Mapping[str, Any], *,
        task_id: str = "", deadline_at: float | None = None, on_calibration_change: str = "", traceparent: str = "",
    ) -> TaskRow:  # fmt: skip
        """The same id with the same payload again is the same task. Raises InvalidOptionError, NotAllowedError, ConflictError."""
        if device not in self.devices:
            raise UnknownNameError.among("device", device, list(self.devices))
        pieces = read_work(program, params)
        payload = json.dumps(params).encode()
        digest = hashlib.sha256(b"\0".join([device.encode(), program.encode(), payload])).hexdigest()
        now = self.clock()
        with self.changed:
            known = self.ledger.task(task_id) if task_id else None
            if known is not None:
                if known.uid != session.uid or known.digest != digest:
                    raise ConflictError(f"There is another task with the id {task_id!r}.", advice="Make a new id.")
                if not known.ended and known.id not in self._queue:  # the answer of the ledger was lost the first time
                    self._queue.add(_waiting(known))
                    self.changed.notify_all()
                return known
            check_precisions(program, params, device, self.turns.most_shots(device))
            hold_against_limits(self.policy, session, program, params, pieces, lambda: self.ledger.count_open(session.uid))  # fmt: skip
            units = sum(piece.units for piece in pieces)
            row = TaskRow(
                id=task_id or f"b{secrets.token_hex(10)}", uid=session.uid, session=session.id, user=session.user, account=session.account,
                profile=session.profile, job=session.job, device=device, program=program, submitted_at=now, deadline_at=deadline_at,
                started_at=None, ended_at=None, state="queued", pieces=pieces, shots=units, done=0, qpu_s=0.0,
                cause="", message="", advice="", digest=digest,
                on_calibration_change=on_calibration_change or session.on_calibration_change or self._on_calibration_change,
                traceparent=traceparent or session.traceparent, long=int(self.policy.is_long(pieces)),
            )  # fmt: skip
            self.ledger.add_task(row, payload)
            self.sessions.seen(session)
            self._queue.add(_waiting(row))
            self.changed.notify_all()
        return row

    def state(self, task_id: str) -> TaskState:
        with self.changed:
            row = self.ledger.task(task_id)
            if row is None:
                raise UnknownNameError(f"There is no task {task_id!r}.")
            now = self.clock()
            facts = self.turns.facts(row.device)
            waiting = self._queue.get(task_id)
            wait = None if waiting is None or waiting.running else self.standing.why(waiting, facts, now)
            return TaskState(row, wait, facts.state(now), tuple(self.ledger.slices(task_id)))

    def is_open(self, task_id: str) -> bool:
        """Whether it waits or runs."""
        return task_id in self._queue

    def cancel(self, task_id: str, why: str = "It was cancelled.", by: str = "") -> TaskRow:
        """One on a device is stopped there; its thread writes the end. `by`: the operator who ordered it."""
        with self.changed:
            row = self.ledger.task(task_id)
            if row is None:
                raise UnknownNameError(f"There is no task {task_id!r}.")
            if row.ended:
                self.turns.forget(task_id)  # where the answer of the ledger was lost the first time
                raise ConflictError(f"The task {task_id} has ended: {row.state}.")
            with self.ledger.transaction():
                self.turns.end(row, "cancelled", cause="user", message=why)
                if by:
                    self.orders.log(by, "cancel", task_id)
            self.turns.forget(task_id)
            self.changed.notify_all()
        return replace(row, state="cancelled")

    def move(self, task_id: str, priority: int, who: str) -> TaskRow:
        """Up or down within its profile. Raises UnknownNameError, ConflictError, InvalidOptionError."""
        if not -PRIORITY <= priority <= PRIORITY:
            raise InvalidOptionError(
                f"A priority of {priority} is not accepted.",
                advice=f"Give a whole number from -{PRIORITY} to {PRIORITY}; it counts within the profile.",
            )
        with self.changed:
            row, task = self.ledger.task(task_id), self._queue.get(task_id)
            if row is None:
                raise UnknownNameError(f"There is no task {task_id!r}.")
            if task is None:
                raise ConflictError(f"The task {task_id} has ended: {row.state}.")
            with self.ledger.transaction():
                self.ledger.set_priority(task_id, priority)
                self.orders.log(who, "priority", f"{task_id}: {row.priority} -> {priority}")
            self._queue.move(task, priority)
        return replace(row, priority=priority)

    # ------------------------------------------------------------------

    def queue(self, user: str = "", limit: int | None = None, offset: int = 0) -> tuple[list[tuple[int, TaskRow, Wait | None]], int]:  # fmt: skip
        """Open tasks (of one user) in the order in which they would run now: place, task, why it waits. And how many there are."""
        with self.changed:
            now = self.clock()
            facts = cache(self.turns.facts)
            all_places = enumerate(self.standing.order(now), 1)
            places = [(place, task) for place, task in all_places if not user or task.user == user]
            shown = places[offset : None if limit is None else offset + limit]
            rows = self.ledger.tasks_of(task.id for _, task in shown)
            return [
                (place, rows[task.id], None if task.running else self.standing.why(task, facts(task.devices[0]), now))
                for place, task in shown
                if task.id in rows
            ], len(places)

    def take_lease(self, device: str, session: Session, length_s: float) -> LeaseRow:
        with self.changed:
            others = any(t.session != session.id and device in t.devices for t in self._queue)
            return self.orders.take_lease(device, session, length_s, wanted_by_others=others)

    def wanted(self) -> list[str]:
        """Devices that open tasks are for and that are not there."""
        with self.changed:
            return sorted({device for task in self._queue for device in task.devices} - set(self.devices))

    def take(self, device: str) -> None:
        """One more device from now on."""
        with self.changed:
            if device not in self.devices:
                self.turns.take(device)
                self.orders.devices = (*self.devices, device)

    @property
    def devices(self) -> tuple[str, ...]:
        return self.orders.devices

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return len(self._queue) > 0

    def close(self) -> None:
        self.turns.close()


def _waiting(row: TaskRow) -> WaitingTask:
    return WaitingTask(
        row.id, row.user, row.profile, row.submitted_at, row.pieces,
        account=row.account, session=row.session, job=row.job, devices=(row.device,), deadline_at=row.deadline_at, priority=row.priority,
        restarts=row.on_calibration_change == "restart", turn_s=row.turn_s, place_of=row.place_of, preempted_by=row.preempted_by,
        long=bool(row.long),
    )  # fmt: skip
