"""The locks of a user's environments: one `pylock.toml` (PEP 751) each, named by its content, once for all jobs.

    SHELF/.locks/288631aeaf799860.toml
    SHELF/.locks/state-77bc5aab69b5c1548a934f545ca6f8cf    holds the name of the lock of an environment in this state

A job folder has a hard link to its own (or a copy of it), so that it can be read without the shelf.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.runtime import read_runtime

DIGITS = 16
_STATE = re.compile(r"[0-9a-f]{32}")


def digest_of(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:DIGITS]


class LockStore:
    def __init__(self, shelf: Path) -> None:
        self.path = shelf / ".locks"

    def put(self, text: bytes, state: str) -> Path:
        """Its file; that an environment in this state has it is noted."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        place = self.path / f"{digest_of(text)}.toml"
        if not place.exists():
            write_beside(place, text)
        write_beside(self._note(state), place.name.encode())
        return place

    def find(self, state: str) -> Path | None:
        """The lock of an environment in this state; None where none was made yet."""
        if not _STATE.fullmatch(state):
            return None
        with contextlib.suppress(OSError):
            place = self.path / os.path.basename(self._note(state).read_text("utf-8").strip())
            if place.suffix == ".toml" and place.exists():
                return place
        return None

    def _note(self, state: str) -> Path:
        return self.path / f"state-{state}"


def attach(place: Path, folder: JobFolder) -> None:
    """Gives a job folder its lock."""
    try:
        os.link(place, folder.lock)
    except FileExistsError:
        pass
    except OSError:  # another file system, or one without hard links
        write_beside(folder.lock, place.read_bytes(), exclusive=True)


def lock_of(folder: JobFolder) -> Path | None:
    """The lock of a job, from its own folder, else from the shelf. None where it was not made, or not yet."""
    if folder.lock.exists():
        return folder.lock
    runtime = read_runtime(folder.runtime)
    state = str(runtime.get("state", "")) if runtime is not None else ""
    return LockStore(folder.bundle_root.parent).find(state)


def read_lock(folder: JobFolder) -> bytes:
    """Raises JobFolderError where there is none."""
    place = lock_of(folder)
    if place is None:
        raise JobFolderError(
            f"{folder.bundle_root} has no {folder.lock.name}: what was installed is known by name and version only (runtime.json).",
            advice="A lock is made once after an installation; that of an environment that is gone cannot be made any more.",
            where=str(folder.lock),
        )
    return place.read_bytes()
