"""Exactly once. A claim in the folder says, before sbatch is started, that the job is being handed over; so a folder without a
claim was never sent, and one with a claim but without Slurm's id is asked for by name before anything is sent again.

sbatch may fail after Slurm has accepted the job (its answer was lost, it was killed, the deadline passed), and Slurm may accept
it a moment later still. So the question is asked until it has settled, and should the job be queued twice all the same, the
script lets only one of the two begin.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.errors import JobFolderError, SiteError, SiteUnreachableError
from qhub_ext.job.identity import split_element
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record, read_spec
from qhub_ext.settings import SlurmSettings
from qhub_ext.sites.sendable import read_sendable
from qhub_ext.sites.slurm import accounting, ledger, listing
from qhub_ext.sites.slurm.commands import Answer, Commands, Running, unreachable
from qhub_ext.sites.slurm.ledger import Claim, Place
from qhub_ext.sites.slurm.options import arguments, ask, job_name
from qhub_ext.sites.slurm.refusals import refusal_of
from qhub_ext.sites.slurm.script import render_dispatcher

_NUMBER = re.compile(rb"\d+(;[^\n]*)?\n")
"""Slurm's word that it has taken the job in."""
TRIES = 3
QUIET_S = 60.0
"""A claim of another process that is younger may still be on its way."""
ASK_AGAIN_S = 0.2


@dataclass(frozen=True)
class Parcel:
    """One call of sbatch: a job, or neighbouring elements of an array. `offset` is added to Slurm's element numbers."""

    root: JobFolder
    folders: tuple[JobFolder, ...]
    spec: JobSpec
    elements: tuple[int, ...] = ()
    offset: int = 0
    first_attempt: int = 1

    @property
    def name(self) -> str:
        """As Slurm knows it; the parts of a long array differ in it."""
        return job_name(self.spec) + (f".from{self.offset}" if self.offset else "")

    @property
    def numbers(self) -> list[int]:
        """Slurm's own of its elements."""
        return [index - self.offset for index in self.elements]

    def places(self, base: str) -> dict[str, Place]:
        if not self.elements:
            return {self.folders[0].id: Place(base, self.first_attempt)}
        return {
            folder.id: Place(f"{base}_{number}", self.first_attempt)
            for folder, number in zip(self.folders, self.numbers, strict=True)
        }


