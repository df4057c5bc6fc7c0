"""What the broker must not forget, in SQLite on its own disk: sessions, tasks, slices, windows, and who ordered what.

Payloads and results lie beside it as files, one folder per task. Every method is one transaction; after kill -9 the next start reads on here.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qhub_ext.broker.windows import Window
from qhub_ext.broker.work import Piece
from qhub_ext.errors import JobFolderError

VERSION = 1
ENDED = ("completed", "failed", "cancelled")

_TABLES = """
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, uid INTEGER, user TEXT, account TEXT, profile TEXT, job TEXT, key TEXT UNIQUE,
  created_at REAL, seen_at REAL, idle_s REAL, until REAL, ended_at REAL);
CREATE TABLE tasks (
  id TEXT PRIMARY KEY, uid INTEGER, session TEXT, user TEXT, account TEXT, profile TEXT, job TEXT, device TEXT, program TEXT,
  submitted_at REAL, deadline_at REAL, started_at REAL, ended_at REAL, state TEXT, pieces TEXT, shots INTEGER, done INTEGER,
  qpu_s REAL, cause TEXT, message TEXT, advice TEXT, digest TEXT);
CREATE INDEX tasks_open ON tasks (state) WHERE state NOT IN ('completed', 'failed', 'cancelled');
CREATE INDEX tasks_by_time ON tasks (submitted_at);
CREATE TABLE slices (
  task TEXT, number INTEGER, device TEXT, pieces TEXT, state TEXT, vendor TEXT, sent_at REAL, ended_at REAL, qpu_s REAL, snapshot TEXT,
  PRIMARY KEY (task, number));
CREATE TABLE windows (id INTEGER PRIMARY KEY, device TEXT, start REAL, length_s REAL, rule TEXT, note TEXT);
CREATE TABLE drained (device TEXT PRIMARY KEY, since REAL, note TEXT);
CREATE TABLE audit (at REAL, who TEXT, verb TEXT, what TEXT);
CREATE TABLE shares (owner TEXT PRIMARY KEY, seconds REAL, at REAL);
"""


@dataclass(frozen=True)
class Session:
    """Bound to (uid, site job, profile). Moments in s since 1970 UTC; `idle_s` without a word ends it, and so does `until`."""

    id: str
    uid: int
    user: str
    account: str
    profile: str
    job: str
    key: str
    created_at: float
    seen_at: float
    idle_s: float
    until: float
    ended_at: float | None = None


@dataclass(frozen=True)
class TaskRow:
    """`pieces` is what is left; `done` of `shots` are finished (PUBs, for an estimator); `digest` is that of the payload."""

    id: str
    uid: int
    session: str
    user: str
    account: str
    profile: str
    job: str
    device: str
    program: str
    submitted_at: float
    deadline_at: float | None
    started_at: float | None
    ended_at: float | None
    state: str
    pieces: tuple[Piece, ...]
    shots: int
    done: int
    qpu_s: float
    cause: str
    message: str
    advice: str
    digest: str

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class SliceRow:
    """`state` is sending, sent, done, uncertain (the answer was lost), refused or cancelled; `vendor` the task's id there."""

    task: str
    number: int
    device: str
    pieces: tuple[Piece, ...]
    state: str
    vendor: str
    sent_at: float
    ended_at: float | None
    qpu_s: float | None
    snapshot: str


