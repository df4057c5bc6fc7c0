"""manifest.json of a folder of frozen names (`qhub.bundle/1`): what each name is, in which file, and its digest.

A manifest is read as if a stranger had written it: every field is checked before anything acts on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_json, write_json

SCHEMA = "qhub.bundle/1"
FILE_NAME = "manifest.json"
ALIGNMENT = 64
"""Bytes; a buffer in a file begins at a multiple of it, as numpy likes."""

Form = Literal["qpy", "qpy_list", "pickle", "module"]
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,150}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MODULE = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class Entry:
    """One frozen name. `bytes` is the length of its file; `buffers` are (offset, length, read-only) behind a pickle of
    `stream` bytes; `order` says which circuit of a QPY file stands at each place of a list.

    `member` of `group`: its place in a file that holds several values which contain each other. `implied`: nobody asked for
    it, another name needs it.
    """

    form: Form
    type: str = ""
    summary: str = ""
    file: str = ""
    bytes: int = 0
    digest: str = ""
    module: str = ""
    stream: int = 0
    buffers: tuple[tuple[int, int, bool], ...] = ()
    container: str = ""
    order: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    implied: bool = False
    member: int = 0
    group: int = 1

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"form": self.form, "type": self.type, "summary": self.summary, "bytes": self.bytes}
        for key in (
            "file",
            "digest",
            "module",
            "stream",
            "buffers",
            "container",
            "order",
            "needs",
            "implied",
            "member",
        ):
            if getattr(self, key):
                record[key] = getattr(self, key)
        if self.group > 1:
            record["group"] = self.group
        return record


@dataclass(frozen=True)
class Manifest:
    names: dict[str, Entry] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    python: str = ""
    packages: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "names": {name: entry.to_json() for name, entry in self.names.items()},
            "failed": self.failed,
            "notes": list(self.notes),
            "python": self.python,
            "packages": self.packages,
        }

    @property
    def asked(self) -> tuple[str, ...]:
        """The names that somebody asked for, without what they merely need."""
        return tuple(name for name, entry in self.names.items() if not entry.implied)

    def closure(self, names: Iterable[str]) -> list[str]:
        """The names, what these need, and what that needs; names that failed included."""
        found: dict[str, None] = {}
        queue = list(names)
        while queue:
            name = queue.pop(0)
            if name not in found:
                found[name] = None
                queue += self.names[name].needs if name in self.names else ()
        return list(found)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    write_json(directory / FILE_NAME, manifest.to_json())


def read_manifest(directory: Path) -> Manifest:
    """Raises JobFolderError for a manifest that is missing, damaged, or of a newer kind."""
    path = directory / FILE_NAME
    try:
        record = read_json(path)
    except FileNotFoundError:
        raise JobFolderError(
            f"{directory} holds no captured values: {FILE_NAME} is missing.", where=str(path)
        ) from None
    except (OSError, RecursionError) as error:
        raise JobFolderError(f"{path} cannot be read ({error}).", where=str(path)) from error
    try:
        return parse_manifest(record)
    except _Malformed as error:
        raise JobFolderError(f"{path} is not a manifest that can be trusted: {error}.", where=str(path)) from error


class _Malformed(ValueError):
    pass


def parse_manifest(record: Any) -> Manifest:
    """Raises a ValueError that says which field is wrong."""
    record = _dict(record, "the document")
    schema = record.get("schema")
    if schema != SCHEMA:
        raise _Malformed(f"its schema is {str(schema)[:60]!r}, this version reads {SCHEMA!r}")
    names = {}
    for name, entry in _dict(record.get("names", {}), "names").items():
        if not name.isidentifier():
            raise _Malformed(f"{name[:60]!r} is not a name")
        names[name] = _entry(name, _dict(entry, f"the entry of {name}"))
    return Manifest(
        names=names,
        failed=_texts(record.get("failed", {}), "failed"),
        notes=tuple(_text(note, "a note") for note in _list(record.get("notes", []), "notes")),
        python=_text(record.get("python", ""), "python"),
        packages=_texts(record.get("packages", {}), "packages"),
    )


def _entry(name: str, record: dict[str, Any]) -> Entry:
    form = record.get("form")
    if form not in ("qpy", "qpy_list", "pickle", "module"):
        raise _Malformed(f"the form of {name} is {str(form)[:60]!r}, known are {', '.join(get_args(Form))}")
    entry = Entry(
        form=form,
        type=_text(record.get("type", ""), f"the type of {name}"),
        summary=_text(record.get("summary", ""), f"the summary of {name}"),
        file=_text(record.get("file", ""), f"the file of {name}"),
        bytes=_count(record.get("bytes", 0), f"the size of {name}"),
        digest=_text(record.get("digest", ""), f"the digest of {name}"),
        module=_text(record.get("module", ""), f"the module of {name}"),
        stream=_count(record.get("stream", 0), f"the stream of {name}"),
        buffers=tuple(_buffer(b, name) for b in _list(record.get("buffers", []), f"the buffers of {name}")),
        container=_text(record.get("container", ""), f"the container of {name}"),
        order=tuple(_count(i, f"the order of {name}") for i in _list(record.get("order", []), f"the order of {name}")),
        needs=tuple(_text(n, f"the needs of {name}") for n in _list(record.get("needs", []), f"the needs of {name}")),
        implied=record.get("implied", False) is True,
        member=_count(record.get("member", 0), f"the place of {name}"),
        group=_count(record.get("group", 1), f"the group of {name}"),
    )
    if form == "module":
        if not _MODULE.fullmatch(entry.module):
            raise _Malformed(f"{name} names no module that could be imported")
        return entry
    if not _FILE.fullmatch(entry.file):
        raise _Malformed(f"the file of {name} is {entry.file[:60]!r}, not a plain file name")
    if not _DIGEST.fullmatch(entry.digest):
        raise _Malformed(f"{name} has no digest")
    if form == "qpy_list" and entry.container not in {"list", "tuple"}:
        raise _Malformed(f"the container of {name} is {entry.container[:60]!r}")
    end = entry.stream
    for offset, length, _ in entry.buffers:
        if offset < end:
            raise _Malformed(f"the buffers of {name} overlap")
        end = offset + length
    if end > entry.bytes:
        raise _Malformed(f"the buffers of {name} end behind its file")
    return entry


def _buffer(record: Any, name: str) -> tuple[int, int, bool]:
    what = f"a buffer of {name}"
    parts = _list(record, what)
    if len(parts) != 3 or not isinstance(parts[2], bool):
        raise _Malformed(f"{what} is not (offset, length, read-only)")
    return _count(parts[0], what), _count(parts[1], what), parts[2]


def _dict(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Malformed(f"{what} is not an object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise _Malformed(f"{what} is not a list")
    return list(value)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise _Malformed(f"{what} is not text")
    return value


def _texts(value: Any, what: str) -> dict[str, str]:
    return {key: _text(text, f"{what}.{key}") for key, text in _dict(value, what).items()}


def _count(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise _Malformed(f"{what} is not a count")
    return value
