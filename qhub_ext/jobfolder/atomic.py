"""Whole files only: written beside and renamed, so that a reader never sees half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError


def write_beside(path: Path, data: bytes, *, durable: bool = False, exclusive: bool = False) -> bool:
    """Puts `data` at `path`, mode 0600. `durable` waits for the disk; `exclusive` leaves an existing file and returns False."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(fd, view) :]
                if durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            if exclusive:
                os.link(draft, path)  # unlike rename, it fails when somebody was first
                os.unlink(draft)
            else:
                os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except FileExistsError:
        if exclusive:
            return False
        raise
    return True


def write_json(path: Path, record: Any, *, durable: bool = False, exclusive: bool = False) -> bool:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
    return write_beside(path, text.encode("utf-8", "surrogatepass"), durable=durable, exclusive=exclusive)


def read_json(path: Path) -> Any:
    """Raises FileNotFoundError as it is, and JobFolderError for a file that is not JSON."""
    data = path.read_bytes()
    try:
        return json.loads(data)
    except ValueError as error:
        raise JobFolderError(f"{path} is not readable as JSON ({error}).", where=str(path)) from error


def read_json_or_none(path: Path) -> Any | None:
    try:
        return read_json(path)
    except FileNotFoundError:
        return None
