"""What the broker must not forget: sessions, tasks, slices, leases, windows, limits, and who ordered what.

Tables lie in a database (SQLite beside, or PostgreSQL), payloads and results as files on the broker's own disk, one folder per task. Every method is
one transaction, and may be tried again after a LedgerError; after kill -9 the next start reads on here.
"""

from __future__ import annotations

import json
import os
import shutil
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qhub_ext.broker.database import Database, Execute, Row, Sqlite, translated
from qhub_ext.broker.rows import (
    ENDED,
    LeaseRow,
    Session,
    SliceRow,
    TaskRow,
    packed,
    packed_pieces,
    slice_row,
    task_row,
)
from qhub_ext.broker.tables import STEPS, TIME_BOUNDS_S, VERSION
from qhub_ext.broker.work import Piece
from qhub_ext.errors import JobFolderError
from qhub_ext.tiers.windows import Window


class Ledger:
    def __init__(self, directory: Path, database: Database | None = None) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = database or Sqlite(directory / "broker.sqlite")
        version = self._database.version()
        if version > VERSION:
            self._database.close()
            raise JobFolderError(
                f"{self._database.title} is of version {version}; this broker reads {VERSION}.", where=str(directory)
            )
        if version < VERSION:
            with self.transaction() as execute:
                for step in STEPS[version:]:
                    for statement in step.split(";\n"):
                        execute(statement.format(**self._database.types))
                self._database.set_version(execute, VERSION)

    def transaction(self) -> AbstractContextManager[Execute]:
        return self._database.transaction()

    def _rows(self, query: str, *values: Any) -> list[Row]:
        return self._database.rows(query, *values)

    def close(self) -> None:
        self._database.close()

    def secret(self) -> bytes:
        """Of this broker, made once; mode 0600."""
        path = self.directory / "secret"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(os.urandom(32))
        except FileExistsError:
            pass
        return path.read_bytes()

    # -- sessions

    def add_session(self, session: Session) -> None:
        self._insert("sessions", asdict(session))

    def session(self, *, id: str = "", key: str = "") -> Session | None:  # noqa: A002 - the column's name
        column, value = ("id", id) if id else ("key", key)
        rows = self._rows(f"SELECT * FROM sessions WHERE {column} = ?", value)
        return Session(**rows[0]) if rows else None

    def open_sessions(self) -> list[Session]:
        return [Session(**row) for row in self._rows("SELECT * FROM sessions WHERE ended_at IS NULL")]

    def touch_session(self, session_id: str, now: float) -> None:
        with self.transaction() as execute:
            execute("UPDATE sessions SET seen_at = ? WHERE id = ?", now, session_id)

    def end_session(self, session_id: str, now: float) -> None:
        with self.transaction() as execute:
            execute("UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL", now, session_id)

    def set_trace(self, session_id: str, traceparent: str) -> None:
        with self.transaction() as execute:
            execute("UPDATE sessions SET traceparent = ? WHERE id = ?", traceparent, session_id)

    def shift(self, seconds: float) -> None:
        """Deadlines of sessions and leases, when the clock was set."""
        with self.transaction() as execute:
            execute(
                "UPDATE sessions SET seen_at = seen_at + ?, until = until + ? WHERE ended_at IS NULL", seconds, seconds
            )
            execute("UPDATE leases SET since = since + ?, until = until + ? WHERE ended_at IS NULL", seconds, seconds)

    # -- tasks

    def add_task(self, task: TaskRow, payload: bytes) -> None:
        """The payload is on disk before the task is known."""
        folder = self.folder(task.id)
        with translated(str(folder)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(folder / "payload.json", payload)
        self._insert("tasks", packed(task))

    def task(self, task_id: str) -> TaskRow | None:
        rows = self._rows("SELECT * FROM tasks WHERE id = ?", task_id)
        return task_row(rows[0]) if rows else None

    def open_tasks(self) -> list[TaskRow]:
        return [
            task_row(row) for row in self._rows(f"SELECT * FROM tasks WHERE state NOT IN {ENDED} ORDER BY submitted_at")
        ]

    def tasks(
        self, *, uid: int | None = None, limit: int = 200, offset: int = 0, open_only: bool = False
    ) -> list[TaskRow]:
        """Newest first."""
        where = [*(["uid = ?"] if uid is not None else []), *([f"state NOT IN {ENDED}"] if open_only else [])]
        clause = f"WHERE {' AND '.join(where)}" if where else ""
        values = [*([uid] if uid is not None else []), limit, offset]
        query = f"SELECT * FROM tasks {clause} ORDER BY submitted_at DESC, id LIMIT ? OFFSET ?"
        return [task_row(row) for row in self._rows(query, *values)]

    def tasks_of(self, ids: Iterable[str]) -> dict[str, TaskRow]:
        """By their ids; those that there are."""
        wanted = list(ids)
        found: dict[str, TaskRow] = {}
        for begin in range(0, len(wanted), 500):
            some = wanted[begin : begin + 500]
            for row in self._rows(f"SELECT * FROM tasks WHERE id IN ({', '.join('?' * len(some))})", *some):
                found[row["id"]] = task_row(row)
        return found

    def count_open(self, uid: int) -> int:
        return int(self._rows(f"SELECT count(*) AS n FROM tasks WHERE uid = ? AND state NOT IN {ENDED}", uid)[0]["n"])

    def totals(self) -> list[Row]:
        """Of all time, by device and profile: `n` tasks that ended, by state and cause, and as the state `slice` slices with their `qpu_s`. Counted as
        they end, so that a monitoring system may ask often.
        """
        return self._rows(
            "SELECT device, profile, state, cause, n, qpu_s FROM totals ORDER BY device, profile, state, cause"
        )

    def task_times(self) -> list[Row]:
        """Per profile, of all time: how many tasks waited, and ran, up to each of TIME_BOUNDS_S (wait_0, wait_1 ...), wait_sum, wait_count, and run
        likewise. Counted as they begin and end.
        """
        found: dict[str, Row] = {}
        for row in self._rows("SELECT profile, what, bound, n, seconds FROM times ORDER BY profile"):
            names = [f"{what}_{n}" for what in ("wait", "run") for n in (*range(len(TIME_BOUNDS_S)), "sum", "count")]
            one = found.setdefault(row["profile"], {"profile": row["profile"], **dict.fromkeys(names, 0)})
            one[f"{row['what']}_count"] += row["n"]
            one[f"{row['what']}_sum"] += row["seconds"]
            for n in range(row["bound"], len(TIME_BOUNDS_S)):
                one[f"{row['what']}_{n}"] += row["n"]
        return list(found.values())

    def end_task(self, task_id: str, state: str, *, ended_at: float, cause: str, message: str, advice: str) -> bool:
        """Whether this ended it: a task ends once."""
        with self.transaction() as execute:
            ended = execute(
                f"UPDATE tasks SET state = ?, ended_at = ?, cause = ?, message = ?, advice = ? WHERE id = ? AND state NOT IN {ENDED} RETURNING device, profile, started_at",
                state, ended_at, cause, message, advice, task_id,
            )  # fmt: skip
            for row in ended:
                if row["started_at"] is not None:
                    _time(execute, row["profile"], "run", ended_at - row["started_at"])
                _count(execute, row["device"], row["profile"], state, cause)
        return bool(ended)

    def last_end(self, session_id: str) -> float:
        """When the last task of a session ended; 0 where none did."""
        found = self._rows("SELECT max(ended_at) AS at FROM tasks WHERE session = ?", session_id)[0]["at"]
        return float(found or 0.0)

    def set_priority(self, task_id: str, priority: int) -> None:
        with self.transaction() as execute:
            execute("UPDATE tasks SET priority = ? WHERE id = ?", priority, task_id)

    def payload(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(task_id) / "payload.json").read_bytes())
        return found

    def result(self, task_id: str) -> bytes | None:
        try:
            return (self.folder(task_id) / "result.json").read_bytes()
        except FileNotFoundError:
            return None

    def forget_ended(self, before: float) -> int:
        """Payloads and results of tasks that ended before this moment; their rows stay for the accounts. Returns how many."""
        rows = self._rows(f"SELECT id FROM tasks WHERE state IN {ENDED} AND ended_at < ?", before)
        old = [row["id"] for row in rows if self.folder(row["id"]).exists()]
        for task_id in old:
            shutil.rmtree(self.folder(task_id), ignore_errors=True)
        return len(old)

    # -- slices

    def begin_slice(self, task_id: str, device: str, pieces: Sequence[Piece], now: float) -> SliceRow:
        """Written down before it is sent."""
        with self.transaction() as execute:
            last = execute("SELECT coalesce(max(number), 0) AS last FROM slices WHERE task = ?", task_id)[0]["last"]
            row = SliceRow(task_id, last + 1, device, tuple(pieces), "sending", "", now, None, None, "")
            self._insert_into(execute, "slices", packed(row))
            begun = execute(
                "UPDATE tasks SET state = 'running', started_at = coalesce(started_at, ?) WHERE id = ? RETURNING profile, submitted_at",
                now, task_id,
            )  # fmt: skip
            for task in begun if row.number == 1 else ():
                _time(execute, task["profile"], "wait", now - task["submitted_at"])
        return row

    def set_slice(self, row: SliceRow, **changes: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in changes)
        with self.transaction() as execute:
            execute(f"UPDATE slices SET {names} WHERE task = ? AND number = ?", *changes.values(), row.task, row.number)

    def finish_slice(
        self, row: SliceRow, result: bytes, *, rest: Sequence[Piece], units: int, qpu_s: float, snapshot: str, now: float,
        share: tuple[str, float] | None = None, running: bool = False, stale: Sequence[SliceRow] = (),
    ) -> None:  # fmt: skip
        """The result is on disk before the slice counts; what is done, what is left and the owner's `share` change at once, and only once. `running`:
        another slice of it is on the device still. `stale` ones ran under an older calibration and count no more: they are part of the `rest`.
        """
        write_durably(self.folder(row.task) / f"slice-{row.number}.json", result)
        with self.transaction() as execute:
            counted = execute(
                "UPDATE slices SET state = 'done', ended_at = ?, qpu_s = ?, snapshot = ? WHERE task = ? AND number = ? AND state <> 'done' RETURNING task",
                now, qpu_s, snapshot, row.task, row.number,
            )  # fmt: skip
            if not counted:
                return
            (task,) = execute(
                "UPDATE tasks SET pieces = ?, done = done + ?, qpu_s = qpu_s + ?, state = ? WHERE id = ? RETURNING profile",
                packed_pieces(rest), units - sum(p.units for s in stale for p in s.pieces), qpu_s, "running" if running else "queued", row.task,
            )  # fmt: skip
            for old in stale:
                execute("UPDATE slices SET stale = 1 WHERE task = ? AND number = ?", old.task, old.number)
            _count(execute, row.device, task["profile"], "slice", "", qpu_s)
            if share is not None:
                _put_share(execute, *share, now)

    def slices(self, task_id: str) -> list[SliceRow]:
        return [slice_row(row) for row in self._rows("SELECT * FROM slices WHERE task = ? ORDER BY number", task_id)]

    def slice_result(self, row: SliceRow) -> str:
        return (self.folder(row.task) / f"slice-{row.number}.json").read_text()

    def open_slices(self, device: str) -> list[SliceRow]:
        return [
            slice_row(r)
            for r in self._rows("SELECT * FROM slices WHERE device = ? AND state IN ('sending', 'sent')", device)
        ]

    def last_slices(self, device: str, count: int) -> list[tuple[str, SliceRow]]:
        """Those that ended last on a device, in the order of their ends, each with its task's profile."""
        query = """
            SELECT s.*, t.profile FROM slices s JOIN tasks t ON t.id = s.task WHERE s.device = ? AND s.state = 'done' AND s.ended_at IS NOT NULL
            ORDER BY s.ended_at DESC LIMIT ?"""
        found = [(str(row.pop("profile")), slice_row(row)) for row in self._rows(query, device, count)]
        return found[::-1]

    # -- what operators order

    def windows(self) -> list[tuple[int, Window]]:
        rows = self._rows("SELECT * FROM windows ORDER BY id")
        return [(r["id"], Window(r["start"], r["length_s"], r["rule"], r["device"], r["note"])) for r in rows]

    def add_window(self, window: Window) -> int:
        with self.transaction() as execute:
            (made,) = execute(
                "INSERT INTO windows (device, start, length_s, rule, note) VALUES (?, ?, ?, ?, ?) RETURNING id",
                window.device, window.start, window.length_s, window.rule, window.note,
            )  # fmt: skip
        return int(made["id"])

    def remove_window(self, number: int) -> bool:
        with self.transaction() as execute:
            return bool(execute("DELETE FROM windows WHERE id = ? RETURNING id", number))

    def drained(self) -> dict[str, str]:
        return {row["device"]: row["note"] for row in self._rows("SELECT * FROM drained")}

    def set_drained(self, device: str, *, drained: bool, note: str, now: float) -> None:
        with self.transaction() as execute:
            execute("DELETE FROM drained WHERE device = ?", device)
            if drained:
                execute("INSERT INTO drained VALUES (?, ?, ?)", device, now, note)

    def limits(self) -> list[Row]:
        return self._rows("SELECT scope, name, what, value FROM limits ORDER BY scope, name, what")

    def set_limit(self, scope: str, name: str, what: str, value: float | None) -> None:
        """`value` None for none at all."""
        with self.transaction() as execute:
            execute("DELETE FROM limits WHERE scope = ? AND name = ? AND what = ?", scope, name, what)
            execute("INSERT INTO limits VALUES (?, ?, ?, ?)", scope, name, what, value)

    def drop_limit(self, scope: str, name: str, what: str) -> bool:
        with self.transaction() as execute:
            return bool(execute("DELETE FROM limits WHERE scope = ? AND name = ? AND what = ? RETURNING what", scope, name, what))  # fmt: skip

    def add_lease(self, device: str, session: Session, since: float, until: float) -> LeaseRow:
        with self.transaction() as execute:
            (made,) = execute(
                'INSERT INTO leases (device, session, "user", profile, since, until) VALUES (?, ?, ?, ?, ?, ?) RETURNING *',
                device, session.id, session.user, session.profile, since, until,
            )  # fmt: skip
        return LeaseRow(**made)

    def end_lease(self, number: int, now: float) -> None:
        with self.transaction() as execute:
            execute("UPDATE leases SET ended_at = ? WHERE id = ? AND ended_at IS NULL", now, number)

    def open_leases(self) -> list[LeaseRow]:
        return [LeaseRow(**row) for row in self._rows("SELECT * FROM leases WHERE ended_at IS NULL ORDER BY id")]

    def last_lease(self, device: str, user: str) -> LeaseRow | None:
        rows = self._rows('SELECT * FROM leases WHERE device = ? AND "user" = ? ORDER BY id DESC LIMIT 1', device, user)
        return LeaseRow(**rows[0]) if rows else None

    def log(self, who: str, verb: str, what: str, now: float) -> None:
        with self.transaction() as execute:
            execute("INSERT INTO audit VALUES (?, ?, ?, ?)", now, who, verb, what)

    def audit(self, limit: int = 1000) -> list[Row]:
        return self._rows("SELECT * FROM audit ORDER BY at DESC LIMIT ?", limit)

    def usage(self, since: float) -> list[dict[str, Any]]:
        """Seconds of QPU, slices and tasks by user, account, profile, device and job, of slices that ended since then."""
        query = """
            SELECT t."user", t.account, t.profile, s.device, t.job, sum(s.qpu_s) AS qpu_s, count(*) AS slices, count(DISTINCT t.id) AS tasks
            FROM slices s JOIN tasks t ON t.id = s.task WHERE s.state = 'done' AND s.ended_at >= ?
            GROUP BY t."user", t.account, t.profile, s.device, t.job ORDER BY qpu_s DESC"""
        return self._rows(query, since)

    def shares(self) -> dict[str, tuple[float, float]]:
        return {row["owner"]: (row["seconds"], row["at"]) for row in self._rows("SELECT * FROM shares")}

    def set_share(self, owner: str, seconds: float, now: float) -> None:
        with self.transaction() as execute:
            _put_share(execute, owner, seconds, now)

    def folder(self, task_id: str) -> Path:
        return self.directory / "tasks" / task_id

    def _insert(self, table: str, record: Row) -> None:
        with self.transaction() as execute:
            self._insert_into(execute, table, record)

    def _insert_into(self, execute: Execute, table: str, record: Row) -> None:
        names = ", ".join(f'"{name}"' for name in record)
        execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(record))})", *record.values())


