"""Cancel, hold, release and requeue: what is asked of Slurm for many jobs at once, and who was refused why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from qhub_ext.errors import JobFolderError, SiteError, SiteUnreachableError
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.settings import SlurmSettings
from qhub_ext.sites.scheduler import Refusal
from qhub_ext.sites.slurm import ledger, listing
from qhub_ext.sites.slurm.commands import Commands, portions, unreachable
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.listing import Row
from qhub_ext.sites.slurm.options import ranges
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.poller import Poller, pending
from qhub_ext.sites.slurm.reports import Reports
from qhub_ext.sites.slurm.states import read_state
from qhub_ext.sites.slurm.submission import Sender, parcels


class Verbs:
    def __init__(
        self,
        commands: Commands,
        settings: SlurmSettings,
        user: str,
        sender: Sender,
        places: Places,
        poller: Poller,
        reports: Reports,
    ) -> None:
        self._commands = commands
        self._settings = settings
        self._user = user
        self._sender = sender
        self._places = places
        self._poller = poller
        self._reports = reports

    def cancel(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        active: dict[str, Place] = {}
        for job_id, (place, row) in places.items():
            if row is None or read_state(row.state).ended or self._reports.is_sealed(job_id, place, row):
                refusals.append(Refusal(job_id, self._reports.absence(job_id)))
            else:
                self._announce(job_id, place, row, "cancel")
                active[job_id] = place
        return refusals + self._apply("scancel", [], active)

    def hold(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        wanted: dict[str, Place] = {}
        for job_id, (place, row) in places.items():
            if row is None or read_state(row.state).ended:
                refusals.append(Refusal(job_id, self._reports.absence(job_id)))
            elif not self._reports.state_of(job_id, place, row).waiting:
                refusals.append(Refusal(job_id, "It has started; only a waiting job can be held."))
            else:
                wanted[job_id] = place
        # uhold: a hold of the owner's own, which the owner may release
        return refusals + self._apply("scontrol", ["uhold"], wanted)

    def release(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        wanted: dict[str, Place] = {}
        for job_id, (place, row) in places.items():
            if row is None or read_state(row.state).ended:
                refusals.append(Refusal(job_id, self._reports.absence(job_id)))
                continue
            state = self._reports.state_of(job_id, place, row)
            if state is State.HELD:
                wanted[job_id] = place
            else:
                refusals.append(Refusal(job_id, "It is not held." if state.waiting else "It has started."))
        return refusals + self._apply("scontrol", ["release"], wanted)

    def requeue(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        again: dict[str, Place] = {}
        anew: list[str] = []
        for job_id, (place, row) in places.items():
            if row is None:
                anew.append(job_id)
            elif self._reports.state_of(job_id, place, row).waiting:
                refusals.append(Refusal(job_id, "It is waiting already."))
            elif not read_state(row.state).ended:
                self._announce(job_id, place, row, "requeue")
                again[job_id] = place
            elif not self._places.folder(job_id).attempt(place.first_attempt + row.restarts).launch.exists():
                self._reports.absence(job_id)  # how it ended is told before it begins anew
                anew.append(job_id)  # it never ran: Slurm would keep its hold, or a dependency that has failed
            else:
                again[job_id] = place
        refused = self._apply("scontrol", ["requeue"], again)
        unwilling = {refusal.job_id for refusal in refused}
        for job_id, place in again.items():
            row = places[job_id][1]
            if job_id not in unwilling and row is not None:
                number = place.first_attempt + row.restarts + 1
                folder = self._places.folder(job_id)
                ledger.say(folder, "state", state="queued", attempt=number, reason=read_state("REQUEUED").sentence)
                ledger.refresh(folder)
        # what Slurm has forgotten, or will not run again, is sent once more
        anew += [r.job_id for r in refused if self._places.has_ended(r.job_id)]
        refusals += [r for r in refused if r.job_id not in anew]
        return refusals + self._send_again(anew)

    def _send_again(self, job_ids: Sequence[str]) -> list[Refusal]:
        folders = [self._places.folder(job_id) for job_id in job_ids]
        first = {f.id: max([*f.attempt_numbers(), *_numbers(read_record(f))], default=0) + 1 for f in folders}
        refusals: list[Refusal] = []
        for parcel in parcels(folders, self._settings, first):
            try:
                found = self._sender.send(parcel)
            except SiteError as error:
                refusals += [Refusal(folder.id, error.message) for folder in parcel.folders]
                continue
            self._places.learn(found)
            self._poller.seed(pending(place.key, self._user) for place in found.values())
            for folder in parcel.folders:
                ledger.refresh(folder)
        return refusals

    # ------------------------------------------------------------------

    def _addressed(self, job_ids: Sequence[str]) -> tuple[dict[str, tuple[Place, Row | None]], list[Refusal]]:
        """An array stands for its elements. Asks Slurm anew: a verb acts on what is, not on what was."""
        expanded = list(dict.fromkeys(member for job_id in job_ids for member in self._places.expand(job_id)))
        places = self._places.locate(expanded)
        refusals = [Refusal(i, "The site does not know this job.") for i in expanded if i not in places]
        try:
            rows = listing.list_jobs(self._commands, {p.base for p in places.values()}, self._user).rows
        except SiteUnreachableError as error:
            raise SiteUnreachableError(
                error.message, advice="Nothing was done; say it again when Slurm answers."
            ) from error
        over = (i for i, p in places.items() if (row := rows.get(p.key)) is None or read_state(row.state).ended)
        if self._places.follow(over):
            return self._addressed(job_ids)
        return {job_id: (place, rows.get(place.key)) for job_id, place in places.items()}, refusals

    def _announce(self, job_id: str, place: Place, row: Row, why: str) -> None:
        """The runner reads it when the TERM arrives; and of an array's element that waits, Slurm keeps no record."""
        if why == "cancel" or not read_state(row.state, row.reason).state.waiting:
            with contextlib.suppress(JobFolderError):  # a full disk is no reason not to cancel
                ledger.say(self._places.folder(job_id), "stop", why=why, attempt=place.first_attempt + row.restarts)

    def _apply(self, command: str, words: list[str], places: dict[str, Place]) -> list[Refusal]:
        """One command for very many; when it complains, one each, to know which of them it does not like."""
        several = list(portions(places))
        if len(several) != 1:
            parts = ({job_id: places[job_id] for job_id in some} for some in several)
            return [refusal for part in parts for refusal in self._apply(command, words, part)]
        keys = {place.key: job_id for job_id, place in places.items()}
        answer = self._commands.run(command, *words, *_targets(command, list(keys)))
        self._poller.expire({place.base for place in places.values()})
        if answer.ok:
            return []
        if answer.silent:
            error = unreachable(" ".join([command, *words]), answer)
            raise SiteUnreachableError(
                error.message, advice="It may have been done all the same: look when Slurm answers."
            )
        if len(keys) == 1:
            return [Refusal(next(iter(keys.values())), answer.sentence or f"{command} failed.")]
        return [refusal for job_id, place in places.items() for refusal in self._apply(command, words, {job_id: place})]


def _targets(command: str, keys: list[str]) -> list[str]:
    """Elements as `8_[0-499]`: one request instead of one each."""
    tasks: dict[str, list[int]] = {}
    for key in keys:
        base, _, task = key.partition("_")
        tasks.setdefault(base, []).extend([int(task)] if task else [])
    words = [
        f"{base}_[{ranges(some)}]" if len(some) > 1 else f"{base}_{some[0]}" if some else base
        for base, some in tasks.items()
    ]
    return words if command == "scancel" else [",".join(words)]


def _numbers(record: JobRecord) -> Iterable[int]:
    return [attempt.number for attempt in record.attempts if attempt.state is not State.CREATED]
