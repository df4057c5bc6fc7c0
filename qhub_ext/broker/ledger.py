"""What the broker must not forget: sessions, tasks, slices, leases, windows, limits, and who ordered what.

Tables lie in a database (SQLite beside, or PostgreSQL), payloads and results as files on the broker's own disk, one folder per task. Every method is
one transaction, and may be tried again after a LedgerError; after kill -9 the next start reads on here.
"""

from __future__ import annotations

import json
import os
import shutil
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
from qhub_ext.broker.work import Piece
from qhub_ext.errors import JobFolderError
from qhub_ext.tiers.windows import Window

_STEPS = (
    """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, uid {int}, "user" TEXT, account TEXT, profile TEXT, job TEXT, key TEXT UNIQUE,
  created_at {real}, seen_at {real}, idle_s {real}, until {real}, ended_at {real});
CREATE TABLE tasks (
  id TEXT PRIMARY KEY, uid {int}, session TEXT, "user" TEXT, account TEXT, profile TEXT, job TEXT, device TEXT, program TEXT,
  submitted_at {real}, deadline_at {real}, started_at {real}, ended_at {real}, state TEXT, pieces TEXT, shots {int}, done {int},
  qpu_s {real}, cause TEXT, message TEXT, advice TEXT, digest TEXT);
CREATE INDEX tasks_open ON tasks (state) WHERE state NOT IN ('completed', 'failed', 'cancelled');
CREATE INDEX tasks_by_time ON tasks (submitted_at);
CREATE TABLE slices (
  task TEXT, number {int}, device TEXT, pieces TEXT, state TEXT, vendor TEXT, sent_at {real}, ended_at {real}, qpu_s {real}, snapshot TEXT,
  PRIMARY KEY (task, number));
CREATE TABLE windows (id {serial}, device TEXT, start {real}, length_s {real}, rule TEXT, note TEXT);
CREATE TABLE drained (device TEXT PRIMARY KEY, since {real}, note TEXT);
CREATE TABLE audit (at {real}, who TEXT, verb TEXT, what TEXT);
CREATE TABLE shares (owner TEXT PRIMARY KEY, seconds {real}, at {real})
""",
    """
ALTER TABLE tasks ADD COLUMN priority {int} NOT NULL DEFAULT 0;
CREATE INDEX slices_open ON slices (device) WHERE state IN ('sending', 'sent');
CREATE INDEX sessions_open ON sessions (uid) WHERE ended_at IS NULL;
CREATE TABLE limits (scope TEXT, name TEXT, what TEXT, value {real}, PRIMARY KEY (scope, name, what));
CREATE TABLE leases (id {serial}, device TEXT, session TEXT, "user" TEXT, profile TEXT, since {real}, until {real}, ended_at {real})
""",
    """
CREATE TABLE summaries (
  id {serial}, uid {int}, "user" TEXT, received_at {real}, job TEXT, attempt {int}, "array" TEXT, state TEXT, cause TEXT, signature TEXT,
  tier TEXT, site TEXT, device TEXT, profile TEXT, qos TEXT, node TEXT, versions TEXT, snapshot TEXT, submitted_at {real}, running_at {real},
  ended_at {real}, tasks {int}, qpu_s {real}, wall_ns {int}, parts_ns TEXT);
CREATE UNIQUE INDEX summaries_once ON summaries (uid, job, attempt);
CREATE INDEX summaries_by_end ON summaries (ended_at)
""",
    """
CREATE INDEX slices_ended ON slices (ended_at) WHERE state = 'done';
CREATE TABLE totals (device TEXT, profile TEXT, state TEXT, cause TEXT, n {int}, qpu_s {real}, PRIMARY KEY (device, profile, state, cause));
INSERT INTO totals SELECT device, profile, state, cause, count(*), 0 FROM tasks WHERE state IN ('completed', 'failed', 'cancelled')
  GROUP BY device, profile, state, cause;
INSERT INTO totals SELECT s.device, t.profile, 'slice', '', count(*), sum(s.qpu_s) FROM slices s JOIN tasks t ON t.id = s.task WHERE s.state = 'done'
  GROUP BY s.device, t.profile
""",
)
VERSION = len(_STEPS)
"""A ledger of an earlier version is taken on by the steps that it has not made yet."""


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
                for step in _STEPS[version:]:
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

    def task_times(self, bounds_s: Sequence[float]) -> list[Row]:
        """Per profile, of all time: how many tasks waited, and ran, up to so long (wait_0, wait_1 ...), wait_sum, wait_count, and run likewise."""
        columns = []
        for what, begin, end in (("wait", "submitted_at", "started_at"), ("run", "started_at", "ended_at")):
            took = f"CASE WHEN {end} - {begin} > 0 THEN {end} - {begin} ELSE 0 END"
            known = f"{begin} IS NOT NULL AND {end} IS NOT NULL"
            columns += [
                f"sum(CASE WHEN {known} AND {end} - {begin} <= {float(bound)!r} THEN 1 ELSE 0 END) AS {what}_{n}"
                for n, bound in enumerate(bounds_s)
            ]
            columns += [
                f"sum(CASE WHEN {known} THEN {took} ELSE 0 END) AS {what}_sum",
                f"sum(CASE WHEN {known} THEN 1 ELSE 0 END) AS {what}_count",
            ]
        return self._rows(f"SELECT profile, {', '.join(columns)} FROM tasks GROUP BY profile ORDER BY profile")

    def end_task(self, task_id: str, state: str, *, ended_at: float, cause: str, message: str, advice: str) -> bool:
        """Whether this ended it: a task ends once."""
        with self.transaction() as execute:
            ended = execute(
                f"UPDATE tasks SET state = ?, ended_at = ?, cause = ?, message = ?, advice = ? WHERE id = ? AND state NOT IN {ENDED} RETURNING device, profile",
                state, ended_at, cause, message, advice, task_id,
            )  # fmt: skip
            for row in ended:
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
            execute(
                "UPDATE tasks SET state = 'running', started_at = coalesce(started_at, ?) WHERE id = ?", now, task_id
            )
        return row

    def set_slice(self, row: SliceRow, **changes: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in changes)
        with self.transaction() as execute:
            execute(f"UPDATE slices SET {names} WHERE task = ? AND number = ?", *changes.values(), row.task, row.number)

    def finish_slice(
        self, row: SliceRow, result: bytes, *, rest: Sequence[Piece], units: int, qpu_s: float, snapshot: str, now: float,
        share: tuple[str, float] | None = None, running: bool = False,
    ) -> None:  # fmt: skip
        """The result is on disk before the slice counts; what is done, what is left and the owner's `share` change at once, and only once. `running`:
        another slice of it is on the device still.
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
                packed_pieces(rest), units, qpu_s, "running" if running else "queued", row.task,
            )  # fmt: skip
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


def write_durably(path: Path, content: bytes) -> None:
    """Beside, on the disk, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    with translated(str(path)):
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