class Sender:
    def __init__(self, commands: Commands, settings: SlurmSettings, user: str) -> None:
        self._commands = commands
        self._settings = settings
        self._user = user
        self._early: dict[str, Running] = {}
        self._journals: dict[str, JournalWriter] = {}
        self._steps: dict[str, Callable[[], None]] = {}

    def send(self, parcel: Parcel) -> dict[str, Place]:
        """The places of these folders. Raises SiteError (nothing is queued) or SiteUnreachableError (nobody knows)."""
        try:
            return self._send(parcel)
        finally:
            if (journal := self._journals.pop(parcel.root.id, None)) is not None:
                journal.close()

    def _send(self, parcel: Parcel) -> dict[str, Place]:
        earlier = [claim for folder in parcel.folders[:1] for claim in ledger.claims(folder)]
        earlier = [claim for claim in earlier if claim.torn or claim.first_attempt >= parcel.first_attempt]
        if earlier:
            found = self.find([parcel], since=earlier[0].at)
            if found:
                return self._note(parcel, found)
            if time.time() - earlier[-1].at < max(QUIET_S, self._settings.timeout_s):
                raise SiteUnreachableError(
                    "The job was sent a moment ago and Slurm does not show it yet.",
                    advice="Ask again in a minute; it will not be sent twice.",
                )
        for _ in range(TRIES):
            try:
                claim = ledger.make_claim(parcel.root, list(parcel.elements), parcel.first_attempt)
            except OSError as error:
                raise SiteError(
                    f"{parcel.root.path} cannot be written to ({error.strerror}); nothing was queued.",
                    advice="Make room there, or mend its rights, then submit again.",
                ) from error
            if claim is None:
                raise SiteUnreachableError(
                    "Another process is sending this job at this moment.", advice="Look again soon."
                )
            found = self._try(parcel, claim)
            if found:
                return self._note(parcel, found)
        raise SiteUnreachableError(
            f"sbatch was ended {TRIES} times before it could answer, and Slurm does not have the job.",
            advice="`requeue` sends it again.",
        )

    def find(self, parcels: Sequence[Parcel], since: float) -> dict[str, Place]:
        """Places of those that have begun, by their folders; of the others that Slurm knows, or has known, by name. Raises
        SiteUnreachableError when it cannot be asked."""
        begun = {
            folder.id: parcel.places(base)[folder.id]
            for parcel in parcels
            for folder in parcel.folders
            if (base := ledger.launched_as(folder, parcel.first_attempt)) is not None
        }
        parcels = [parcel for parcel in parcels if any(folder.id not in begun for folder in parcel.folders)]
        if not parcels:
            return begun
        by_name = {parcel.name: parcel for parcel in parcels}
        found: dict[str, tuple[float, Place]] = {}

        def see(name: str, key: str, submitted: float | None) -> None:
            parcel = by_name.get(name)
            base = key.partition("_")[0]
            if parcel is None:
                return
            for job_id, place in parcel.places(base).items():
                if place.key == key and (submitted or 0.0) >= found.get(job_id, (0.0, place))[0]:
                    found[job_id] = (submitted or 0.0, place)

        for row in listing.list_names(self._commands, by_name, self._user).rows.values():
            if not row.component and not _never_queued(row.state, row.reason):
                see(row.name, row.key, row.submitted)
        absent = [p.name for p in parcels if any(f.id not in found for f in p.folders)]
        if absent and time.time() - since > QUIET_S:  # younger ones are in slurmctld's own memory
            try:
                for key, endings in accounting.list_named_endings(self._commands, absent, since).items():
                    last = endings[-1]
                    if not _never_queued(last.state, last.reason):
                        see(last.name, key, last.submitted)
            except SiteUnreachableError:
                if any(folder.attempt_numbers() for p in parcels for folder in p.folders):
                    raise  # it has run, and only the books can say under which number
        return {job_id: place for job_id, (_, place) in found.items()} | begun

    # ------------------------------------------------------------------

    def _try(self, parcel: Parcel, claim: Claim) -> dict[str, Place]:
        """Empty when Slurm, asked until it has settled, does not have it. Raises when that cannot be said."""
        try:
            answer = self._sbatch(parcel)
        except SiteError:
            ledger.drop_claim(parcel.root, claim)
            raise
        match = re.match(r"(\d+)(;|\s|$)", answer.output)
        if answer.ok and match:
            return parcel.places(match[1])
        if answer.code is not None and answer.code > 0 and not answer.silent:
            ledger.drop_claim(parcel.root, claim)
            raise refusal_of(parcel.spec, answer)
        until = time.monotonic() + self._settings.settle_s
        pause = ASK_AGAIN_S
        while True:
            try:
                found = self.find([parcel], since=claim.at)
            except SiteError as error:
                raise unreachable("sbatch", answer) from error
            if found:
                return found
            if time.monotonic() >= until:
                break
            time.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause *= 2
        if answer.code is None or (answer.code > 0 and answer.silent):
            # Slurm itself was slow: it may still take the request from its socket
            raise unreachable("sbatch", answer)
        return {}

    @contextlib.contextmanager
    def ahead(self, spec: JobSpec) -> Iterator[None]:
        """Starts sbatch for a job whose folder is being written meanwhile: its libraries take as long to load as its question
        to Slurm. It waits for the script, and without one it submits nothing; `send` hands it over after the claim."""
        if spec.id in self._early:  # begun further out
            yield
            return
        early = None
        try:
            if spec.size is None and not spec.after:
                self._early[spec.id] = early = self._start(_words(spec, self._settings), first_attempt=1)
                early.move_apart()
            yield
        finally:
            self._steps.pop(spec.id, None)
            if early is not None and self._early.pop(spec.id, None) is early:
                early.end()

    def meanwhile(self, spec: JobSpec, step: Callable[[], None]) -> None:
        """What is done while sbatch works on this job; where it never does, not at all."""
        self._steps[spec.id] = step

    def _start(self, words: list[str], first_attempt: int) -> Running:
        return self._commands.start("sbatch", *words, extra=_variables(first_attempt), waits=True)

    def _sbatch(self, parcel: Parcel) -> Answer:
        words = _words(parcel.spec, self._settings, parcel.name, self._after(parcel), parcel.numbers)
        text = render_dispatcher(parcel.root, parcel.offset) if parcel.elements else None
        if text is None:
            try:
                text = parcel.folders[0].script.read_text("utf-8", "surrogateescape")
            except OSError as error:
                raise SiteError(
                    f"{parcel.folders[0].script} cannot be read ({error.strerror}); nothing was queued."
                ) from error
        running = self._early.pop(parcel.root.id, None)
        if running is not None and running.started_with != (tuple(words), _variables(parcel.first_attempt)):
            running.end()
            running = None
        running = running or self._start(words, parcel.first_attempt)
        return running.finish(
            text, self._commands.timeout_s, enough=_NUMBER, meanwhile=lambda: self._use_the_wait(parcel)
        )

    def _after(self, parcel: Parcel) -> list[str]:
        """Slurm's ids of the jobs that must complete first. Those that have need not be waited for."""
        shelf = parcel.root.path.parent
        found: dict[str, None] = {}
        for job_id in parcel.spec.after:
            folder = folder_of(shelf, job_id)
            for member in _members(folder, job_id):
                record = read_record(member)
                if record.state is State.COMPLETED:
                    continue
                if record.state.final:
                    raise SiteError(
                        f"{job_id}, which it waits for, ended as {record.state.value.replace('_', ' ')}; nothing was queued.",
                        advice="Run that job again first.",
                    )
                place = ledger.place_of(member)
                if place is None:
                    raise SiteError(
                        f"{job_id}, which it waits for, is not queued at Slurm; nothing was queued.",
                        advice="Submit that job first.",
                    )
                _, element = split_element(job_id)
                found[place.key if element is not None else place.base] = None
        return list(found)

    def _note(self, parcel: Parcel, found: dict[str, Place]) -> dict[str, Place]:
        for folder in parcel.folders:
            place = found.get(folder.id)
            if place is not None:
                with contextlib.suppress(JobFolderError):  # it is queued all the same, and its claim finds it again
                    ledger.write_place(folder, place, self._journals.get(folder.id))
        return found

    def _use_the_wait(self, parcel: Parcel) -> None:
        self._open_journal(parcel)
        step = self._steps.pop(parcel.root.id, None)
        if step is not None:
            step()

    def _open_journal(self, parcel: Parcel) -> None:
        """Where the place of a job will be written as soon as Slurm has said it."""
        if not parcel.elements and parcel.root.id not in self._journals:
            with contextlib.suppress(OSError):  # it is tried once more when there is something to write
                self._journals[parcel.root.id] = ledger.open_journal(parcel.root)


