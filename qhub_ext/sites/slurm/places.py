"""Where a job is in Slurm's queue: from memory, else from its folder, else (when a claim says that it was sent) from Slurm, by
name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qhub_ext.errors import JobFolderError, SiteError
from qhub_ext.job.identity import split_element
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record, read_spec
from qhub_ext.settings import SlurmSettings
from qhub_ext.sites.slurm import ledger
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.submission import Sender, parcels


class Places:
    def __init__(self, shelf: Path, sender: Sender, settings: SlurmSettings) -> None:
        self._shelf = shelf.expanduser()
        self._sender = sender
        self.settings = settings
        self._known: dict[str, Place] = {}
        self.changes = 0
        """Grows with everything that is learnt."""
        self._folders: dict[str, JobFolder] = {}

    def folder(self, job_id: str) -> JobFolder:
        folder = self._folders.get(job_id)
        if folder is None:
            folder = self._folders[job_id] = folder_of(self._shelf, job_id)
        return folder

    def known(self, job_id: str, folder: JobFolder | None = None) -> Place | None:
        """Without asking Slurm."""
        place = self._known.get(job_id)
        if place is None:
            try:
                place = ledger.place_of(folder or self.folder(job_id))
            except OSError:
                return None
            if place is not None:
                self.learn({job_id: place})
        return place

    def learn(self, places: Mapping[str, Place]) -> None:
        self._known |= places
        self.changes += 1

    def follow(self, job_ids: Iterable[str]) -> bool:
        """Whether another process has sent one of these anew. Where it is since then is known here as well afterwards."""
        moved = {}
        for job_id in job_ids:
            with contextlib.suppress(OSError):  # gone, or closed to us
                place = ledger.place_of(self.folder(job_id))
                if place is not None and place != self._known.get(job_id):
                    moved[job_id] = place
        if moved:
            self.learn(moved)
        return bool(moved)

    def locate(self, job_ids: Sequence[str]) -> dict[str, Place]:
        """Those that Slurm has, or has had. Raises SiteUnreachableError when only Slurm could say."""
        found: dict[str, Place] = {}
        unsure: list[JobFolder] = []
        for job_id in job_ids:
            place = self.known(job_id)
            if place is not None:
                found[job_id] = place
            elif ledger.claims(self.folder(job_id)):
                unsure.append(self.folder(job_id))
        return found | self._recover(unsure) if unsure else found

    def expand(self, job_id: str) -> list[str]:
        """An array stands for its elements."""
        if split_element(job_id)[1] is not None:
            return [job_id]
        try:
            size = read_spec(self.folder(job_id)).size
        except (JobFolderError, FileNotFoundError):
            return [job_id]
        return [job_id] if size is None else [self.folder(job_id).element(index).id for index in range(size)]

    def has_ended(self, job_id: str) -> bool:
        """By its folder."""
        try:
            return read_record(self.folder(job_id)).state.final
        except (JobFolderError, OSError):
            return False

    def _recover(self, folders: Sequence[JobFolder]) -> dict[str, Place]:
        first: dict[str, int] = {}
        since = time.time()
        usable = []
        for folder in folders:
            made = ledger.claims(folder)
            first[folder.id] = made[-1].first_attempt
            since = min(since, made[0].at)
            with contextlib.suppress(SiteError):  # one that cannot be read is no reason to know nothing of the others
                parcels([folder], self.settings, first)
                usable.append(folder)
        wanted = parcels(usable, self.settings, first)
        places = self._sender.find(wanted, since)
        for parcel in wanted:
            for folder in parcel.folders:
                if folder.id in places:
                    with contextlib.suppress(JobFolderError):
                        ledger.write_place(folder, places[folder.id])
        self.learn(places)
        return places
