"""What happened on the shelf since the last look. Blocking, and used by one thread at a time; never asks a site."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.pulse import Pulse, ShelfPulse, take_pulse, take_shelf_pulse

if TYPE_CHECKING:
    from qhub_ext.job.record import JobRecord
    from qhub_ext.jobfolder.summary import Summary
    from qhub_ext.service import JobService


@dataclass
class Seen:
    """`records` of jobs that may still change, `settled` of those that are at their end or cannot be read."""

    records: dict[str, JobRecord] = field(default_factory=dict)
    settled: dict[str, Summary] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.records or self.settled or self.removed or self.printed)


class Lookout:
    def __init__(self, service: JobService) -> None:
        self.service = service
        self.broken = False
        """A look ended half way, and what it had seen is lost: begin anew."""
        self._shelf = ShelfPulse(-1.0, "")
        self._known: set[str] = set()
        self._pulses: dict[str, list[Pulse]] = {}
        """Of the jobs that may still change; a pulse per element of an array."""

    def look(self) -> Seen:
        """The first look tells of every job. Raises JobFolderError for a shelf that cannot be read."""
        try:
            self.broken = True
            seen = self._look()
            self.broken = False
            return seen
        except OSError as error:
            shelf = self.service.shelf.path
            raise JobFolderError(
                f"The shelf {shelf} cannot be read: {error.strerror}.",
                advice="Set `shelf` in qhub.toml (or QHUB_SHELF) to a folder that you own.",
                where=str(shelf),
            ) from error

    def _look(self) -> Seen:
        seen = Seen()
        before = self._shelf
        now = take_shelf_pulse(self.service.shelf.path, time.time())
        if before.generation != now.generation or not self._known:
            self._list_all(seen)
        elif before.names != now.names:
            self._list_names(seen)
        self._shelf = now
        for job_id in [i for i in self._pulses if i not in seen.records]:
            self._feel(job_id, seen)
        return seen

    def _list_all(self, seen: Seen) -> None:
        found = {s.id: s for s in self.service.shelf.summaries()}
        for job_id, summary in found.items():
            if not summary.final:
                self._read(job_id, seen)
            else:
                self._pulses.pop(job_id, None)
                seen.settled[job_id] = summary
        self._forget(self._known - found.keys(), seen)
        self._known = set(found)

    def _list_names(self, seen: Seen) -> None:
        found = set(self.service.shelf.ids())
        for job_id in found - self._known:
            self._read(job_id, seen)
        self._forget(self._known - found, seen)
        self._known = found

    def _forget(self, gone: set[str], seen: Seen) -> None:
        seen.removed += gone
        for job_id in gone:
            self._pulses.pop(job_id, None)

    def _feel(self, job_id: str, seen: Seen) -> None:
        before = self._pulses[job_id]
        try:
            now = self._take(job_id, len(before))
        except OSError:  # gone, or closed: reading it says which
            self._read(job_id, seen)
            return
        if [p.events for p in before] != [p.events for p in now]:
            self._read(job_id, seen)
        if before != now and sum(p.outputs for p in before) != sum(p.outputs for p in now):
            seen.printed.append(job_id)
        if job_id in self._pulses:
            self._pulses[job_id] = now

    def _take(self, job_id: str, count: int) -> list[Pulse]:
        folder = self.service.shelf.folder(job_id)
        pulses = [take_pulse(folder)]
        return pulses + [take_pulse(folder.element(n)) for n in range(count - 1)]

    def _read(self, job_id: str, seen: Seen) -> None:
        from qhub_ext.jobfolder.summary import lost_summary, summarise
        from qhub_ext.service.knowledge import undecided

        try:
            size = self.service.spec(job_id).size
            self._pulses[job_id] = self._take(
                job_id, 1 + (size or 0)
            )  # before the reading: what comes between is seen next time
            record = self.service.shelf.record(job_id)
        except (JobFolderError, OSError) as error:
            self._pulses.pop(job_id, None)
            if self.service.shelf.folder(job_id).path.exists():
                seen.settled[job_id] = lost_summary(job_id, error, self.service.shelf.path)
            else:
                self._known.discard(job_id)
                seen.removed.append(job_id)
            return
        if record.state.final and not undecided(record):
            del self._pulses[job_id]
            seen.settled[job_id] = summarise(record)
        else:
            seen.records[job_id] = record
