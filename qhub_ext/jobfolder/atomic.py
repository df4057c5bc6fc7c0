"""Whole files only: written beside and renamed, so that a reader never sees half of one; plainly where nobody reads yet."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError


def write_beside(path: Path, data: bytes, *, durable: bool = False, exclusive: bool = False) -> bool:
    """Puts `data` at `path`, mode 0600. `durable` waits for the disk; `exclusive` leaves an existing file and returns False."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        try:
            write_new(draft, data, durable=durable)
            if exclusive:
                os.link(draft, path)  # unlike rename, it fails when somebody was first
                os.unlink(draft)
            else:
                os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):  # it could not even be made
                os.unlink(draft)
            raise
    except FileExistsError:
        if exclusive:
            return False
        raise
    return True


def write_new(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Makes the file at once, mode 0600: for a folder that nobody reads before it is whole. Raises FileExistsError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: Path, record: Any, *, durable: bool = False, exclusive: bool = False) -> bool:
    return write_beside(path, json_bytes(record), durable=durable, exclusive=exclusive)


def json_bytes(record: Any) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "surrogatepass")


def read_json(path: Path) -> Any:
    """Raises FileNotFoundError as it is, and JobFolderError for a file that is not JSON."""
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise JobFolderError(f"{path} is a folder, and a file should be there.", where=str(path)) from error
    try:
        return json.loads(data)
    except ValueError as error:
        raise JobFolderError(f"{path} is not readable as JSON ({error}).", where=str(path)) from error


def read_json_or_none(path: Path) -> Any | None:
    try:
        return read_json(path)
    except FileNotFoundError:
        return None


def read_record_or_none(path: Path) -> dict[str, Any] | None:
    """As `read_json_or_none`; what is no object is none either."""
    record = read_json_or_none(path)
    return record if isinstance(record, dict) else None