class Ledger:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            directory / "broker.sqlite", isolation_level=None, check_same_thread=False, timeout=30.0
        )
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        # a killed broker loses nothing; a host that loses power may lose its last moments, and a client sends those tasks again by their ids
        self._db.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self.transaction() as db:
                for statement in _TABLES.split(";\n"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise JobFolderError(
                f"{directory / 'broker.sqlite'} is of version {version}; this broker reads {VERSION}.",
                where=str(directory),
            )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._db.close()

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
        with self.transaction() as db:
            db.execute("UPDATE sessions SET seen_at = ? WHERE id = ?", (now, session_id))

    def end_session(self, session_id: str, now: float) -> None:
        with self.transaction() as db:
            db.execute("UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL", (now, session_id))

    # -- tasks

    def add_task(self, task: TaskRow, payload: bytes) -> None:
        """The payload is on disk before the task is known."""
        folder = self.folder(task.id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(folder / "payload.json", payload)
        self._insert("tasks", asdict(task) | {"pieces": _packed(task.pieces)})

    def task(self, task_id: str) -> TaskRow | None:
        rows = self._rows("SELECT * FROM tasks WHERE id = ?", task_id)
        return _task(rows[0]) if rows else None

    def open_tasks(self) -> list[TaskRow]:
        return [
            _task(row) for row in self._rows(f"SELECT * FROM tasks WHERE state NOT IN {ENDED} ORDER BY submitted_at")
        ]

    def tasks(
        self, *, uid: int | None = None, limit: int = 200, offset: int = 0, open_only: bool = False
    ) -> list[TaskRow]:
        """Newest first."""
        where = [*(["uid = ?"] if uid is not None else []), *([f"state NOT IN {ENDED}"] if open_only else [])]
        clause = f"WHERE {' AND '.join(where)}" if where else ""
        values = [*([uid] if uid is not None else []), limit, offset]
        query = f"SELECT * FROM tasks {clause} ORDER BY submitted_at DESC, id LIMIT ? OFFSET ?"
        return [_task(row) for row in self._rows(query, *values)]

    def count_open(self, uid: int) -> int:
        return int(self._rows(f"SELECT count(*) FROM tasks WHERE uid = ? AND state NOT IN {ENDED}", uid)[0][0])

    def set_task(self, task_id: str, **changes: Any) -> None:
        if "pieces" in changes:
            changes["pieces"] = _packed(changes["pieces"])
        with self.transaction() as db:
            self._update_task(db, task_id, changes)

    def _update_task(self, db: sqlite3.Connection, task_id: str, changes: dict[str, Any]) -> None:
        names = ", ".join(f"{name} = ?" for name in changes)
        db.execute(f"UPDATE tasks SET {names} WHERE id = ?", (*changes.values(), task_id))

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
        with self.transaction() as db:
            (last,) = db.execute("SELECT coalesce(max(number), 0) FROM slices WHERE task = ?", (task_id,)).fetchone()
            row = SliceRow(task_id, last + 1, device, tuple(pieces), "sending", "", now, None, None, "")
            self._insert_into(db, "slices", asdict(row) | {"pieces": _packed(row.pieces)})
            db.execute(
                "UPDATE tasks SET state = 'running', started_at = coalesce(started_at, ?) WHERE id = ?", (now, task_id)
            )
        return row

    def set_slice(self, row: SliceRow, **changes: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in changes)
        with self.transaction() as db:
            db.execute(
                f"UPDATE slices SET {names} WHERE task = ? AND number = ?",
                (*changes.values(), row.task, row.number),
            )

    def finish_slice(
        self,
        row: SliceRow,
        result: bytes,
        *,
        rest: Sequence[Piece],
        units: int,
        qpu_s: float,
        snapshot: str,
        now: float,
    ) -> None:
        """The result is on disk before the slice counts, and both what is done and what is left change at once."""
        write_durably(self.folder(row.task) / f"slice-{row.number}.json", result)
        with self.transaction() as db:
            db.execute(
                "UPDATE slices SET state = 'done', ended_at = ?, qpu_s = ?, snapshot = ? WHERE task = ? AND number = ?",
                (now, qpu_s, snapshot, row.task, row.number),
            )
            db.execute(
                "UPDATE tasks SET pieces = ?, done = done + ?, qpu_s = qpu_s + ?, state = 'queued' WHERE id = ?",
                (_packed(rest), units, qpu_s, row.task),
            )

    def slices(self, task_id: str) -> list[SliceRow]:
        return [_slice(row) for row in self._rows("SELECT * FROM slices WHERE task = ? ORDER BY number", task_id)]

    def slice_result(self, row: SliceRow) -> str:
        return (self.folder(row.task) / f"slice-{row.number}.json").read_text()

    def open_slices(self, device: str) -> list[SliceRow]:
        return [
            _slice(r)
            for r in self._rows("SELECT * FROM slices WHERE device = ? AND state IN ('sending', 'sent')", device)
        ]

    # -- what operators order

    def windows(self) -> list[tuple[int, Window]]:
        rows = self._rows("SELECT * FROM windows ORDER BY id")
        return [(r["id"], Window(r["start"], r["length_s"], r["rule"], r["device"], r["note"])) for r in rows]

    def add_window(self, window: Window) -> int:
        with self.transaction() as db:
            cursor = db.execute(
                "INSERT INTO windows (device, start, length_s, rule, note) VALUES (?, ?, ?, ?, ?)",
                (window.device, window.start, window.length_s, window.rule, window.note),
            )
            return int(cursor.lastrowid or 0)

    def remove_window(self, number: int) -> bool:
        with self.transaction() as db:
            return db.execute("DELETE FROM windows WHERE id = ?", (number,)).rowcount > 0

    def drained(self) -> dict[str, str]:
        return {row["device"]: row["note"] for row in self._rows("SELECT * FROM drained")}

    def set_drained(self, device: str, *, drained: bool, note: str, now: float) -> None:
        with self.transaction() as db:
            db.execute("DELETE FROM drained WHERE device = ?", (device,))
            if drained:
                db.execute("INSERT INTO drained VALUES (?, ?, ?)", (device, now, note))

    def log(self, who: str, verb: str, what: str, now: float) -> None:
        with self.transaction() as db:
            db.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", (now, who, verb, what))

    def audit(self, limit: int = 1000) -> list[dict[str, Any]]:
        return [dict(row) for row in self._rows("SELECT * FROM audit ORDER BY at DESC LIMIT ?", limit)]

    def usage(self, since: float) -> list[dict[str, Any]]:
        """Seconds of QPU, slices and tasks by user, account, profile, device and job, of slices that ended since then."""
        query = """
            SELECT t.user, t.account, t.profile, s.device, t.job, sum(s.qpu_s) AS qpu_s, count(*) AS slices, count(DISTINCT t.id) AS tasks
            FROM slices s JOIN tasks t ON t.id = s.task WHERE s.state = 'done' AND s.ended_at >= ?
            GROUP BY t.user, t.account, t.profile, s.device, t.job ORDER BY qpu_s DESC"""
        return [dict(row) for row in self._rows(query, since)]

    def shares(self) -> dict[str, tuple[float, float]]:
        return {row["owner"]: (row["seconds"], row["at"]) for row in self._rows("SELECT * FROM shares")}

    def set_share(self, owner: str, seconds: float, now: float) -> None:
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO shares VALUES (?, ?, ?)", (owner, seconds, now))

    def folder(self, task_id: str) -> Path:
        return self.directory / "tasks" / task_id

    def _insert(self, table: str, record: dict[str, Any]) -> None:
        with self.transaction() as db:
            self._insert_into(db, table, record)

    def _insert_into(self, db: sqlite3.Connection, table: str, record: dict[str, Any]) -> None:
        marks = ", ".join("?" * len(record))
        db.execute(f"INSERT INTO {table} ({', '.join(record)}) VALUES ({marks})", tuple(record.values()))


def write_durably(path: Path, content: bytes) -> None:
    """Beside, on the disk, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _packed(pieces: Sequence[Piece]) -> str:
    return json.dumps([[p.pub, p.units, p.unit_s, p.first] for p in pieces])


def _pieces(text: str) -> tuple[Piece, ...]:
    return tuple(Piece(*fields) for fields in json.loads(text))


def _task(row: sqlite3.Row) -> TaskRow:
    return TaskRow(**{**dict(row), "pieces": _pieces(row["pieces"])})


def _slice(row: sqlite3.Row) -> SliceRow:
    return SliceRow(**{**dict(row), "pieces": _pieces(row["pieces"])})
