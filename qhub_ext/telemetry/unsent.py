"""Which spans of a job a collector has not got yet. What it took is written down in the folder, so that a collector that is away loses nothing
and whoever sends on, in this process or another, begins where the last one ended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from qhub_ext.jobfolder.atomic import read_record_or_none, write_json
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.telemetry.export import SPANS_AT_ONCE

SCHEMA = "qhub.exported/1"


class Unsent:
    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        known = read_record_or_none(folder.exported)
        known = known if known is not None and known.get("schema") == SCHEMA else {}
        self._bytes: dict[str, int] = dict(known.get("bytes") or {})
        self._lines: set[str] = set(known.get("lines") or ())

    def batches(self) -> Iterator[tuple[list[bytes], Callable[[], None]]]:
        """Whole lines, at most so many at once; what to call when they have arrived. A line that is still being written waits for the next time."""
        told = [line for line in self._of_journals() if _key(line) not in self._lines]
        if told:
            yield told, lambda: self._note(lines=told)
        for number in self._folder.attempt_numbers():
            spans = self._folder.attempt(number).spans
            for path in sorted(spans.glob("*.jsonl")) if spans.is_dir() else ():
                yield from self._of_file(path)

    def _of_journals(self) -> list[bytes]:
        """Those of the submission."""
        events = (event for event in read_all(self._folder.journals) if event.get("kind") == "spans")
        return [json.dumps(event.get("data")).encode() for event in events]

    def _of_file(self, path: Path) -> Iterator[tuple[list[bytes], Callable[[], None]]]:
        name = str(path.relative_to(self._folder.path))
        with path.open("rb") as file:
            file.seek(self._bytes.get(name, 0))
            some: list[bytes] = []
            at = file.tell()
            for line in file:
                if not line.endswith(b"\n"):
                    break
                some.append(line)
                at += len(line)
                if len(some) == SPANS_AT_ONCE:
                    yield some, lambda at=at: self._note(name, at)  # type: ignore[misc]
                    some = []
            if some:
                yield some, lambda at=at: self._note(name, at)  # type: ignore[misc]

    def _note(self, name: str = "", at: int = 0, lines: list[bytes] | None = None) -> None:
        if name:
            self._bytes[name] = at
        self._lines |= {_key(line) for line in lines or ()}
        write_json(self._folder.exported, {"schema": SCHEMA, "bytes": self._bytes, "lines": sorted(self._lines)})


def _key(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:16]
