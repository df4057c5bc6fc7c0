"""The shelf: one folder that holds all job folders of a user, and an index that makes listing thousands of them quick.

The index is a cache (SQLite, in the user's cache folder on this host): it holds finished jobs only, each valid as long as
the time of its folder is unchanged, and is rebuilt when it is missing, torn or older than this code. Versions that read other
folders have an index each, so that none lists from the other's what it cannot read itself.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError, UnknownNameError
from qhub_ext.job.identity import is_job_id, short_id, split_element
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import SCHEMA as JOB_SCHEMA
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import FINAL, State
from qhub_ext.jobfolder.archives import read_archives
from qhub_ext.jobfolder.atomic import json_bytes, write_new
from qhub_ext.jobfolder.generation import read_generation
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record, read_spec

INDEX_VERSION = 2
FEW = 100


@dataclass(slots=True)  # to be read only; a frozen one takes five times as long to make, and a listing makes thousands
class Summary:
    """One line of a listing. Moments in s since 1970 UTC; `done` of `size` elements when it is an array."""

    id: str
    name: str
    tier: str
    device: str
    site: str
    state: str
    cause: str | None
    message: str
    created_at: float
    submitted_at: float | None
    running_at: float | None
    ended_at: float | None
    size: int | None
    done: int | None

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def readable(self) -> bool:
        """Not so of a folder that is torn, or of a newer version: what mends it need not change the folder's time."""
        return self.created_at > 0


