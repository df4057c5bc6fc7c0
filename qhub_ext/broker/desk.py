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

from qhub_ext.broker.database import Database
from qhub_ext.broker.ledger import Ledger, write_durably
from qhub_ext.broker.limits import PRIORITY
from qhub_ext.broker.orders import Orders
from qhub_ext.broker.policy import Decision, DeviceFacts, Policy, Wait
from qhub_ext.broker.profiles import DAY_S
from qhub_ext.broker.refusals import ConflictError, NotAllowedError
from qhub_ext.broker.rows import Session, SliceRow, TaskRow
from qhub_ext.broker.slices import merge, read_work, shots_of
from qhub_ext.broker.standing import Standing
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.work import Piece, seconds_of, without
from qhub_ext.errors import Cause, DeviceError, InvalidOptionError, QhubError, UnknownNameError

SESSION_IDLE_S = 3600.0
SESSION_S = 7 * 86400.0
SEEN_S = 30.0
"""A session's last call is written down about so often, or ten times within its idle time."""
JUMP_S = 5.0
"""A wall clock that moved so much against the machine's own was set; less is what NTP does all day."""
KEPT_S = 7 * 86400.0
RESENT = 3
"""A slice whose answer was lost, or that the device forgot, is sent again so often in a row; it is short, and what it cost is in the ledger."""


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
        session_idle_s: float = SESSION_IDLE_S,
        session_s: float = SESSION_S,
        database: Database | None = None,
    ) -> None:
        """`steady` runs on whatever somebody does to the wall clock."""
        self.ledger = Ledger(directory, database)
        self.policy = policy or Policy()
        self.clock = clock
        self.session_idle_s, self.session_s = session_idle_s, session_s
        self._steady = steady or (boot_clock if clock is time.time else clock)
        self._ahead_of_steady = clock() - self._steady()
        self.changed = threading.Condition(threading.RLock())
        self.closed = False
        self._queue = TaskQueue()
        self._standing = Standing(self._queue, self.policy)
        self._down: dict[str, tuple[float, str]] = {}
        self._current: dict[str, str] = {}
        self._on: dict[str, SliceRow] = {}
        self._seen: dict[str, float] = {}
        self.devices = tuple(devices)
        self.orders = Orders(self.ledger, self.policy, self.devices, clock, self.changed)
        self.policy.fair_share.restore(self.ledger.shares())
        self._restore_day()
        finished = []
        for row in self.ledger.open_tasks():
            self._queue.add(_waiting(row))
            if not row.pieces:
                finished.append(row.id)
        for device in self.devices:
            for one in self.ledger.open_slices(device):
                if one.state == "sending":  # whether it arrived, nobody knows
                    self.ledger.set_slice(one, state="uncertain", ended_at=self.clock())
                elif (task := self._queue.get(one.task)) is not None:
                    self._occupy(device, task, one)
        for task_id in finished:  # of a broker that was killed between the last slice and the end
            self.complete(task_id)

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
        idle_s: float | None = None, life_s: float | None = None,
    ) -> Session:  # fmt: skip
        """One per (uid, job, profile): asked again, it is the same one, if its deadlines are, too. `session_idle_s` and `session_s` are the
        longest. Its key is what a client of the device's own API shows."""
        if profile not in self.policy.profiles:
            raise UnknownNameError.among("profile", profile, list(self.policy.profiles))
        now = self.clock()
        idle_s = min(self.session_idle_s, idle_s or self.session_idle_s)
        longest = min(self.session_s, life_s or self.session_s)
        with self.changed:
            for session in self.ledger.open_sessions():
                if (session.uid, session.job, session.profile, session.account) == (uid, job, profile, account):
                    if (idle_s, longest) != (session.idle_s, session.until - session.created_at) and life_s is not None:
                        raise ConflictError(f"The session {session.id} of this job is open, with other deadlines.", advice="Use it as it is, or close it first.")  # fmt: skip
                    self.seen(session)
                    return session
            session = Session(
                secrets.token_hex(8), uid, user, account, profile, job, secrets.token_urlsafe(32), now, now, idle_s, now + longest
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

    def seen(self, session: Session) -> None:
        """Any call of a session keeps it: written down now and then, as calls are many."""
        now = self.clock()
        known = max(self._seen.get(session.id, 0.0), session.seen_at)
        if not 0 <= now - known < min(SEEN_S, session.idle_s / 10):
            self._seen[session.id] = now
            self.ledger.touch_session(session.id, now)

    def close_session(self, session_id: str, why: str = "Its session was closed.") -> None:
        with self.changed:
            for task in [t for t in self._queue if t.session == session_id]:
                self.cancel(task.id, why)
            self.ledger.end_session(session_id, self.clock())
            self.orders.end_leases_of(session_id)
            self._seen.pop(session_id, None)

    def sweep(self, gone: Callable[[Iterable[tuple[int, str]]], set[str]] | None = None) -> None:
        """Ends sessions that nobody used, whose time is over or whose job has ended (`gone` asks the site), ends leases, and forgets results that
        nobody fetched for long.
        """
        self._follow_the_clock()
        sessions = self.ledger.open_sessions()
        ended = gone([(one.uid, one.job) for one in sessions if one.job]) if gone else set()
        now = self.clock()
        with self.changed:
            busy = {task.session for task in self._queue}
            for session in sessions:
                if session.job and session.job in ended:
                    self.close_session(session.id, f"Its job {session.job} has ended.")
                elif now > session.until:
                    self.close_session(session.id, "Its session's time was over.")
                elif now - session.seen_at > session.idle_s and session.id not in busy:
                    self.close_session(session.id, "Its session was idle for too long.")
            self.orders.end_leases(lambda session_id: None if session_id in busy else self._last_end(session_id))
        self.ledger.forget_ended(now - KEPT_S)

    def _follow_the_clock(self) -> None:
        """Somebody set the clock: what was to last so long from now lasts so long still."""
        ahead = self.clock() - self._steady()
        jump = ahead - self._ahead_of_steady
        if abs(jump) < JUMP_S:
            return
        with self.changed:
            self.ledger.shift(jump)
            self._ahead_of_steady = ahead
            self._seen.clear()
            self.orders.reload_leases()
        self.orders.log("broker", "clock", f"It was set by {jump:+.0f} s; sessions and leases last as long as before.")

    def _last_end(self, session_id: str) -> float:
        return self.ledger.last_end(session_id)

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
                if not known.ended and known.id not in self._queue:  # the answer of the ledger was lost the first time
                    self._queue.add(_waiting(known))
                    self.changed.notify_all()
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
            self.seen(session)
            self._queue.add(_waiting(row))
            self.changed.notify_all()
        return row

    def _hold_against_limits(
        self, session: Session, program: str, params: Mapping[str, Any], pieces: tuple[Piece, ...]
    ) -> None:
        profile = self.policy.profiles[session.profile]

        def cap(what: str) -> float | None:
            return self.policy.limits.cap(profile, what, user=session.user, account=session.account)

        queued, shots_cap, seconds_cap = cap("user_queued"), cap("shots"), cap("task_s")
        if queued is not None and self.ledger.count_open(session.uid) >= queued:
            raise NotAllowedError(
                f"You have {queued:g} tasks waiting, the most that the profile {profile.name} allows.",
                advice="Wait for some to end, or send several circuits as the PUBs of one task.",
            )
        shots = shots_of(program, params)
        if shots_cap is not None and shots > shots_cap:
            raise NotAllowedError(
                f"A PUB asks for {shots:,} shots; the profile {profile.name} allows {shots_cap:,.0f}.",
                advice="Ask for fewer, or for another profile.",
            )
        seconds = seconds_of(pieces)
        if seconds_cap is not None and seconds > seconds_cap:
            raise NotAllowedError(
                f"The task needs some {seconds:.0f} s of QPU; the profile {profile.name} allows {seconds_cap:.0f} s.",
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
            wait = None if waiting is None or waiting.running else self._why(waiting, facts, now)
            return TaskState(row, wait, facts.state(now), tuple(self.ledger.slices(task_id)))

    def _why(self, task: WaitingTask, facts: DeviceFacts, now: float) -> Wait:
        if not task.pieces:
            return Wait("finishing", "All of it has run; its result is being put together.")
        return self.policy.why(self._queue, task, facts, now, self._standing.ahead(task, now))

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
            self._end(row, "cancelled", cause="user", message=why)
            waiting = self._queue.remove(task_id)
            if waiting is not None and waiting.running:
                self._current.pop(waiting.running, None)
            self.changed.notify_all()
        return replace(row, state="cancelled")

    # ------------------------------------------------------------------ what the threads of devices ask

    def facts(self, device: str) -> DeviceFacts:
        now = self.clock()
        down = self._down.get(device)
        return DeviceFacts(
            device,
            window=self.orders.window(device, now),
            down_since=None if down is None else down[0],
            drained=device in self.orders.drained,
            lease=self.orders.lease(device, now),
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
        one = self.ledger.begin_slice(task.id, device, decision.pieces, now)
        if decision.preempts and (other := self._queue.get(decision.preempts)) is not None:
            other.preempted_by = task.profile
        task.preempted_by = ""
        self._occupy(device, task, one)
        return row, one

    def _occupy(self, device: str, task: WaitingTask, one: SliceRow) -> None:
        task.running = device
        self._on[device] = one
        self._current[device] = task.id
        self.policy.usage.running[task.profile] += 1

    def sent(self, one: SliceRow, vendor: str) -> None:
        self.ledger.set_slice(one, state="sent", vendor=vendor)

    def wanted(self, one: SliceRow) -> bool:
        """Whether anybody still wants what is on the device."""
        return not self.closed and one.task in self._queue

    def finished(self, one: SliceRow, result: str, qpu_s: float | None, snapshot: str) -> bool:
        """Takes the result of a slice. Whether it was the last: then `complete` is to be called."""
        with self.changed:
            task, now = self._queue.get(one.task), self.clock()
            if task is None:
                self.ledger.set_slice(one, state="cancelled", ended_at=now, qpu_s=qpu_s)
                self._release(one)
                return False
            estimated = seconds_of(one.pieces)
            seconds = estimated if qpu_s is None else qpu_s
            rest = without(task.pieces, one.pieces)
            if qpu_s and estimated > 0:  # what a shot really takes is known now
                rest = tuple(replace(piece, unit_s=piece.unit_s * qpu_s / estimated) for piece in rest)
            units = sum(piece.units for piece in one.pieces)
            used = self.policy.fair_share.used(task.user, now) + seconds
            self.ledger.finish_slice(
                one, result.encode(), rest=rest, units=units, qpu_s=seconds, snapshot=snapshot, now=now,
                share=(task.user, used),
            )  # fmt: skip
            self._release(one)
            self.policy.charge(task, seconds, now)
            self.policy.usage.slices += 1
            task.pieces = rest
            if not rest:  # nothing of it waits any more
                task.running = one.device
            self._down.pop(one.device, None)
            self.changed.notify_all()
            return not rest

    def complete(self, task_id: str) -> None:
        """Puts the results of its slices together and ends it."""
        with self.changed:
            row = self.ledger.task(task_id)
            if row is None or row.ended:
                return
            done = [(s.pieces, self.ledger.slice_result(s)) for s in self.ledger.slices(task_id) if s.state == "done"]
            try:
                merged = merge(row.program, done)
            except QhubError as error:
                self._end(row, "failed", cause=str(error.cause), message=error.message, advice=error.advice)
            else:
                write_durably(self.ledger.folder(task_id) / "result.json", merged.encode())
                self._end(row, "completed")
            self._queue.remove(task_id)
            self.changed.notify_all()

    def uncertain(self, one: SliceRow, error: DeviceError) -> None:
        """The answer to the start was lost: a slice is sent again a few times, as its cost is small and its result counts once."""
        with self.changed:
            self.ledger.set_slice(one, state="uncertain", ended_at=self.clock())
            task = self._release(one)
            self.down(one.device, error.message)  # until it answers to a question again
            if task is not None and self._in_a_row(one, "uncertain") > RESENT:
                self._fail(one, error)
            self.changed.notify_all()

    def refused(self, one: SliceRow, error: DeviceError) -> None:
        """The device's service said no: to this task, when it is the task's fault; else the device is down and the task waits."""
        with self.changed:
            self.ledger.set_slice(one, state="refused", ended_at=self.clock())
            task = self._release(one)
            again_and_again = not error.transient and self._in_a_row(one, "refused") > RESENT
            if error.cause is Cause.CODE or again_and_again:  # one task must not keep a device from all others
                if task is not None:
                    self._fail(one, error)
            else:
                self.down(one.device, error.message)
            self.changed.notify_all()

    def _in_a_row(self, one: SliceRow, state: str) -> int:
        ends = [s.state for s in self.ledger.slices(one.task)]
        return next((k for k, end in enumerate(reversed(ends)) if end != state), len(ends))

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

    def queue(self, user: str = "", limit: int | None = None, offset: int = 0) -> tuple[list[tuple[int, TaskRow, Wait | None]], int]:  # fmt: skip
        """Open tasks (of one user) in the order in which they would run now: place, task, why it waits. And how many there are."""
        with self.changed:
            now = self.clock()
            facts = {device: self.facts(device) for device in self.devices}
            all_places = enumerate(self._standing.order(now), 1)
            places = [(place, task) for place, task in all_places if not user or task.user == user]
            shown = places[offset : None if limit is None else offset + limit]
            rows = self.ledger.tasks_of(task.id for _, task in shown)
            return [
                (place, rows[task.id], None if task.running else self._why(task, facts[task.devices[0]], now))
                for place, task in shown
                if task.id in rows
            ], len(places)

    def counts(self) -> Counter[tuple[str, str, str]]:
        """Open tasks by device, profile and state."""
        with self.changed:
            return Counter((t.devices[0], t.profile, "running" if t.running else "queued") for t in self._queue)

    def waiting(self) -> Counter[str]:
        """Open tasks by device."""
        found: Counter[str] = Counter()
        for (device, _, _), count in self.counts().items():
            found[device] += count
        return found

    def oldest(self) -> dict[str, float]:
        """When the oldest waiting task of each profile was submitted."""
        with self.changed:
            found: dict[str, float] = {}
            for task in self._queue:
                if not task.running:
                    found[task.profile] = min(found.get(task.profile, task.submitted_at), task.submitted_at)
            return found

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
            self.ledger.set_priority(task_id, priority)
            self._queue.move(task, priority)
            self.orders.log(who, "priority", f"{task_id}: {row.priority} -> {priority}")
        return replace(row, priority=priority)

    def take_lease(self, device: str, session: Session, length_s: float) -> Any:
        with self.changed:
            others = any(t.session != session.id and device in t.devices for t in self._queue)
            return self.orders.take_lease(device, session, length_s, wanted_by_others=others)

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    # ------------------------------------------------------------------

    def _release(self, one: SliceRow) -> WaitingTask | None:
        """The device is free of it; a second time is harmless."""
        task, held = self._queue.get(one.task), self._on.get(one.device)
        if held is not None and (held.task, held.number) == (one.task, one.number):
            del self._on[one.device]
            row = self.ledger.task(one.task)
            if row is not None:
                running = self.policy.usage.running
                running[row.profile] = max(0, running[row.profile] - 1)
            if task is not None:
                task.running = ""
        return task

    def _fail(self, one: SliceRow, error: QhubError) -> None:
        row = self.ledger.task(one.task)
        if row is not None and not row.ended:
            self._end(row, "failed", cause=str(error.cause), message=error.message, advice=error.advice)
        self._queue.remove(one.task)

    def _end(self, row: TaskRow, state: str, *, cause: str = "", message: str = "", advice: str = "") -> None:
        self.ledger.end_task(row.id, state, ended_at=self.clock(), cause=cause, message=message, advice=advice)


def boot_clock() -> float:
    """Seconds since the machine started, those in which it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _waiting(row: TaskRow) -> WaitingTask:
    return WaitingTask(
        row.id, row.user, row.profile, row.submitted_at, row.pieces,
        account=row.account, session=row.session, job=row.job, devices=(row.device,), deadline_at=row.deadline_at, priority=row.priority,
    )  # fmt: skip
