"""The jobs that wait or run, as a journal: one line per change, one writer, torn lines harmless.

A line is `add` (a whole job), `set` (some of its fields) or `drop` (it has ended; its folder tells the rest). The writer
compacts the file by writing a new one beside and renaming it. Its first line, `begin`, carries a random generation:
readers that find another one than before start again. (An inode number would not do: it is soon used again.)
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.journal import JournalWriter, parse_line

QUEUED, HELD, STARTED = "queued", "held", "started"
COMPACT_AFTER_LINES = 2000


@dataclass(slots=True)
class TableJob:
    """One job as the site sees it. `order` is its place in the line; moments in s since 1970 UTC."""

    id: str
    path: str
    name: str = ""
    owner: str = ""
    tier: str = ""
    device: str = ""
    cpus: int = 1
    time_s: int = 3600
    grace_s: int = 15
    after: tuple[str, ...] = ()
    submitted_at: float = 0.0
    warm_key: str = ""
    """What a warm kernel must have been started for; empty for a job that wants a cold start."""
    python: str = ""
    plain: bool = False
    """Its script is the one that this site writes, so that a runner may begin without it."""
    order: int = 0
    state: str = QUEUED
    attempt: int = 1
    started_at: float | None = None
    stop_why: str = ""
    stop_at: float | None = None
    unmet: tuple[str, ...] = ()
    """Jobs of `after` that have not completed yet."""
    obstacle: str = ""
    """Why the last start did not work; it is tried again."""

    @property
    def waits(self) -> bool:
        return self.state != STARTED

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> TableJob:
        values = {k: v for k, v in record.items() if k in _FIELDS}
        for name in ("after", "unmet"):
            values[name] = tuple(values.get(name) or ())
        return cls(**values)


_FIELDS = tuple(f.name for f in dataclasses.fields(TableJob))


@dataclass
class _Fold:
    """The jobs that a row of lines adds up to."""

    jobs: dict[str, TableJob] = field(default_factory=dict)
    lines: int = 0
    last_at: float = 0.0

    def hear(self, event: dict[str, Any]) -> None:
        self.lines += 1
        self.last_at = float(event.get("at", self.last_at))
        kind = event.get("kind")
        if kind == "add":
            job = TableJob.from_json(event["job"])
            self.jobs[job.id] = job
        elif kind == "set" and event.get("id") in self.jobs:
            # a new object: whoever was given the one before keeps what was true then
            self.jobs[event["id"]] = TableJob.from_json({**self.jobs[event["id"]].to_json(), **event["fields"]})
        elif kind == "drop":
            self.jobs.pop(event.get("id", ""), None)


class TableWriter:
    """The daemon's side. A change is in the file before it is in memory; on OSError neither has it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fold = _read(path)
        self.jobs = self._fold.jobs
        self._journal: JournalWriter | None = None
        self._compact()

    def add(self, jobs: Iterable[TableJob]) -> None:
        """All of them, on disk when this returns."""
        for job in jobs:
            self._write("add", job=job.to_json())
            self.jobs[job.id] = job
        self._sync()

    def set(self, job: TableJob, **fields: Any) -> None:
        self._write("set", id=job.id, fields=fields)
        for name, value in fields.items():
            setattr(job, name, value)

    def drop(self, job: TableJob) -> None:
        self._write("drop", id=job.id)
        self.jobs.pop(job.id, None)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _write(self, kind: str, **fields: Any) -> None:
        if self._fold.lines > COMPACT_AFTER_LINES and self._fold.lines > 4 * len(self.jobs):
            self._compact()
        if self._journal is None:
            self._journal = JournalWriter(self._path)
        try:
            self._journal.append(kind, **fields)
        except OSError:
            self.close()  # half a line may be there: opening anew puts an end to it
            raise
        self._fold.lines += 1

    def _sync(self) -> None:
        fd = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _compact(self) -> None:
        now = time.time()
        begin = {"seq": 1, "at": now, "kind": "begin", "generation": os.urandom(8).hex()}
        lines = [json.dumps(begin, separators=(",", ":"))]
        lines += [
            json.dumps({"seq": n, "at": now, "kind": "add", "job": job.to_json()}, separators=(",", ":"))
            for n, job in enumerate(self.jobs.values(), start=2)
        ]
        try:
            write_beside(self._path, "".join(f"{line}\n" for line in lines).encode(), durable=True)
        except OSError:
            if not self._path.exists():
                raise
            # a full disk: the long file still tells the truth, and the next change tries again
            self._fold.lines = 0
            return
        self._fold.lines = len(lines)
        self.close()


class TableReader:
    """A client's side: reads only what was written since the last look. Safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._begin = b""
        self._offset = 0
        self._fold = _Fold()

    def read(self) -> dict[str, TableJob]:
        """Jobs by id, as the daemon last wrote them; not to be changed."""
        with self._guard:
            self._catch_up()
            return dict(self._fold.jobs)

    @property
    def written_at(self) -> float:
        return self._fold.last_at

    def _catch_up(self) -> None:
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            self._begin, self._offset, self._fold = b"", 0, _Fold()
            return
        with file:
            begin = file.readline()
            if begin != self._begin or os.fstat(file.fileno()).st_size < self._offset:
                self._begin, self._offset, self._fold = begin, 0, _Fold()
            file.seek(self._offset)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            event = parse_line(line)
            if event is not None:
                self._fold.hear(event)
        self._offset += whole


def _read(path: Path) -> _Fold:
    fold = _Fold()
    try:
        with path.open("rb") as file:
            for line in file:
                event = parse_line(line)
                if event is not None:
                    fold.hear(event)
    except FileNotFoundError:
        pass  # a new queue
    return fold
