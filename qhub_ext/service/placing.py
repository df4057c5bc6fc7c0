"""From a draft to a job that its site has for good: the folder on the shelf, and the word to the site, exactly once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from qhub_ext.errors import QhubError, SiteUnreachableError
from qhub_ext.job.identity import short_id
from qhub_ext.job.state import State
from qhub_ext.jobfolder.calibrations import CalibrationStore
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import attach
from qhub_ext.jobfolder.shelf import Shelf, unwritable
from qhub_ext.reproduce.giving import give_lock
from qhub_ext.service.draft import Draft
from qhub_ext.service.job_device import VIRTUAL
from qhub_ext.settings import Settings
from qhub_ext.sites.scheduler import SiteScheduler
from qhub_ext.tiers.calibration import known_snapshot


def put_on_shelf(
    shelf: Shelf, site: SiteScheduler, draft: Draft, settings: Settings, writer: str
) -> tuple[list[JobFolder], JournalWriter]:
    """What the site is to run: the folder, or those of an array's elements; and the journal of this submission, still open."""
    folder = shelf.create(
        draft.spec,
        draft.cell,
        draft.frozen.write,
        draft.runtime,
        draft.elements,
        draft.notebook,
        script=site.render_script,
    )
    folders = [folder.element(n) for n in range(len(draft.elements))] or [folder]
    try:
        if draft.lock is not None:
            attach(draft.lock, folder)
        else:
            give_lock(folder, draft.runtime, shelf.path)
        for snapshot in draft.snapshots:
            CalibrationStore(shelf.path).pin(snapshot, folder)
        journal = JournalWriter(folder.journal(writer))
        journal.append("state", state=State.CREATED.value, attempt=1, at=draft.spec.created_at)
        journal.append("state", state=State.SUBMITTED.value, attempt=1)
        known = known_snapshot(
            draft.spec.device,
            shelf.path,
            settings.cache,
            live=draft.spec.tier == "qpu" and draft.spec.resource != VIRTUAL,
        )
        if known is not None:
            journal.append("snapshot", moment="submission", id=known[0], taken_at=known[1])
    except OSError as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise unwritable(error, shelf.path) from error
    return folders, journal


def hand_over(site: SiteScheduler, folder: JobFolder, folders: Sequence[JobFolder]) -> None:
    """A refusal leaves nothing behind; where the answer got lost, the folder stays and that is said."""
    try:
        _send(site, folders)
    except SiteUnreachableError as error:
        raise SiteUnreachableError(
            f"{error.message} Job {short_id(folder.id)} may or may not be queued; it will not be sent twice.",
            advice=f"Look with `%qpu job {short_id(folder.id)}`; `requeue` sends it again if the site does not have it.",
        ) from error
    except QhubError:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise


def _send(site: SiteScheduler, folders: Sequence[JobFolder]) -> None:
    try:
        site.submit(folders)
    except SiteUnreachableError:
        known = site.find([f.id for f in folders])  # the answer was lost, perhaps not the question
        if len(known) != len(folders):
            raise