class Shelf:
    def __init__(self, path: Path, cache: Path | None = None) -> None:
        self.path = path
        self._index = None if cache is None else cache / _index_name(path)
        self._finished: dict[str, tuple[int, Summary]] = {}
        """What this process has listed already, with the stamp of its folder; true as long as the generation is the same."""
        self._generation = ""
        self._listing = threading.Lock()

    def create(
        self,
        spec: JobSpec,
        cell: str,
        write_inputs: Callable[[Path], None],
        runtime: dict[str, Any],
        elements: Sequence[JobSpec] = (),
        notebook: dict[str, Any] | None = None,
        *,
        script: Callable[[JobFolder, JobSpec], str] | None = None,
    ) -> JobFolder:
        """A complete folder, or none: it is put together under another name and renamed when whole. `script` gives the text of what
        the site is to run, by the folder that will be there."""
        final = JobFolder(self.path / spec.id)
        draft = JobFolder(self.path / f".new-{spec.id}")
        try:
            try:
                draft.path.mkdir(mode=0o700)
            except FileNotFoundError:  # the first job
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                draft.path.mkdir(mode=0o700)
            for folder in (draft.inputs, draft.journals):
                folder.mkdir(mode=0o700)
            write_new(draft.spec, json_bytes(spec.to_json()))
            write_new(draft.cell, cell.encode("utf-8", "surrogatepass"))
            if notebook is not None:
                write_new(draft.notebook, json_bytes(notebook))
            write_new(draft.runtime, json_bytes(runtime))
            write_inputs(draft.inputs)
            if script is not None and not elements:
                write_new(draft.script, script(final, spec).encode())
            if elements:
                draft.elements.mkdir(mode=0o700)
            for index, element in enumerate(elements):
                folder_ = draft.element(index)
                for made in (folder_.path, folder_.journals):
                    made.mkdir(mode=0o700)
                write_new(folder_.spec, json_bytes(element.to_json()))
                if script is not None:
                    write_new(folder_.script, script(final.element(index), element).encode())
            os.rename(draft.path, final.path)
        except OSError as error:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise unwritable(error, self.path) from error
        except BaseException:
            shutil.rmtree(draft.path, ignore_errors=True)
            raise
        return final

    def folder(self, job_id: str) -> JobFolder:
        """On the shelf, or where it was moved to."""
        found = folder_of(self.path, job_id)
        if not os.path.lexists(found.bundle_root):
            for archive in read_archives(self.path):
                moved = folder_of(archive, job_id)
                if moved.bundle_root.is_dir():
                    return moved
        return found

    def ids(self) -> list[str]:
        """Of all jobs (an array once), newest first."""
        try:
            with os.scandir(self.path) as entries:
                return sorted((e.name for e in entries if is_job_id(e.name)), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unwritable(error, self.path) from error

    def find(self, reference: str) -> str:
        """The id that a person means: an id, its part behind the hyphen (or an ending of it), a job name, `-1` for the latest."""
        reference = reference.strip()
        head, index = split_element(reference)
        suffix = "" if index is None else f".{index}"
        ids = self.ids()
        if head in ids:
            return self._existing(head + suffix)
        if reference[:1] in ("-", "~") and reference[1:].isdigit() and 0 < int(reference[1:]) <= len(ids):
            return ids[int(reference[1:]) - 1]
        if len(head) >= 3:
            near = [i for i in ids if short_id(i).endswith(head.lower())]
            if len(near) == 1:
                return self._existing(near[0] + suffix)
            if near:
                raise UnknownNameError(
                    f"{reference!r} may mean {', '.join(near[:5])}.", advice="Give one of these in full."
                )
        for summary in self.summaries():
            if summary.name == reference:
                return summary.id
        for archive in read_archives(self.path):
            with contextlib.suppress(UnknownNameError):
                return Shelf(archive, self._index.parent if self._index else None).find(reference)
        if not ids:
            raise UnknownNameError(
                f"There is no job {reference.replace('~', '-')!r}: none was submitted to this shelf yet ({self.path}).",
                advice="`%%qpu` over a cell submits one, `qhub run FILE` a script; QHUB_CONFIG and QHUB_SHELF name another shelf.",
            )
        raise UnknownNameError.among(
            "job",
            reference.replace("~", "-"),
            [short_id(i) for i in ids[:50]],
            advice="`%qpu jobs` or `qhub jobs` lists them.",
        )

    def _existing(self, job_id: str) -> str:
        if not self.folder(job_id).spec.exists():
            raise UnknownNameError(f"There is no job {job_id!r}: its array has no such element.")
        return job_id

    def record(self, job_id: str) -> JobRecord:
        """What the folders say; of an array, what its elements add up to."""
        folder = self.folder(job_id)
        spec = read_spec(folder)
        if spec.size is None:
            return read_record(folder, spec)
        return combine(read_record(folder, spec), [read_record(folder.element(n)) for n in range(spec.size)])

    def again(self, record: JobRecord, changed: Callable[[JobRecord], bool]) -> JobRecord:
        """An array's record with the elements read anew that may have changed since it was read."""
        if not record.parts:
            return self.record(record.id)
        folder = self.folder(record.id)
        parts = [read_record(folder.element(n)) if changed(part) else part for n, part in enumerate(record.parts)]
        return combine(read_record(folder, record.spec), parts)

    def summaries(self, limit: int | None = None) -> list[Summary]:
        """Newest first. Unreadable folders are listed as lost, with the reason, never left out. Threads take turns."""
        with self._listing:
            return self._summaries(limit)

    def _summaries(self, limit: int | None) -> list[Summary]:
        try:
            with os.scandir(self.path) as entries:
                folders = {e.name: e for e in entries if e.name in self._finished or is_job_id(e.name)}
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unwritable(error, self.path) from error
        wanted = sorted(folders, reverse=True)[:limit]
        generation = read_generation(self.path)
        if generation != self._generation:  # a finished job began anew: each is looked at once
            stamps = _stamps(folders[job_id] for job_id in self._finished if job_id in folders)
            self._finished = {i: kept for i, kept in self._finished.items() if stamps.get(i) == kept[0]}
            self._generation = generation
        known = {i: kept[1] for i in wanted if (kept := self._finished.get(i)) is not None}
        missing = [job_id for job_id in wanted if job_id not in known]
        if missing:
            known |= self._look_up(missing, folders, generation)
        return [known[job_id] for job_id in wanted if job_id in known]

    def _look_up(
        self, missing: Sequence[str], folders: dict[str, os.DirEntry[str]], generation: str
    ) -> dict[str, Summary]:
        """From the index on disk, else from the folders; what is finished is kept in both."""
        with self._open_index() as index:
            rows = _read_index(index, missing)
            if len(rows) <= FEW or _checked_in(index) != generation:
                stamps = _stamps(folders[job_id] for job_id in rows)
                rows = {i: row for i, row in rows.items() if stamps.get(i) == row[0]}
            whole = len(missing) == len(folders)
            fresh: dict[str, tuple[int, Summary]] = {}
            known = {job_id: row[1] for job_id, row in rows.items()}
            for job_id in missing:
                if job_id in known or (stamp := _stamp(folders[job_id])) is None:
                    continue
                known[job_id] = self._summarise(job_id)
                if known[job_id].readable and known[job_id].final:
                    fresh[job_id] = (stamp, known[job_id])
            _write_index(index, fresh, generation if whole else None)
        self._finished |= rows | fresh
        return known

    def _summarise(self, job_id: str) -> Summary:
        try:
            return summarise(self.record(job_id))
        except (JobFolderError, OSError) as error:
            return lost_summary(job_id, error, self.path)

    @contextlib.contextmanager
    def _open_index(self) -> Any:
        if self._index is None:
            yield None
            return
        connection: sqlite3.Connection | None = None
        try:
            self._index.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = _connect(self._index)
        except sqlite3.DatabaseError:  # torn: it is only a cache
            with contextlib.suppress(OSError):
                self._index.unlink()
            with contextlib.suppress(sqlite3.DatabaseError):
                connection = _connect(self._index)
        except OSError:  # no place for a cache: listing still works, slower
            connection = None
        try:
            yield connection
        finally:
            if connection is not None:
                connection.close()


def _index_name(shelf: Path) -> str:
    return f"shelf-{hashlib.sha256(f'{shelf} {JOB_SCHEMA}'.encode()).hexdigest()[:16]}.sqlite"


def lost_summary(job_id: str, error: Exception, shelf: Path) -> Summary:
    """Of a folder that cannot be read. A line of a listing has no room for the way to the shelf before the reason."""
    why = str(error).replace(f"{shelf}/", "")
    return Summary(job_id, "", "", "", "", "lost", "integration", why, 0.0, None, None, None, None, None)


def summarise(record: JobRecord) -> Summary:
    spec, attempt = record.spec, record.attempt
    return Summary(
        id=spec.id,
        name=spec.name,
        tier=spec.tier,
        device=spec.device,
        site=spec.site,
        state=record.state.value,
        cause=attempt.cause,
        message=attempt.message or attempt.reason,
        created_at=spec.created_at,
        submitted_at=record.submitted_at,
        running_at=attempt.running_at,
        ended_at=attempt.ended_at,
        size=spec.size,
        done=record.done,
    )


_WORST_FIRST = (State.FAILED, State.TIMED_OUT, State.LOST, State.CANCELLED, State.COMPLETED)


def combine(array: JobRecord, elements: Sequence[JobRecord]) -> JobRecord:
    """An array is running while any element is, waiting while any waits, then as bad as its worst element.

    Its one attempt speaks for the whole: from the first begin to the last end, with the counts of states as message.
    """
    states = [e.state for e in elements]
    latest = [e.attempt for e in elements]
    active = [s for s in states if not s.final]
    if any(s in (State.RUNNING, State.FINISHING, State.STARTING) for s in active):
        state = State.RUNNING
    elif active:
        state = State.HELD if all(s is State.HELD for s in active) else State.QUEUED
    else:
        state = next((s for s in _WORST_FIRST if s in states), State.COMPLETED)
    worst = next((a for a in latest if a.state is state), latest[0] if latest else Attempt())
    begins = [a.running_at for a in latest if a.running_at is not None]
    ends = [a.ended_at for a in latest if a.ended_at is not None]
    # what waits for the site's first look is told as waiting like the rest
    told = [State.QUEUED if s in (State.CREATED, State.SUBMITTED) else s for s in states]
    counts = {s: told.count(s) for s in dict.fromkeys(told)}
    text = ", ".join(f"{n} {s.value.replace('_', ' ')}" for s, n in counts.items())
    whole = replace(
        worst,
        number=1,
        state=state,
        running_at=min(begins, default=None),
        ended_at=max(ends, default=None) if state.final else None,
        message=f"{text}." + (f" {worst.message}" if worst.message and state is not State.COMPLETED else ""),
    )
    submitted = [e.submitted_at for e in elements if e.submitted_at is not None]
    return replace(
        array,
        state=state,
        attempts=(whole,),
        done=sum(1 for s in states if s.final),
        parts=tuple(elements),
        submitted_at=array.submitted_at if array.submitted_at is not None else min(submitted, default=None),
    )


def _stamp(folder: os.DirEntry[str]) -> int | None:
    """None for one that was removed since it was listed."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _stamps(folders: Iterable[os.DirEntry[str]]) -> dict[str, int]:
    return {f.name: stamp for f in folders if (stamp := _stamp(f)) is not None}


_COLUMNS = tuple(Summary.__dataclass_fields__)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != INDEX_VERSION:
        connection.execute("DROP TABLE IF EXISTS finished")
        connection.execute("DROP TABLE IF EXISTS checked")
        connection.execute("CREATE TABLE checked (generation)")
        connection.execute(f"CREATE TABLE finished (stamp INTEGER, {', '.join(_COLUMNS)}, PRIMARY KEY (id))")
        connection.execute(f"PRAGMA user_version = {INDEX_VERSION}")
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _read_index(index: sqlite3.Connection | None, wanted: Sequence[str]) -> dict[str, tuple[int, Summary]]:
    """{id: (stamp of the folder then, summary)}. `wanted` is newest first; a few are asked for by name, many by their range."""
    if index is None or not wanted:
        return {}
    few = len(wanted) <= FEW
    which = f"IN ({', '.join('?' * len(wanted))})" if few else ">= ?"
    asked = wanted if few else wanted[-1:]
    try:
        rows = index.execute(f"SELECT stamp, {', '.join(_COLUMNS)} FROM finished WHERE id {which}", asked).fetchall()
    except sqlite3.DatabaseError:  # locked or torn: read the folders instead
        return {}
    names = set(wanted)
    return {row[1]: (row[0], Summary(*row[1:])) for row in rows if row[1] in names}


def _checked_in(index: sqlite3.Connection | None) -> str | None:
    """The generation in which every row was last held against its folder."""
    if index is None:
        return None
    try:
        row = index.execute("SELECT generation FROM checked").fetchone()
    except sqlite3.DatabaseError:
        return None
    return str(row[0]) if row else None


def _write_index(
    index: sqlite3.Connection | None, fresh: dict[str, tuple[int, Summary]], generation: str | None
) -> None:
    """`generation` is given when the whole shelf was looked at."""
    rows = [(stamp, *(getattr(summary, c) for c in _COLUMNS)) for stamp, summary in fresh.values()]
    if index is None or (not rows and (generation is None or _checked_in(index) == generation)):
        return
    with contextlib.suppress(sqlite3.DatabaseError):  # somebody else is writing the same lines
        index.execute("BEGIN")
        index.executemany(f"INSERT OR REPLACE INTO finished VALUES ({', '.join('?' * (len(_COLUMNS) + 1))})", rows)
        if generation is not None:
            index.execute("DELETE FROM checked")
            index.execute("INSERT INTO checked VALUES (?)", (generation,))
        index.execute("COMMIT")


def unwritable(error: OSError, shelf: Path) -> JobFolderError:
    """What to say of a job folder that could not be written to its end, and was removed again."""
    where = str(error.filename or shelf)
    if error.errno == errno.ENOSPC or error.errno == errno.EDQUOT:
        return JobFolderError(
            f"The disk of {shelf} is full: nothing was submitted.",
            advice="Free some space there, then submit again.",
            where=where,
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return JobFolderError(
            f"Job folders cannot be written to {shelf} ({error.strerror}): nothing was submitted.",
            advice="Set `shelf` in qhub.toml (or QHUB_SHELF) to a folder that you own.",
            where=where,
        )
    return JobFolderError(f"The job folder could not be written: {where}: {error.strerror}.", where=where)


def remove_drafts(shelf: Path, *, older_than_s: float, now: float) -> int:
    """Clears what a killed submission left behind. Returns how many."""
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(shelf):
            path = shelf / name
            if name.startswith(".new-") and now - path.stat().st_mtime > older_than_s:
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
    return removed
