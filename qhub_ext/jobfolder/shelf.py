"""The shelf: one folder that holds all job folders of a user."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError, UnknownNameError
from qhub_ext.job.array import combine
from qhub_ext.job.identity import is_job_id, short_id, split_element
from qhub_ext.job.record import JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.job.unexplained import without_open_ends
from qhub_ext.jobfolder.archives import read_archives
from qhub_ext.jobfolder.atomic import json_bytes, write_new
from qhub_ext.jobfolder.generation import read_generation
from qhub_ext.jobfolder.index import index_name, is_few, open_index
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record, read_spec
from qhub_ext.jobfolder.summary import Summary, lost_summary, summarise
from qhub_ext.nearest import meant, nearest

NAMED = 60
"""A longer name nobody types."""


class Shelf:
    def __init__(self, path: Path, cache: Path | None = None) -> None:
        self.path = path
        self._index = None if cache is None else cache / index_name(path)
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
            raise _unlisted(error, self.path) from error

    def find(self, reference: str) -> str:
        """The id that a person means: an id, its part behind the hyphen (or an ending of it), a job name, `-1` for the latest; with `.3`
        behind it that element of an array."""
        reference = reference.strip()
        head, index = split_element(reference)
        suffix = "" if index is None else f".{index}"
        ids = self.ids()
        if head in ids:
            return self._existing(head + suffix)
        if head[:1] in ("-", "~") and head[1:].isdigit() and 0 < int(head[1:]) <= len(ids):
            return self._existing(ids[int(head[1:]) - 1] + suffix)
        if len(head) >= 3:
            near = [i for i in ids if short_id(i).endswith(head.lower())]
            if len(near) == 1:
                return self._existing(near[0] + suffix)
            if near:
                raise UnknownNameError(
                    f"{reference!r} may mean {', '.join(near[:5])}.", advice="Give one of these in full."
                )
        by_name = {summary.name: summary.id for summary in reversed(self.summaries())}  # the latest of a name
        if reference in by_name:
            return by_name[reference]
        if suffix and head in by_name:
            return self._existing(by_name[head] + suffix)
        for archive in read_archives(self.path):
            with contextlib.suppress(UnknownNameError):
                return Shelf(archive, self._index.parent if self._index else None).find(reference)
        if not ids:
            raise UnknownNameError(
                f"There is no job {reference.replace('~', '-')!r}: none was submitted to this shelf yet ({self.path}).",
                advice="`%%qpu` over a cell submits one, `qhub run FILE` a script; QHUB_CONFIG and QHUB_SHELF name another shelf.",
            )
        lists = "`%qpu jobs` or `qhub jobs` lists them."
        if near := nearest(reference, [name for name in by_name if len(name) <= NAMED]):
            raise UnknownNameError(f"There is no job {reference!r}.", advice=f"{meant(near)} {lists}")
        known = [short_id(i) for i in ids[:50]]
        raise UnknownNameError.among("job", reference.replace("~", "-"), known, advice=lists)

    def _existing(self, job_id: str) -> str:
        if not self.folder(job_id).spec.exists():
            raise UnknownNameError(f"There is no job {job_id!r}: its array has no such element.")
        return job_id

    def record(self, job_id: str) -> JobRecord:
        """What the folders say; of an array, what its elements add up to. An end that the site may still explain is none yet."""
        folder = self.folder(job_id)
        spec = read_spec(folder)
        if spec.size is None:
            return _shown(folder, spec)
        return combine(read_record(folder, spec), [_shown(folder.element(n)) for n in range(spec.size)])

    def last_word(self, job_id: str) -> JobRecord:
        """The same of a job whose site has no more to say about it."""
        return read_record(self.folder(job_id))

    def again(self, record: JobRecord, changed: Callable[[JobRecord], bool], last: Callable[[str], bool]) -> JobRecord:
        """An array's record with the elements read anew that may have changed since it was read; `last` says of which ones the site has no
        more to say."""
        if not record.parts:
            record, changed = self.record(record.id), lambda part: part.state is State.FINISHING
        folder = self.folder(record.id)

        def read(number: int, part: JobRecord) -> JobRecord:
            element = folder.element(number)
            return read_record(element) if last(part.id) else _shown(element)

        parts = [read(number, part) if changed(part) else part for number, part in enumerate(record.parts)]
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
            raise _unlisted(error, self.path) from error
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
        with open_index(self._index) as index:
            rows = index.read(missing)
            if is_few(rows) or index.generation() != generation:
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
            index.write(fresh, generation if whole else None)
        self._finished |= rows | fresh
        return known

    def _summarise(self, job_id: str) -> Summary:
        try:
            return summarise(self.record(job_id))
        except (JobFolderError, OSError) as error:
            return lost_summary(job_id, error, self.path)


def _shown(folder: JobFolder, spec: JobSpec | None = None) -> JobRecord:
    return without_open_ends(read_record(folder, spec), time.time())


def _stamp(folder: os.DirEntry[str]) -> int | None:
    """None for one that was removed since it was listed."""
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _stamps(folders: Iterable[os.DirEntry[str]]) -> dict[str, int]:
    return {f.name: stamp for f in folders if (stamp := _stamp(f)) is not None}


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


def _unlisted(error: OSError, shelf: Path) -> JobFolderError:
    if isinstance(error, PermissionError):
        return JobFolderError(
            f"The jobs in {shelf} are closed to you ({error.strerror}).",
            advice="Set `shelf` in qhub.toml (or QHUB_SHELF) to a folder of your own.",
            where=str(shelf),
        )
    return JobFolderError(f"The jobs in {shelf} cannot be listed: {error.strerror}.", where=str(shelf))


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
