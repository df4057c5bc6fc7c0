"""Whose a folder is. Who may write where this process reads commands or pickles can run code as its user."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Exposure:
    """Why a folder is not this user's alone: a part of a sentence about it, and the command that mends it ("" where only its owner could)."""

    words: str
    mend: str = ""


def find_exposure(folder: Path) -> Exposure | None:
    """None for a folder of this user that nobody else can write to. Raises OSError."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        return Exposure(f"belongs to another user (uid {found.st_uid})")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        words = f"can be written to by others (mode {stat.S_IMODE(found.st_mode):o})"
        return Exposure(words, f"chmod 700 {str(folder)!r}")
    return None


def give_to_owner(path: Path) -> None:
    """What root has made in another user's folder is that user's, who could not read it otherwise."""
    if os.geteuid() == 0 and (owner := os.stat(path.parent)).st_uid != 0:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
