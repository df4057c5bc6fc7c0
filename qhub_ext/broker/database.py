"""Where the ledger's tables live: SQLite on the broker's own disk, or PostgreSQL by a URL (`postgres`). Queries are the same, with `?` for values.

One broker writes a ledger: a second one on the same tables is refused. What the database refuses for now (locked, full, away) is a
LedgerError that may be tried again.
"""

from __future__ import annotations

import fcntl
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from qhub_ext.errors import Audience, Cause, QhubError

BUSY_S = 10.0
Row = dict[str, Any]
Execute = Callable[..., list[Row]]


class LedgerError(QhubError):
    """The broker's own database or disk does not take or give anything now."""

    cause = Cause.INTEGRATION
    audience = Audience.SITE
    transient = True


class LedgerInUseError(QhubError):
    """Another broker writes it."""

    cause = Cause.INTEGRATION
    audience = Audience.SITE


class Database(Protocol):
    title: str
    types: dict[str, str]
    """What this database calls a number with a fraction, a whole one, and a key that counts by itself."""

    def version(self) -> int: ...

    def set_version(self, execute: Execute, version: int) -> None: ...

    def rows(self, query: str, *values: Any) -> list[Row]: ...

    def transaction(self) -> AbstractContextManager[Execute]:
        """All of it or nothing; one inside another is part of it. Its end may be lost with the connection: whoever tries again must not count twice."""

    def close(self) -> None: ...


class Sqlite:
    types = {"real": "REAL", "int": "INTEGER", "serial": "INTEGER PRIMARY KEY"}  # noqa: RUF012 - a constant

    def __init__(self, path: Path) -> None:
        self.title = str(path)
        self._lock = threading.RLock()
        self._within: Execute | None = None
        with translated(self.title):
            self._held = path.with_name("broker.lock").open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._held.close()
            raise LedgerInUseError(f"Another broker works with {path}.", advice="Stop it first, or give this one a folder of its own.") from None  # fmt: skip
        try:
            self._open(path)
        except BaseException:
            self._held.close()
            raise

    def _open(self, path: Path) -> None:
        with translated(self.title):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
            self._db.row_factory = lambda cursor, row: {d[0]: v for d, v in zip(cursor.description, row, strict=True)}
            self._db.execute("PRAGMA journal_mode = WAL")
            # a killed broker loses nothing; a host that loses power may lose its last moments, and a client sends those tasks again by their ids
            self._db.execute("PRAGMA synchronous = NORMAL")

    def version(self) -> int:
        return int(self.rows("PRAGMA user_version")[0]["user_version"])

    def set_version(self, execute: Execute, version: int) -> None:
        execute(f"PRAGMA user_version = {version}")

    def rows(self, query: str, *values: Any) -> list[Row]:
        with self._lock, translated(self.title):
            found: list[Row] = self._db.execute(query, values).fetchall()
            return found

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        with self._lock, translated(self.title):
            if self._within is not None:
                yield self._within
                return
            self._db.execute("BEGIN IMMEDIATE")
            self._within = self._run
            try:
                yield self._run
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._within = None

    def _run(self, query: str, *values: Any) -> list[Row]:
        if self._within is not None and not self._db.in_transaction:
            # each statement would be one of its own from here on
            raise sqlite3.OperationalError("it ended in the middle of a transaction")
        found: list[Row] = self._db.execute(query, values).fetchall()
        return found

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._held.close()


@contextmanager
def translated(title: str) -> Iterator[None]:
    """Errors of the database and the disk beneath it, in our words."""
    try:
        yield
    except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
        raise _not_now(title, str(error)) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # what is said of a file that is damaged, or none of a database
            raise
        raise _not_now(title, str(error)) from error
    except OSError as error:
        raise _not_now(title, error.strerror or str(error)) from error


_ADVICE = (
    (r"locked", "Another program has it open for writing: end that one."),
    (r"read-?only|permission|not permitted|unable to open", "Make it writable for the broker's user again: its disk is mounted read-only, or the folder belongs to somebody else."),
    (r"malformed|not a database", "Stop the broker and put back the last backup of the ledger."),
    (r"too many open files", "Let the broker have more files open (LimitNOFILE= of its unit)."),
)  # fmt: skip


def _not_now(title: str, words: str) -> LedgerError:
    advice = next((told for found, told in _ADVICE if re.search(found, words, re.IGNORECASE)), "Make room on that disk, or give it back.")  # fmt: skip
    return LedgerError(f"The broker's ledger {title} cannot be used now: {words}.", advice=f"{advice} Nothing is lost meanwhile: what is not written down does not begin.")  # fmt: skip
