"""The broker's desk: tasks come in, wait by the policy, and go out result by result. Threads of the devices ask it for slices.

Everything that counts is in the ledger before anybody hears of it; the queue in memory is rebuilt from there.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qhub_ext.broker.ledger import Ledger, Session, SliceRow, TaskRow, write_durably
from qhub_ext.broker.policy import Decision, DeviceFacts, Policy, Wait
from qhub_ext.broker.profiles import DAY_S
from qhub_ext.broker.slices import merge, read_work, shots_of
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.windows import Window, next_window
from qhub_ext.broker.work import Piece, seconds_of, without
from qhub_ext.errors import Audience, Cause, DeviceError, QhubError, UnknownNameError

SESSION_IDLE_S = 3600.0
SESSION_S = 7 * 86400.0
KEPT_S = 7 * 86400.0
RESENT = 3
"""A slice whose answer was lost, or that the device forgot, is sent again so often in a row; it is short, and what it cost is in the ledger."""


class ConflictError(QhubError):
    """The same id for something else, or a verb that does not fit the state."""

    cause = Cause.USER
    audience = Audience.YOU


class NotAllowedError(QhubError):
    """A limit of the profile, or somebody else's."""

    cause = Cause.QUEUE_POLICY
    audience = Audience.YOU


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
    ) -> None:
        self.ledger = Ledger(directory)
        self.policy = policy or Policy()
        self.clock = clock
        self.changed = threading.Condition(threading.RLock())
        self.closed = False
        self._queue = TaskQueue()
        self._down: dict[str, tuple[float, str]] = {}
        self._current: dict[str, str] = {}
        self.devices = tuple(devices)
        self.policy.fair_share.restore(self.ledger.shares())
        self._restore_day()
        for row in self.ledger.open_tasks():
            self._queue.add(_waiting(row))
        for device in self.devices:
            for one in self.ledger.open_slices(device):
                if one.state == "sending":  # whether it arrived, nobody knows
                    self.ledger.set_slice(one, state="uncertain", ended_at=self.clock())
                elif (task := self._queue.get(one.task)) is not None:
                    task.running = device

    def _restore_day(self) -> None:
        """What was used today counts against the day's limits also after a restart."""
        now = self.clock()
        usage = self.policy.usage
        usage.turn(now)
        for row in self.ledger.usage(now // DAY_S * DAY_S):
            usage.users[row["user"]] += row["qpu_s"]
            usage.accounts[row["account"]] += row["qpu_s"]

    # ------------------------------------------------------------------ sessions

    def open_session(
        self, uid: int, user: str, *, profile: str, account: str = "", job: str = "",
        idle_s: float = SESSION_IDLE_S, life_s: float = SESSION_S,
    ) -> Session:  # fmt: skip
        """One per (uid, job, profile): asked again, it is the same one. Its key is what a client of the device's own API shows."""
        if profile not in self.policy.profiles:
            raise UnknownNameError.among("profile", profile, list(self.policy.profiles))
        now = self.clock()
        with self.changed:
            for session in self.ledger.open_sessions():
                if (session.uid, session.job, session.profile, session.account) == (uid, job, profile, account):
                    return session
            session = Session(
                secrets.token_hex(8), uid, user, account, profile, job, secrets.token_urlsafe(32), now, now, idle_s, now + life_s
            )  # fmt: skip
            self.ledger.add_session(session)
        return session

    def session_of(self, key: str) -> Session:
        """Raises NotAllowedError for a key of nobody, or of a session that has ended."""
        session = self.ledger.session(key=key)
        if session is None:
            raise NotAllowedError("This key belongs to no session.", advice="Open a session first.")
        if session.ended_at is not None:
            raise NotAllowedError(f"The session {session.id} has ended.", advice="Open another one.")
        return session

    def close_session(self, session_id: str, why: str = "Its session was closed.") -> None:
        with self.changed:
            for task in [t for t in self._queue if t.session == session_id]:
                self.cancel(task.id, why)
            self.ledger.end_session(session_id, self.clock())

    def sweep(self) -> None:
        """Ends sessions that nobody used or whose time is over, and forgets results that nobody fetched for long."""
        now = self.clock()
        with self.changed:
            for session in self.ledger.open_sessions():
                idle = now - session.seen_at > session.idle_s and not any(t.session == session.id for t in self._queue)
                if idle or now > session.until:
                    self.close_session(
                        session.id, "Its session was idle for too long." if idle else "Its session's time was over."
                    )
        self.ledger.forget_ended(now - KEPT_S)

    # ------------------------------------------------------------------ tasks

    def submit(
        self, session: Session, device: str, program: str, params: Mapping[str, Any], *,
        task_id: str = "", deadline_at: float | None = None,
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
                return known
            self._hold_against_limits(session, program, params, pieces)
            units = sum(piece.units for piece in pieces)
            row = TaskRow(
                id=task_id or f"b{secrets.token_hex(10)}", uid=session.uid, session=session.id, user=session.user, account=session.account,
                profile=session.profile, job=session.job, device=device, program=program, submitted_at=now, deadline_at=deadline_at,
                started_at=None, ended_at=None, state="queued", pieces=pieces, shots=units, done=0, qpu_s=0.0,
                cause="", message="", advice="", digest=digest,
            )  # fmt: skip
            self.ledger.add_task(row, payload)
            self.ledger.touch_session(session.id, now)
            self._queue.add(_waiting(row))
            self.changed.notify_all()
        return row

    def _hold_against_limits(
        self, session: Session, program: str, params: Mapping[str, Any], pieces: tuple[Piece, ...]
    ) -> None:
        profile = self.policy.profiles[session.profile]
        if profile.user_queued is not None and self.ledger.count_open(session.uid) >= profile.user_queued:
            raise NotAllowedError(
                f"You have {profile.user_queued} tasks waiting, the most that the profile {profile.name} allows.",
                advice="Wait for some to end, or send several circuits as the PUBs of one task.",
            )
        shots = shots_of(program, params)
        if profile.shots is not None and shots > profile.shots:
            raise NotAllowedError(
                f"A PUB asks for {shots:,} shots; the profile {profile.name} allows {profile.shots:,}.",
                advice="Ask for fewer, or for another profile.",
            )
        seconds = seconds_of(pieces)
        if profile.task_s is not None and seconds > profile.task_s:
            raise NotAllowedError(
                f"The task needs some {seconds:.0f} s of QPU; the profile {profile.name} allows {profile.task_s:.0f} s.",
                advice="Split it, or ask for another profile.",
            )

    def state(self, task_id: str) -> TaskState:
        with self.changed:
            row = self.ledger.task(task_id)
            if row is None:
                raise UnknownNameError(f"There is no task {task_id!r}.")
            now = self.clock()
            facts = self.facts(row.device)
            waiting = self._queue.get(task_id)
            wait = None if waiting is None or waiting.running else self.policy.why(self._queue, waiting, facts, now)
            return TaskState(row, wait, facts.state(now), tuple(self.ledger.slices(task_id)))

    def wait_for(self, task_id: str, timeout_s: float) -> TaskState:
        """Until it has ended, or the time is over."""
        until = time.monotonic() + timeout_s
        with self.changed:
            while (left := until - time.monotonic()) > 0:
                row = self.ledger.task(task_id)
                if row is None or row.ended:
                    break
                self.changed.wait(min(left, 1.0))
            return self.state(task_id)

    def cancel(self, task_id: str, why: str = "It was cancelled.") -> TaskRow:
        """One on a device is stopped there; its thread writes the end."""
        with self.changed:
            row = self.ledger.task(task_id)
            if row is None:
                raise UnknownNameError(f"There is no task {task_id!r}.")
            if row.ended:
                raise ConflictError(f"The task {task_id} has ended: {row.state}.")
            waiting = self._queue.remove(task_id)
            self._end(row, "cancelled", cause="user", message=why)
            if waiting is not None and waiting.running:
                self._current.pop(waiting.running, None)
            self.changed.notify_all()
        return replace(row, state="cancelled")

    # ------------------------------------------------------------------ what the threads of devices ask

    def facts(self, device: str) -> DeviceFacts:
        windows = [window for _, window in self.ledger.windows()]
        down = self._down.get(device)
        return DeviceFacts(
            device,
            window=next_window(windows, device, self.clock()),
            down_since=None if down is None else down[0],
            drained=device in self.ledger.drained(),
        )

    def trouble(self, device: str) -> str:
        return self._down.get(device, (0.0, ""))[1]

    def next_slice(self, device: str, timeout_s: float) -> tuple[TaskRow, SliceRow] | None:
        """Waits for one that may run on the device now, writes it down and gives it."""
        until = time.monotonic() + timeout_s
        with self.changed:
            while not self.closed:
                now = self.clock()
                decision = self.policy.decide(self._queue, self.facts(device), now, self._current.get(device, ""))
                if decision is not None:
                    return self._begin(device, decision, now)
                left = until - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(left)
        return None

    def _begin(self, device: str, decision: Decision, now: float) -> tuple[TaskRow, SliceRow]:
        task = self._queue.get(decision.task_id)
        row = self.ledger.task(decision.task_id)
        assert task is not None
        assert row is not None
        if decision.preempts and (other := self._queue.get(decision.preempts)) is not None:
            other.preempted_by = task.profile
        task.running, task.preempted_by = device, ""
        self._current[device] = task.id
        self.policy.usage.running[task.profile] += 1
        return row, self.ledger.begin_slice(task.id, device, decision.pieces, now)

    def sent(self, one: SliceRow, vendor: str) -> None:
        self.ledger.set_slice(one, state="sent", vendor=vendor)

    def wanted(self, one: SliceRow) -> bool:
        """Whether anybody still wants what is on the device."""
        return not self.closed and one.task in self._queue

    def finished(self, one: SliceRow, result: str, qpu_s: float | None, snapshot: str) -> None:
        """Takes the result of a slice, and that of the task when it was the last."""
        with self.changed:
            task = self._release(one)
            if task is None:
                self.ledger.set_slice(one, state="cancelled", ended_at=self.clock(), qpu_s=qpu_s)
                return
            now = self.clock()
            estimated = seconds_of(one.pieces)
            seconds = estimated if qpu_s is None else qpu_s
            rest = without(task.pieces, one.pieces)
            if qpu_s and estimated > 0:  # what a shot really takes is known now
                rest = tuple(replace(piece, unit_s=piece.unit_s * qpu_s / estimated) for piece in rest)
            units = sum(piece.units for piece in one.pieces)
            self.ledger.finish_slice(
                one, result.encode(), rest=rest, units=units, qpu_s=seconds, snapshot=snapshot, now=now
            )
            self.policy.charge(task, seconds, now)
            self.ledger.set_share(task.user, self.policy.fair_share.used(task.user, now), now)
            task.pieces = rest
            self._down.pop(one.device, None)
            if not rest:
                self._complete(task)
            self.changed.notify_all()

    def _complete(self, task: WaitingTask) -> None:
        row = self.ledger.task(task.id)
        assert row is not None
        done = [(s.pieces, self.ledger.slice_result(s)) for s in self.ledger.slices(task.id) if s.state == "done"]
        self._queue.remove(task.id)
        try:
            merged = merge(row.program, done)
        except QhubError as error:
            self._end(row, "failed", cause=str(error.cause), message=error.message, advice=error.advice)
            return
        write_durably(self.ledger.folder(task.id) / "result.json", merged.encode())
        self._end(row, "completed")

    def uncertain(self, one: SliceRow, error: DeviceError) -> None:
        """The answer to the start was lost: a slice is sent again a few times, as its cost is small and its result counts once."""
        with self.changed:
            self.ledger.set_slice(one, state="uncertain", ended_at=self.clock())
            task = self._release(one)
            self.down(one.device, error.message)  # until it answers to a question again
            ends = [s.state for s in self.ledger.slices(one.task)]
            in_a_row = next((k for k, state in enumerate(reversed(ends)) if state != "uncertain"), len(ends))
            if task is not None and in_a_row > RESENT:
                self._fail(one, error)
            self.changed.notify_all()

    def refused(self, one: SliceRow, error: DeviceError) -> None:
        """The device's service said no: to this task, when it is the task's fault; else the device is down and the task waits."""
        with self.changed:
            self.ledger.set_slice(one, state="refused", ended_at=self.clock())
            task = self._release(one)
            if error.cause is Cause.CODE:
                if task is not None:
                    self._fail(one, error)
            else:
                self.down(one.device, error.message)
            self.changed.notify_all()

    def failed(self, one: SliceRow, error: DeviceError) -> None:
        """The device took the slice and did not complete it."""
        with self.changed:
            self.ledger.set_slice(one, state="failed", ended_at=self.clock())
            if self._release(one) is not None:
                self._fail(one, error)
            self.changed.notify_all()

    def stopped(self, one: SliceRow) -> None:
        with self.changed:
            self.ledger.set_slice(one, state="cancelled", ended_at=self.clock())
            self._release(one)
            self.changed.notify_all()

    def down(self, device: str, why: str) -> None:
        with self.changed:
            self._down.setdefault(device, (self.clock(), why))
            self.changed.notify_all()

    def up(self, device: str) -> None:
        with self.changed:
            if self._down.pop(device, None) is not None:
                self.changed.notify_all()

    # ------------------------------------------------------------------ views

    def queue(self) -> list[tuple[TaskRow, Wait | None]]:
        """All open tasks in the order in which they would run now, each with why it waits."""
        with self.changed:
            now = self.clock()
            facts = {device: self.facts(device) for device in self.devices}
            rows = {row.id: row for row in self.ledger.open_tasks()}
            found: list[tuple[TaskRow, Wait | None]] = []
            ahead: dict[str, Counter[str]] = {device: Counter() for device in self.devices}
            for task in sorted(self._queue, key=lambda t: (not t.running, *self.policy.key(t, now), t.order)):
                device = task.devices[0]
                wait = None if task.running else self.policy.why(self._queue, task, facts[device], now, ahead[device])
                ahead[device][task.profile] += 1
                if task.id in rows:
                    found.append((rows[task.id], wait))
            return found

    def order(self, who: str, verb: str, what: str) -> None:
        self.ledger.log(who, verb, what, self.clock())
        with self.changed:
            self.changed.notify_all()

    def add_window(self, window: Window, who: str) -> int:
        number = self.ledger.add_window(window)
        self.order(who, "window", f"{number}: {window.sentence}")
        return number

    def drain(self, device: str, who: str, *, drained: bool, note: str = "") -> None:
        if device not in self.devices:
            raise UnknownNameError.among("device", device, list(self.devices))
        self.ledger.set_drained(device, drained=drained, note=note, now=self.clock())
        self.order(who, "drain" if drained else "resume", device)

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    # ------------------------------------------------------------------

    def _release(self, one: SliceRow) -> WaitingTask | None:
        task = self._queue.get(one.task)
        row = self.ledger.task(one.task)
        if row is not None:
            running = self.policy.usage.running
            running[row.profile] = max(0, running[row.profile] - 1)
        if task is not None:
            task.running = ""
        return task

    def _fail(self, one: SliceRow, error: QhubError) -> None:
        row = self.ledger.task(one.task)
        self._queue.remove(one.task)
        if row is not None and not row.ended:
            self._end(row, "failed", cause=str(error.cause), message=error.message, advice=error.advice)

    def _end(self, row: TaskRow, state: str, *, cause: str = "", message: str = "", advice: str = "") -> None:
        self.ledger.set_task(row.id, state=state, ended_at=self.clock(), cause=cause, message=message, advice=advice)


def _waiting(row: TaskRow) -> WaitingTask:
    return WaitingTask(
        row.id, row.user, row.profile, row.submitted_at, row.pieces,
        account=row.account, session=row.session, job=row.job, devices=(row.device,), deadline_at=row.deadline_at,
    )  # fmt: skip
