"""What the broker must not forget: sessions, tasks and their slices here, orders, accounts and files in parts of their own.

Tables lie in a database (SQLite beside, or PostgreSQL), payloads and results as files on the broker's own disk, one folder per task. Every method is
one transaction, and may be tried again after a LedgerError; after kill -9 the next start reads on here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qhub_ext.broker.accounts import Accounts, add_to_times, add_to_totals, put_lent, put_share
from qhub_ext.broker.database import Database, Execute, Row, Sqlite, translated
from qhub_ext.broker.order_book import OrderBook
from qhub_ext.broker.rows import (
    ENDED,
    Session,
    SliceRow,
    TaskRow,
    packed,
    packed_pieces,
    slice_row,
    task_row,
)
from qhub_ext.broker.tables import STEPS, VERSION
from qhub_ext.broker.task_files import TaskFiles
from qhub_ext.broker.work import Piece
from qhub_ext.errors import JobFolderError

SECRET_BYTES = 32
KEPT_S = 7 * 86400.0
"""So long the payload and the results of a task are kept after its end."""


class Ledger:
    def __init__(self, directory: Path, database: Database | None = None) -> None:
        self.directory = directory
        with translated(str(directory)):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = database or Sqlite(directory / "broker.sqlite")
        self.files = TaskFiles(directory / "tasks")
        self.book, self.accounts = OrderBook(self._database), Accounts(self._database)
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
        """Of this broker, made once; mode 0600. Whole or not there: with an empty one anybody could make a session's token."""
        path = self.directory / "secret"
        beside = path.with_name(".secret.new")
        with translated(str(path)):
            if not path.exists() or path.stat().st_size < SECRET_BYTES:
                with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    file.write(os.urandom(SECRET_BYTES))
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(path)
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

    def change_session(self, session: Session) -> None:
        """What a later call of its job may change."""
        with self.transaction() as execute:
            execute(
                "UPDATE sessions SET traceparent = ?, on_calibration_change = ? WHERE id = ?",
                session.traceparent, session.on_calibration_change, session.id,
            )  # fmt: skip

    def shift(self, seconds: float) -> None:
        """What is to last so long from now, when the clock was set: sessions, leases, and results that nobody fetched."""
        with self.transaction() as execute:
            execute(
                "UPDATE sessions SET created_at = created_at + ?, seen_at = seen_at + ?, until = until + ? WHERE ended_at IS NULL",
                seconds, seconds, seconds,
            )  # fmt: skip
            execute("UPDATE tasks SET kept_until = kept_until + ? WHERE kept_until IS NOT NULL", seconds)
            execute("UPDATE leases SET since = since + ?, until = until + ? WHERE ended_at IS NULL", seconds, seconds)

    # -- tasks

    def add_task(self, task: TaskRow, payload: bytes) -> None:
        """The payload is on disk before the task is known."""
        self.files.keep_payload(task.id, payload)
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

    def end_task(self, task_id: str, state: str, *, ended_at: float, cause: str, message: str, advice: str) -> bool:
        """Whether this ended it: a task ends once."""
        with self.transaction() as execute:
            ended = execute(
                f"UPDATE tasks SET state = ?, ended_at = ?, kept_until = ?, cause = ?, message = ?, advice = ? WHERE id = ? AND state NOT IN {ENDED} RETURNING device, profile, started_at",
                state, ended_at, ended_at + KEPT_S, cause, message, advice, task_id,
            )  # fmt: skip
            for row in ended:
                if row["started_at"] is not None:
                    add_to_times(execute, row["profile"], "run", ended_at - row["started_at"])
                add_to_totals(execute, row["device"], row["profile"], state, cause)
        return bool(ended)

    def last_end(self, session_id: str) -> float:
        """When the last task of a session ended; 0 where none did."""
        found = self._rows("SELECT max(ended_at) AS at FROM tasks WHERE session = ?", session_id)[0]["at"]
        return float(found or 0.0)

    def set_priority(self, task_id: str, priority: int) -> None:
        with self.transaction() as execute:
            execute("UPDATE tasks SET priority = ? WHERE id = ?", priority, task_id)

    def forget_ended(self, now: float) -> int:
        """Payloads and results that were kept long enough; the tasks' rows stay for the accounts. Returns how many."""
        due = [row["id"] for row in self._rows("SELECT id FROM tasks WHERE kept_until < ?", now)]
        for task_id in due:
            self.files.forget(task_id)
        if due:
            with self.transaction() as execute:
                execute("UPDATE tasks SET kept_until = NULL WHERE kept_until < ?", now)
        return len(due)

    # -- slices

    def begin_slice(
        self, task_id: str, device: str, pieces: Sequence[Piece], now: float, *,
        turn_s: float = 0.0, place_of: str = "", preempts: str = "", profile: str = "",
    ) -> SliceRow:  # fmt: skip
        """Written down before it is sent, with what its task has of its turn then, and with the task that yields to the profile."""
        with self.transaction() as execute:
            last = execute("SELECT coalesce(max(number), 0) AS last FROM slices WHERE task = ?", task_id)[0]["last"]
            row = SliceRow(task_id, last + 1, device, tuple(pieces), "sending", "", now, None, None, "")
            self._insert_into(execute, "slices", packed(row))
            begun = execute(
                "UPDATE tasks SET state = 'running', started_at = coalesce(started_at, ?), turn_s = ?, place_of = ?, preempted_by = '' WHERE id = ? RETURNING profile, submitted_at",
                now, turn_s, place_of, task_id,
            )  # fmt: skip
            if preempts:
                execute("UPDATE tasks SET preempted_by = ? WHERE id = ?", profile, preempts)
            for task in begun if row.number == 1 else ():
                add_to_times(execute, task["profile"], "wait", now - task["submitted_at"])
        return row

    def set_slice(self, row: SliceRow, **changes: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in changes)
        with self.transaction() as execute:
            execute(f"UPDATE slices SET {names} WHERE task = ? AND number = ?", *changes.values(), row.task, row.number)

    def finish_slice(
        self, row: SliceRow, result: bytes, *, rest: Sequence[Piece], units: int, qpu_s: float, snapshot: str, now: float,
        shares: Mapping[str, float] | None = None, lent: Mapping[str, float] | None = None, running: bool = False, stale: Sequence[SliceRow] = (),
    ) -> None:  # fmt: skip
        """The result is on disk before the slice counts; what is done, what is left and what owners had (`shares`) and `lent` change at once, and only
        once. `running`: another slice of it is on the device still. `stale` ones ran under an older calibration and count no more: they are part of
        the `rest`.
        """
        self.files.keep_slice(row, result)
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
            add_to_totals(execute, row.device, task["profile"], "slice", "", qpu_s)
            for owner, seconds in (shares or {}).items():
                put_share(execute, owner, seconds, now)
            for owner, seconds in (lent or {}).items():
                put_lent(execute, owner, seconds, now)

    def slices(self, task_id: str) -> list[SliceRow]:
        return [slice_row(row) for row in self._rows("SELECT * FROM slices WHERE task = ? ORDER BY number", task_id)]

    def open_slices(self, device: str) -> list[SliceRow]:
        return [
            slice_row(r)
            for r in self._rows("SELECT * FROM slices WHERE device = ? AND state IN ('sending', 'sent')", device)
        ]

    def last_task(self, device: str) -> str:
        """The one that had the device last; "" where none had."""
        rows = self._rows("SELECT task FROM slices WHERE device = ? ORDER BY sent_at DESC LIMIT 1", device)
        return str(rows[0]["task"]) if rows else ""

    def last_slices(self, device: str, count: int) -> list[tuple[str, SliceRow]]:
        """Those that ended last on a device, in the order of their ends, each with its task's profile."""
        query = """
            SELECT s.*, t.profile FROM slices s JOIN tasks t ON t.id = s.task WHERE s.device = ? AND s.state = 'done' AND s.ended_at IS NOT NULL
            ORDER BY s.ended_at DESC LIMIT ?"""
        found = [(str(row.pop("profile")), slice_row(row)) for row in self._rows(query, device, count)]
        return found[::-1]

    def _insert(self, table: str, record: Row) -> None:
        with self.transaction() as execute:
            self._insert_into(execute, table, record)

    def _insert_into(self, execute: Execute, table: str, record: Row) -> None:
        names = ", ".join(f'"{name}"' for name in record)
        execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(record))})", *record.values())
