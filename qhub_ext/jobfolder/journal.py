"""Append-only files of JSON lines, one writer each; readers tolerate a torn last line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.ownership import give_to_owner

_NO_MOMENT = 1e11
_NO_ATTEMPT = 1_000_000


class JournalWriter:
    """Each `append` is one write to the end of the file, numbered from 1 on; a later writer carries on after a torn line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seq = 0
        torn = new = False
        try:
            for event in read_journal(path):
                self._seq = max(self._seq, int(event.get("seq", 0)))
            with path.open("rb") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    torn = file.read(1) != b"\n"
        except FileNotFoundError:
            new = True
        try:
            self._fd = _open(path)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = _open(path)
        if new:
            give_to_owner(path)
        if torn:
            os.write(self._fd, b"\n")

    @property
    def fd(self) -> int:
        return self._fd

    def append(self, kind: str, /, **fields: Any) -> dict[str, Any]:
        event = {"seq": self._seq + 1, "at": time.time(), "kind": kind, **fields}
        line = json.dumps(event, ensure_ascii=True, separators=(",", ":"), default=str).encode() + b"\n"
        view = memoryview(line)
        while view:
            view = view[os.write(self._fd, view) :]
        self._seq += 1
        return event

    def sync(self) -> None:
        """What was appended is on the disk when this returns."""
        os.fsync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def append_once(path: Path, kind: str, /, **fields: Any) -> dict[str, Any]:
    """For a process that writes a single event."""
    with JournalWriter(path) as journal:
        return journal.append(kind, **fields)


def read_journal(path: Path, after: int = 0) -> Iterator[dict[str, Any]]:
    """Events with a sequence number over `after`; lines that are torn or not JSON objects are passed over."""
    try:
        file = path.open("rb")
    except IsADirectoryError as error:
        raise JobFolderError(f"{path} is a folder, and a journal should be there.", where=str(path)) from error
    with file:
        for line in file:
            event = parse_line(line)
            if event is not None and int(event.get("seq", 0) or 0) > after:
                yield event


def parse_line(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and _is_event(event) else None


def _is_event(event: dict[str, Any]) -> bool:
    """What every reader takes for granted. A damaged line may still be JSON."""
    at, attempt = event.get("at", 0.0), event.get("attempt", 1)
    return (
        isinstance(event.get("seq", 0), int)
        and isinstance(event.get("kind", ""), str)
        and (type(at) is float or type(at) is int)
        and 0 <= at < _NO_MOMENT
        and type(attempt) is int
        and 0 <= attempt < _NO_ATTEMPT
    )


def read_all(folder: Path) -> list[dict[str, Any]]:
    """The events of every journal in a folder, in no order that matters."""
    events: list[dict[str, Any]] = []
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return events
    for name in names:
        if name.endswith(".jsonl") and not name.startswith("."):
            events.extend(read_journal(folder / name))
    return events
