"""The client of a Slurm cluster. It holds no state that matters: what it remembers is in job folders and in Slurm."""

from __future__ import annotations

import getpass
import os
import pwd
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from qhub_ext.errors import SiteError, SiteUnreachableError
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.settings import Settings
from qhub_ext.sites.scheduler import Finding, QueueEntry, Reason, Refusal, SiteReport, StartEstimate
from qhub_ext.sites.slurm import evidence, ledger, listing
from qhub_ext.sites.slurm.chronicle import Chronicle
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.endings import Endings
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.line import Line
from qhub_ext.sites.slurm.listing import Row
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.poller import Poller, pending
from qhub_ext.sites.slurm.reports import Reports
from qhub_ext.sites.slurm.script import render_script
from qhub_ext.sites.slurm.states import read_state
from qhub_ext.sites.slurm.submission import ASK_AGAIN_S, Parcel, Sender, parcels
from qhub_ext.sites.slurm.verbs import Verbs

_pollers: dict[tuple[object, ...], Poller] = {}


class SlurmSite:
    name = "slurm"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slurm = settings.slurm
        self._commands = Commands(self._slurm.commands, self._slurm.timeout_s)
        self._user = _user()
        self._poller = _shared_poller(settings, self._commands, self._user)
        self._sender = Sender(self._commands, self._slurm, self._user)
        self._places = Places(Path(settings.shelf), self._sender, self._slurm)
        chronicle = Chronicle(self._commands, self._places)
        endings = Endings(self._commands, self._slurm, self._places, self._poller, chronicle)
        self._reports = Reports(self._places, self._poller, chronicle, endings)
        self._line = Line(self._poller, self._user, self._places, self._reports)
        self._verbs = Verbs(
            *(self._commands, self._slurm, self._user), self._sender, self._places, self._poller, self._reports
        )

    # ------------------------------------------------------------------ submitting

    def expect(self, spec: JobSpec) -> AbstractContextManager[None]:
        return self._sender.ahead(spec)

    def meanwhile(self, spec: JobSpec, step: Callable[[], None]) -> None:
        self._sender.meanwhile(spec, step)

    def submit(self, folders: Sequence[JobFolder]) -> dict[str, str]:
        claimed = [f for f in folders if ledger.claims(f)]  # without a claim it was never sent
        known = {f.id: place for f in claimed if (place := self._places.known(f.id, f)) is not None}
        missing = [folder for folder in folders if folder.id not in known]
        sent: dict[str, Place] = {}
        done: list[Parcel] = []
        for parcel in parcels(missing, self._slurm):
            try:
                found = self._sender.send(parcel)
            except SiteUnreachableError:
                raise
            except SiteError as error:
                self._withdraw(done, sent, error)
                raise
            sent |= found
            done.append(parcel)
            self._poller.seed(pending(place.key, self._user) for place in found.values())
        self._places.learn(sent)
        return {folder.id: (known.get(folder.id) or sent[folder.id]).key for folder in folders}

    def _withdraw(self, sent: Sequence[Parcel], places: dict[str, Place], error: SiteError) -> None:
        """All or nothing: one of several was refused, so the others leave the queue, and have left it when this returns.

        Raises SiteUnreachableError when that cannot be said.
        """
        if not sent:
            return
        bases = {place.base for place in places.values()}
        self._commands.run("scancel", "--", *sorted(bases))
        until = time.monotonic() + self._slurm.settle_s
        while not self._have_left(bases):
            if time.monotonic() > until:
                raise SiteUnreachableError(
                    f"{error.message} Others of this submission were queued before, and Slurm has not let go of them yet.",
                    advice="`cancel` ends them.",
                ) from error
            time.sleep(ASK_AGAIN_S)
        self._poller.expire(bases)
        for parcel in sent:
            ledger.forget(parcel.root, parcel.first_attempt, [f for f in parcel.folders if not f.attempt_numbers()])

    def _have_left(self, bases: set[str]) -> bool:
        rows = listing.list_jobs(self._commands, bases, self._user).rows.values()
        return all(read_state(row.state).ended for row in rows)

    def find(self, job_ids: Sequence[str]) -> dict[str, str]:
        return {job_id: place.key for job_id, place in self._places.locate(job_ids).items()}

    def render_script(self, folder: JobFolder, spec: JobSpec | None = None) -> str:
        return render_script(folder, spec or read_spec(folder), self._slurm)

    # ------------------------------------------------------------------ knowing

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]:
        return self._reports.poll(job_ids)

    def queue(self) -> list[QueueEntry]:
        return self._line.entries()

    def estimate(self, job_id: str) -> StartEstimate:
        from qhub_ext.sites.slurm.forecast import estimate_start

        row = self._active(job_id)
        return (
            StartEstimate(None, None, self._reports.absence(job_id))
            if row is None
            else estimate_start(self._commands, row)
        )

    def explain_reason(self, job_id: str) -> Reason:
        from qhub_ext.sites.slurm.forecast import explain_wait

        row = self._active(job_id)
        if row is None:
            if (place := self._places.known(job_id)) is not None:
                self._poller.expire([place.base])  # whoever asks next is not told that it waits
            return Reason("", self._reports.absence(job_id), audience="you")
        place = self._places.known(job_id)
        if place is None or not self._reports.state_of(job_id, place, row).waiting:
            self._poller.expire([row.base])
            return Reason("", "It has started and waits for nothing.", audience="you")
        folder = self._places.folder(job_id)
        begin = read_spec(folder).site_options.get("begin", "")
        return explain_wait(self._commands, row, evidence.unmet(self._places, folder), begin)

    def _active(self, job_id: str) -> Row | None:
        """As Slurm has it now; None when it has ended or was never there."""
        place = self._places.locate([job_id]).get(job_id)
        if place is None:
            return None
        row = listing.list_jobs(self._commands, [place.base], self._user).rows.get(place.key)
        if row is not None and not read_state(row.state).ended:
            return row
        return self._active(job_id) if self._places.follow([job_id]) else None

    def doctor(self) -> list[Finding]:
        from qhub_ext.sites.slurm.checkup import examine

        return examine(self._commands, self._settings, self._user)

    # ------------------------------------------------------------------ acting

    def cancel(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._verbs.cancel(job_ids)

    def hold(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._verbs.hold(job_ids)

    def release(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._verbs.release(job_ids)

    def requeue(self, job_ids: Sequence[str]) -> list[Refusal]:
        return self._verbs.requeue(job_ids)


def _shared_poller(settings: Settings, commands: Commands, user: str) -> Poller:
    """One for all sites of this process that speak to the same cluster."""
    slurm = settings.slurm
    key = (str(slurm.commands), os.environ.get("SLURM_CONF"), slurm.poll_s, slurm.poll_max_s, os.getpid())
    if key not in _pollers:
        _pollers[key] = Poller(
            lambda bases: listing.list_jobs(commands, bases, user),
            *(slurm.poll_s, slurm.poll_max_s),
            ask_all=lambda: listing.list_everything(commands),
        )
    return _pollers[key]


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return getpass.getuser()