def parcels(
    folders: Sequence[JobFolder], settings: SlurmSettings, first_attempts: dict[str, int] | None = None
) -> list[Parcel]:
    """What sbatch is called for, in an order in which every job comes after those that it waits for."""
    first = first_attempts or {}
    arrays: dict[tuple[Path, int, int], list[JobFolder]] = {}
    made: list[Parcel] = []
    for folder in folders:
        spec = _spec(folder)
        _, index = split_element(folder.id)
        if index is None:
            made.append(Parcel(folder, (folder,), spec, first_attempt=first.get(folder.id, 1)))
        else:
            offset = index // settings.array_max * settings.array_max
            arrays.setdefault((folder.bundle_root, offset, first.get(folder.id, 1)), []).append(folder)
    for (root, offset, attempt), members in arrays.items():
        members.sort(key=lambda f: split_element(f.id)[1] or 0)
        numbers = tuple(split_element(f.id)[1] or 0 for f in members)
        made.append(Parcel(JobFolder(root), tuple(members), _spec(members[0]), numbers, offset, attempt))
    return _in_order(made)


def _words(
    spec: JobSpec, settings: SlurmSettings, name: str = "", after: Sequence[str] = (), numbers: Sequence[int] = ()
) -> list[str]:
    words = arguments(spec, ask(spec, settings), after=after, elements=numbers)
    return [f"--job-name={name}" if name and word.startswith("--job-name=") else word for word in words]


def _variables(first_attempt: int) -> dict[str, str]:
    return {"QHUB_FIRST_ATTEMPT": str(first_attempt)}


def _in_order(made: list[Parcel]) -> list[Parcel]:
    done: list[Parcel] = []
    waiting = list(made)
    while waiting:
        here = {parcel.root.id for parcel in waiting}
        ready = [p for p in waiting if not any(split_element(a)[0] in here - {p.root.id} for a in p.spec.after)]
        ready = ready or waiting  # a circle: Slurm will say so
        done += ready
        waiting = [p for p in waiting if p not in ready]
    return done


def _spec(folder: JobFolder) -> JobSpec:
    """Raises SiteError for a folder that cannot be run."""
    spec = read_sendable(folder)
    if not folder.script.is_file():
        raise SiteError(f"{folder.path} has no script to run; nothing was queued.")
    return spec


def _members(folder: JobFolder, job_id: str) -> list[JobFolder]:
    try:
        size = read_spec(folder).size
    except (JobFolderError, FileNotFoundError) as error:
        raise SiteError(f"{job_id}, which it waits for, does not exist; nothing was queued.") from error
    return [folder.element(n) for n in range(size)] if size is not None else [folder]


def _never_queued(state: str, reason: str) -> bool:
    """An impossible request is refused, and leaves such a record all the same."""
    return state == "FAILED" and reason == "BadConstraints"
