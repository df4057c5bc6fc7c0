"""The index of finished jobs, which makes listing thousands of them quick.

It is a cache (SQLite, in the user's cache folder on this host): each row is valid as long as the time of its folder is unchanged,
and the whole is made anew when it is missing, torn or older than this code. Versions that read other folders have an index each, so
that none lists from the other's what it cannot read itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence, Sized
from pathlib import Path

from qhub_ext.job.spec import SCHEMA as JOB_SCHEMA
from qhub_ext.jobfolder.summary import Summary

VERSION = 2
FEW = 100
_COLUMNS = tuple(Summary.__dataclass_fields__)


def index_name(shelf: Path) -> str:
    return f"shelf-{hashlib.sha256(f'{shelf} {JOB_SCHEMA}'.encode()).hexdigest()[:16]}.sqlite"


def is_few(names: Sized) -> bool:
    """So many that each may be looked at by itself."""
    return len(names) <= FEW


class Index:
    """Without a connection it holds nothing and keeps nothing."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self._connection = connection

    def read(self, wanted: Sequence[str]) -> dict[str, tuple[int, Summary]]:
        """{id: (stamp of the folder then, summary)}. `wanted` is newest first; a few are asked for by name, many by their range."""
        if self._connection is None or not wanted:
            return {}
        few = is_few(wanted)
        which = f"IN ({', '.join('?' * len(wanted))})" if few else ">= ?"
        asked = wanted if few else wanted[-1:]
        try:
            rows = self._connection.execute(
                f"SELECT stamp, {', '.join(_COLUMNS)} FROM finished WHERE id {which}", asked
            ).fetchall()
        except sqlite3.DatabaseError:  # locked or torn: read the folders instead
            return {}
        names = set(wanted)
        return {row[1]: (row[0], Summary(*row[1:])) for row in rows if row[1] in names}

    def generation(self) -> str | None:
        """In which every row was last held against its folder."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT generation FROM checked").fetchone()
        except sqlite3.DatabaseError:
            return None
        return str(row[0]) if row else None

    def write(self, fresh: dict[str, tuple[int, Summary]], generation: str | None) -> None:
        """`generation` is given when the whole shelf was looked at."""
        index = self._connection
        rows = [(stamp, *(getattr(summary, c) for c in _COLUMNS)) for stamp, summary in fresh.values()]
        if index is None or (not rows and (generation is None or self.generation() == generation)):
            return
        with contextlib.suppress(sqlite3.DatabaseError):  # somebody else is writing the same lines
            index.execute("BEGIN")
            index.executemany(f"INSERT OR REPLACE INTO finished VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})", rows)
            if generation is not None:
                index.execute("DELETE FROM checked")
                index.execute("INSERT INTO checked VALUES (?)", (generation,))
            index.execute("COMMIT")


@contextlib.contextmanager
def open_index(path: Path | None) -> Iterator[Index]:
    connection: sqlite3.Connection | None = None
    if path is not None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = _connect(path)
        except sqlite3.DatabaseError:  # torn: it is only a cache
            with contextlib.suppress(OSError):
                path.unlink()
            with contextlib.suppress(sqlite3.DatabaseError):
                connection = _connect(path)
        except OSError:  # no place for a cache: listing still works, slower
            connection = None
    try:
        yield Index(connection)
    finally:
        if connection is not None:
            connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        connection.execute("DROP TABLE IF EXISTS finished")
        connection.execute("DROP TABLE IF EXISTS checked")
        connection.execute("CREATE TABLE checked (generation)")
        connection.execute(f"CREATE TABLE finished (stamp INTEGER, {', '.join(_COLUMNS)}, PRIMARY KEY (id))")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("PRAGMA synchronous = OFF")
    return connection