def _put_share(execute: Execute, owner: str, seconds: float, now: float) -> None:
    execute(
        "INSERT INTO shares (owner, seconds, at) VALUES (?, ?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET seconds = excluded.seconds, at = excluded.at",
        owner, seconds, now,
    )  # fmt: skip


def _count(execute: Execute, device: str, profile: str, state: str, cause: str, qpu_s: float = 0.0) -> None:
    execute(
        "INSERT INTO totals (device, profile, state, cause, n, qpu_s) VALUES (?, ?, ?, ?, 1, ?) "
        "ON CONFLICT (device, profile, state, cause) DO UPDATE SET n = totals.n + 1, qpu_s = totals.qpu_s + excluded.qpu_s",
        device, profile, state, cause, qpu_s,
    )  # fmt: skip


def _time(execute: Execute, profile: str, what: str, seconds: float) -> None:
    """A task waited, or ran, so long."""
    length = max(0.0, seconds)
    execute(
        "INSERT INTO times (profile, what, bound, n, seconds) VALUES (?, ?, ?, 1, ?) "
        "ON CONFLICT (profile, what, bound) DO UPDATE SET n = times.n + 1, seconds = times.seconds + excluded.seconds",
        profile, what, bisect_left(TIME_BOUNDS_S, length), length,
    )  # fmt: skip


def write_durably(path: Path, content: bytes) -> None:
    """Beside, on the disk, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    with translated(str(path)):
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
