"""Folders that a person has put into `sys.path`, so that a job imports what the notebook imports.

`first` stand before the standard library, as `sys.path.insert(0, ...)` puts them, `last` behind it. What every Python of the
environment looks through anyway, and the folder that it is in, is none of them.
"""

from __future__ import annotations

import functools
import os
import re
import site
import sys
import sysconfig
from collections.abc import Mapping
from typing import Any

_ZIPPED_LIBRARY = re.compile(r"python\d+\.zip")


def own_folders() -> dict[str, list[str]]:
    """Absolute, in their order: {"first": [...], "last": [...]}."""
    return _own_folders(tuple(sys.path), os.getcwd())


@functools.lru_cache(maxsize=1)
def _own_folders(path: tuple[str, ...], here: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"first": [], "last": []}
    place = "first"
    for entry in path:
        folder = os.path.normpath(os.path.join(here, entry))
        if _is_library(folder):
            place = "last"
        elif folder != here and folder not in (*found["first"], *found["last"]):
            found[place].append(folder)
    return found


def add_folders(wanted: Any) -> list[str]:
    """Puts those of another place into this one's `sys.path`, where it has not got them; returns which.

    `wanted` comes from a file: what is no such record adds nothing.
    """
    known = {os.path.abspath(entry) for entry in sys.path}
    first, last = (
        [folder for folder in _texts(wanted, place) if folder not in known and os.path.exists(folder)]
        for place in ("first", "last")
    )
    at = 1 if sys.path[:1] == [""] else 0  # behind the folder that the job is in
    sys.path[at:at] = first
    sys.path += last
    return first + last


def _texts(wanted: Any, place: str) -> list[str]:
    folders = wanted.get(place) if isinstance(wanted, Mapping) else None
    return [f for f in folders if isinstance(f, str) and os.path.isabs(f)] if isinstance(folders, list) else []


def _is_library(folder: str) -> bool:
    if _ZIPPED_LIBRARY.fullmatch(os.path.basename(folder)):
        return True
    return any(folder == library or folder.startswith(library + os.sep) for library in _libraries())


@functools.cache
def _libraries() -> tuple[str, ...]:
    """With the folder of commands, which stands first where a command such as `qhub` is run."""
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    paths = [sysconfig.get_path(name) for name in names] + site.getsitepackages() + [site.getusersitepackages()]
    return tuple(dict.fromkeys(os.path.normpath(path) for path in paths if path))
