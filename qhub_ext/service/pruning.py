"""Old jobs leave the shelf: removed, or moved into an archive, where they are found as before."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.errors import JobFolderError, NewerVersionError, UserError
from qhub_ext.jobfolder.archives import add_archive
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import attach, lock_of
from qhub_ext.jobfolder.outcome import read_spec, require_own
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.jobfolder.summary import Summary

SETTLED_S = 3600.0
"""A torn folder in which something changed so lately may be in somebody's hands."""


@dataclass(frozen=True)
class Leaving:
    """A job that would go, with the bytes that its folder takes and the reason."""

    job: Summary
    size: int
    why: str


def choose(
    shelf: Shelf, now: float, *, older_than_s: float | None, keep_bytes: int | None
) -> tuple[list[Leaving], int]:
    """Ended jobs that are too old, then the oldest others until the rest takes no more than it may; and what the shelf takes now.

    A job that an active one waits for stays, and so does a folder of a newer version. A torn one, of which nobody can say when its job
    ended, is as old as the last change in it.
    """
    summaries = shelf.summaries()
    needed = {i.partition(".")[0] for s in summaries if not s.final for i in _waits_for(shelf, s)}
    ended = [s for s in reversed(summaries) if s.final and s.id not in needed and (shelf.path / s.id).is_dir()]
    old = [s for s in ended if older_than_s is not None and now - _moment(shelf, s) > older_than_s]
    old = [s for s in old if _may_go(shelf, s, now)]
    if keep_bytes is None:
        return [Leaving(s, size_of(shelf.path / s.id), _because("age", s)) for s in old], 0
    sizes = {s.id: size_of(shelf.path / s.id) for s in summaries}
    chosen = [Leaving(s, sizes[s.id], _because("age", s)) for s in old]
    total = sum(sizes.values())
    left = total - sum(one.size for one in chosen)
    gone = {one.job.id for one in chosen}
    for s in ended:
        if left <= keep_bytes:
            break
        if s.id not in gone and _may_go(shelf, s, now):
            chosen.append(Leaving(s, sizes[s.id], _because("size", s)))
            left -= sizes[s.id]
    return chosen, total


def _waits_for(shelf: Shelf, summary: Summary) -> Iterable[str]:
    try:
        return read_spec(shelf.folder(summary.id)).after
    except JobFolderError:
        return ()


def _because(why: str, summary: Summary) -> str:
    return why if summary.readable else f"{why}, torn"


def _moment(shelf: Shelf, summary: Summary) -> float:
    return summary.ended_at or summary.created_at or _last_change(shelf.path / summary.id)


def _may_go(shelf: Shelf, summary: Summary, now: float) -> bool:
    folder = shelf.folder(summary.id)
    torn = not summary.readable
    try:
        read_spec(folder)
    except NewerVersionError:
        return False
    except JobFolderError:
        torn = True
    except OSError:  # perhaps another time
        return False
    return not torn or (_mine(folder) and now - _last_change(folder.path) > SETTLED_S)


def _mine(folder: JobFolder) -> bool:
    try:
        require_own(folder)
    except (JobFolderError, OSError):
        return False
    return True


def _last_change(folder: Path) -> float:
    """In s since 1970 UTC."""
    found = [0.0]
    for root, _, names in os.walk(folder):
        for path in (root, *(os.path.join(root, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.lstat(path).st_mtime)
    return max(found)


def size_of(folder: Path) -> int:
    """Bytes on the disk; a file that several jobs share counts for each by its part."""
    total = 0.0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(root, name))
            except FileNotFoundError:
                continue
            total += found.st_blocks * 512 / max(1, found.st_nlink)
    return int(total)


def remove(shelf: Shelf, jobs: Sequence[Leaving]) -> None:
    """Each is gone for every reader at once, and then from the disk."""
    for one in jobs:
        gone = shelf.path / f".new-gone-{one.job.id}"  # what a killed removal leaves is cleared with other drafts
        require_own(JobFolder(shelf.path / one.job.id))
        os.rename(shelf.path / one.job.id, gone)
        shutil.rmtree(gone, ignore_errors=True)


def move(shelf: Shelf, jobs: Sequence[Leaving], archive: Path) -> None:
    """Into an archive, which the shelf remembers. A job is in one of the two places at any time. Raises UserError."""
    archive = archive.absolute()
    if archive == shelf.path.absolute() or shelf.path.absolute() in archive.parents:
        raise UserError(f"{archive} lies on the shelf itself.", advice="Name a folder elsewhere.")
    try:
        archive.mkdir(mode=0o700, parents=True, exist_ok=True)
        add_archive(shelf.path, archive)
        for one in jobs:
            _move(JobFolder(shelf.path / one.job.id), archive / one.job.id, shelf.path)
    except OSError as error:
        raise UserError(
            f"{error.filename or archive} cannot be written: {error.strerror}. What was moved before stays moved."
        ) from error


def _move(folder: JobFolder, target: Path, shelf: Path) -> None:
    lock = lock_of(folder)
    if lock is not None and not folder.lock.exists():
        attach(lock, folder)  # the archive has no locks of its own
    try:
        os.rename(folder.path, target)  # on one file system: at once, however large it is
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    draft = target.with_name(f".new-{target.name}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(folder.path, draft, symlinks=True)
    os.chmod(draft, 0o700)
    os.rename(draft, target)
    gone = shelf / f".new-gone-{folder.path.name}"
    os.rename(folder.path, gone)
    shutil.rmtree(gone, ignore_errors=True)
