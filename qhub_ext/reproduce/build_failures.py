"""What uv says when an environment cannot be built from its lock, as one sentence with what mends it: a table of its words."""

from __future__ import annotations

import errno
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.errors import Cause, EnvironmentMismatchError
from qhub_ext.reproduce.lock import Lock

QUOTED = 300


@dataclass(frozen=True)
class Saying:
    """`means` and `advice` may name the groups of `words`, and of the lock `{python}` and `{packages}`; `quotes` the end or the start of uv's text."""

    words: str
    means: str
    advice: str
    quotes: slice | None = None


_SAYINGS = (
    Saying(
        r"(?i)No interpreter found|No Python|not find.*python",
        "The lock is of Python {python}, and no such Python was found here.",
        "Load or install one, or run with --runtime current.",
    ),
    Saying(
        r"\b(?P<answer>401 Unauthorized|403 Forbidden)\b",
        "The package index refused to answer ({answer}).",
        "Give uv or pip the credentials that it wants, or name another index.",
    ),
    Saying(
        r"(?P<name>[\w.-]+)==(?P<version>[\w.!+-]+) has no wheels with a matching (?P<what>platform|Python)",
        "The lock's file of {name} {version} is for another {what} than there is here.",
        "Run the job where that {what} is, or with --runtime current.",
    ),
    Saying(
        # what a build itself needs comes from the index: a failure to have that is told further down
        r"^(?!.*build-system\.requires).*Failed to build `(?P<name>[\w.-]+)==(?P<version>[\w.!+-]+)`",
        "{name} {version} of the lock is there as source only, and could not be built here.",
        "Put a wheel of it where pip finds it (--find-links), or run with --runtime current.",
        slice(-QUOTED, None),
    ),
    Saying(
        r"(?i)error sending request|dns error|Could not connect|Connection refused|Failed to fetch|timed out|\bnetwork\b",
        "The package index could not be reached, and uv's cache has not all of the lock's {packages} packages.",
        'Build it where the index can be reached (`build = "before"` in [runtimes.TIER]), or fill uv\'s cache there first.',
        slice(QUOTED),
    ),
    Saying(
        r"Hash mismatch for `(?P<file>[^`]+)`",
        "The index has another file for {file} than the lock names: it was not installed.",
        "Ask whoever keeps the index; the lock names the file by its hash.",
    ),
    Saying(
        r"(?:no version of|only .*?(?=[\w.-]+==)) ?(?P<pinned>[\w.-]+==[\w.!+-]+)",
        "{pinned} of the lock is not on the package index (any more): it may have been withdrawn.",
        "Put its file where pip finds it (--find-links), or run with --runtime current.",
    ),
    Saying(
        r"not found in the package registry and you require (?P<pinned>[\w.-]+==[\w.!+-]+)(?=[, ])",
        "{pinned} of the lock is not on the package index (any more): it may have been withdrawn.",
        "Put its file where pip finds it (--find-links), or run with --runtime current.",
    ),
    Saying(
        r"(?:does not exist|Distribution not found at): ?`?(?P<folder>\S+?)`?(?:\s|$)",
        "The lock has a package of the folder {folder}, which is not here.",
        "Put its source there, or run with --runtime current.",
    ),
)
"""In this order: uv's text often has the words of several."""


def explain_build(said: str, lock: Lock, place: Path) -> EnvironmentMismatchError:
    """uv's words on standard error as one sentence. Of a full disk, what was built is removed."""
    text = " ".join(re.sub(r"[├╰│▶×─]", " ", re.sub(r"^Using Python .*$", "", said, flags=re.MULTILINE)).split())
    if re.search(r"No space left|os error 28|Disk quota|os error 122", text):
        return no_room(place, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    for saying in _SAYINGS:
        found = re.search(saying.words, text)
        if found:
            facts = {"python": lock.python, "packages": len(lock.versions), **found.groupdict()}
            return EnvironmentMismatchError(
                saying.means.format(**facts),
                advice=saying.advice.format(**facts),
                where=text[saying.quotes] if saying.quotes else "",
            )
    return EnvironmentMismatchError(f"uv could not build the environment of the lock: {text[:400]}", advice="")


def no_room(place: Path, error: OSError) -> EnvironmentMismatchError:
    """Of a folder that cannot be written; what is in it is removed."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    shutil.rmtree(place, ignore_errors=True)
    found = EnvironmentMismatchError(
        f"The environment could not be built in {place.parent}: "
        + ("the disk is full." if full else f"{error.strerror}."),
        advice="Make room there, or name another folder: `environments` in qhub.toml.",
    )
    found.cause = Cause.RESOURCES if full else Cause.ENVIRONMENT
    return found
