"""JobService: the one implementation behind the magics, the command and the server."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import QhubError, SiteError, SiteUnreachableError, UserError
from qhub_ext.job.identity import element_id, short_id, split_element
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State, advance
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.calibrations import CalibrationStore
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import attach
from qhub_ext.jobfolder.outbox import Outbox
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.jobfolder.shelf import Shelf, remove_drafts, unwritable
from qhub_ext.jobfolder.summary import Summary, summarise
from qhub_ext.reproduce.giving import give_lock
from qhub_ext.service.again import Changes, draft_again
from qhub_ext.service.device_wish import settle_wish
from qhub_ext.service.draft import VIRTUAL, Draft, draft_job
from qhub_ext.service.job import Job
from qhub_ext.service.standing import describe_standing
from qhub_ext.service.tracing import record_submission, with_trace
from qhub_ext.settings import Settings, current_settings
from qhub_ext.sites.pick import pick_site
from qhub_ext.sites.scheduler import Expecting, Finding, QueueEntry, Refusal, SiteReport, SiteScheduler, StartEstimate
from qhub_ext.tiers.calibration import known_snapshot
from qhub_ext.tiers.wishes import is_wish

if TYPE_CHECKING:
    from qhub_ext.capture.command import Request
    from qhub_ext.diagnosis.explain import Explanation
    from qhub_ext.service.device_tasks import Fate
    from qhub_ext.service.usage import JobUsage

INTERRUPTED = "The submission was interrupted before the site had the job; `requeue` sends it again."
JUST_SENT_S = 30.0
"""A submission takes so long at most: until then nothing is said about a job that the site does not know."""
STALE_DRAFT_S = 3600.0
UNDECIDED_S = 600.0


@dataclass(frozen=True)
class SiteWord:
    """What the sites said about some jobs when they were asked. `stale` has those whose site could not be asked, with the
    moment of its last answer.
    """

    reports: dict[str, SiteReport] = field(default_factory=dict)
    stale: dict[str, float] = field(default_factory=dict)


class JobService:
    """Submits, lists, asks, steers and explains jobs: what every front end calls, and what your own Python may."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or current_settings()
        self.shelf = Shelf(self.settings.shelf, self.settings.cache)
        self._writer = f"client-{os.getpid()}-{secrets.token_hex(3)}"
        self._sites: dict[str, SiteScheduler] = {}

    def site(self, name: str | None = None) -> SiteScheduler:
        wanted = name or self.settings.site
        if wanted not in self._sites:
            self._sites[wanted] = pick_site(wanted, self.settings)
        return self._sites[wanted]

    # -- submitting

    def draft(
        self,
        request: Request,
        cell: str,
        namespace: dict[str, Any] | None = None,
        *,
        kind: str = "cell",
        file: str = "",
        arguments: Sequence[str] = (),
        soon: ExitStack | None = None,
    ) -> Draft:
        """`soon`: it is to be submitted at once, before this closes; its site may get ready meanwhile."""
        names, began_at = namespace or {}, time.time()
        request = replace(request, after=tuple(_meant(names.get(r)) or self.shelf.find(r) for r in request.after))
        wished = None
        if request.device and is_wish(request.device):
            tier = request.tier or self.settings.tier
            site = request.site or self.settings.site_of(tier)
            wished = settle_wish(request.device, tier, site, self.settings)
            request = replace(request, device=wished.name)

        def foretell(spec: JobSpec) -> None:
            site = self.site(spec.site)
            if soon is not None and isinstance(site, Expecting):
                soon.enter_context(site.expect(spec))

        draft = draft_job(
            request, cell, namespace, self.settings, kind=kind, file=file, arguments=arguments, foretell=foretell
        )
        if wished is not None:
            draft = replace(draft, warnings=(f"The device is {wished.why}.", *draft.warnings))
        self.site(draft.spec.site)  # an unknown site is said before anything is written
        return replace(draft, began_at=began_at, drafted_at=time.time())

    def draft_notebook(self, path: Path, request: Request) -> Draft:
        """All code cells of a notebook file, in order, as one job. The file itself is never written to."""
        return self.draft(request, read_source(path), kind="notebook", file=str(path.absolute()))

    def submit(self, draft: Draft) -> Job:
        """Returns when the site has the job for good. What is raised before that left nothing behind, or says what it left."""
        asked_at = time.time()
        draft = with_trace(draft, self.settings)
        if self.settings.broker.shared is not None:
            Outbox(self.shelf.path).open()
        site = self.site(draft.spec.site)
        with site.expect(draft.spec) if isinstance(site, Expecting) else nullcontext():
            folders, journal = self._put_on_shelf(site, draft)
            with journal:
                self._hand_over(site, self.shelf.folder(draft.spec.id), folders)
                record_submission(journal, draft, asked_at)
        return Job(draft.spec.id, self, draft.before, fresh=True)

    def run(
        self,
        request: Request,
        cell: str,
        namespace: dict[str, Any] | None = None,
        *,
        warn: Callable[[str], None] = lambda _: None,
    ) -> Job:
        """Drafts and submits a cell. `warn` is told before anything is sent."""
        with ExitStack() as soon:
            draft = self.draft(request, cell, namespace, soon=soon)
            for warning in draft.warnings:
                warn(warning)
            return self.submit(draft)

    def rerun(
        self,
        job_id: str,
        *,
        tier: str | None = None,
        device: str | None = None,
        snapshot: str | None = None,
        runtime: str | None = None,
    ) -> Job:
        """A new job of the same bundle, options and seeds; the rest may be another: see `service.again.Changes`."""
        changes = Changes(tier, device, snapshot, runtime)
        job = self.submit(draft_again(self.shelf.folder(job_id), self.settings, changes))
        job.before = None  # nobody looked at the notebook's names
        return job

    def _put_on_shelf(self, site: SiteScheduler, draft: Draft) -> tuple[list[JobFolder], JournalWriter]:
        """What the site is to run: the folder, or those of an array's elements; and the journal of this submission, still open."""
        folder = self.shelf.create(
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
                give_lock(folder, draft.runtime, self.shelf.path)
            for snapshot in draft.snapshots:
                CalibrationStore(self.shelf.path).pin(snapshot, folder)
            journal = JournalWriter(folder.journal(self._writer))
            journal.append("state", state=State.CREATED.value, attempt=1, at=draft.spec.created_at)
            journal.append("state", state=State.SUBMITTED.value, attempt=1)
            known = known_snapshot(
                draft.spec.device,
                self.shelf.path,
                self.settings.cache,
                live=draft.spec.tier == "qpu" and draft.spec.resource != VIRTUAL,
            )
            if known is not None:
                journal.append("snapshot", moment="submission", id=known[0], taken_at=known[1])
        except OSError as error:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise unwritable(error, self.shelf.path) from error
        return folders, journal

    def _hand_over(self, site: SiteScheduler, folder: JobFolder, folders: Sequence[JobFolder]) -> None:
        try:
            self._send(site, folders)
        except SiteUnreachableError as error:
            raise SiteUnreachableError(
                f"{error.message} Job {short_id(folder.id)} may or may not be queued; it will not be sent twice.",
                advice=f"Look with `%qpu job {short_id(folder.id)}`; `requeue` sends it again if the site does not have it.",
            ) from error
        except QhubError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise

    def script(self, draft: Draft) -> str:
        """What the site would run; the folder is not there yet."""
        first = draft.elements[0] if draft.elements else draft.spec
        return self.site(draft.spec.site).render_script(self.shelf.folder(first.id), first)

    def _send(self, site: SiteScheduler, folders: Sequence[JobFolder]) -> None:
        try:
            site.submit(folders)
        except SiteUnreachableError:
            known = site.find([f.id for f in folders])  # the answer was lost, perhaps not the question
            if len(known) != len(folders):
                raise

    # -- knowing

    def job(self, reference: str) -> Job:
        return Job(self.shelf.find(reference), self)

    def spec(self, job_id: str) -> JobSpec:
        return read_spec(self.shelf.folder(job_id))

    def record(self, job_id: str) -> JobRecord:
        """What the folder and the site say together, each with its age."""
        record = self.shelf.record(job_id)
        if record.state.final and not undecided(record):
            return record
        return self.with_sentence(self._refresh([record])[0])

    def with_sentence(self, record: JobRecord) -> JobRecord:
        """A bare word of the site is explained by a question of its own; a site that has the sentence at hand sends it along. Of one
        that has left the queue since it was asked about, how it is now. While the site is silent, the word stays."""
        bare = record.attempt.reason.isalpha() and record.state in (State.QUEUED, State.HELD)
        if not bare or record.spec.size is not None or record.stale_since is not None:
            return record
        try:
            found = self.site(record.spec.site).explain_reason(record.id)
        except SiteError:
            return record
        if not found.word:
            return self._refresh([self.shelf.record(record.id)])[0]
        latest = replace(record.attempt, reason=found.sentence or record.attempt.reason)
        return replace(record, attempts=(*record.attempts[:-1], latest))

    def with_standing(self, record: JobRecord) -> JobRecord:
        """Of one that waits, where it stands: a question to the site. An answer that does not come is left out."""
        if record.state is not State.QUEUED:
            return record
        with suppress(SiteError):
            return replace(record, standing=describe_standing(self.site(record.spec.site).queue(), record.id))
        return record

    def jobs(
        self, *, states: Iterable[str] = (), text: str = "", tier: str | None = None, limit: int | None = None
    ) -> list[Summary]:
        """Newest first; active ones as the site has them now."""
        wanted = set(states)
        plain = not (wanted or text or tier)
        found = self.shelf.summaries(limit if plain else None)
        active = [s.id for s in found if not s.final]
        if active:
            now = {r.id: summarise(r) for r in self._refresh([self.shelf.record(i) for i in active])}
            found = [now.get(s.id, s) for s in found]
        if plain:
            return found
        matching = [
            s
            for s in found
            if (not wanted or s.state in wanted)
            and (tier is None or s.tier == tier)
            and (not text or text.lower() in f"{s.id} {s.name} {s.device} {s.message}".lower())
        ]
        return matching[:limit]

    def _refresh(self, records: Sequence[JobRecord]) -> list[JobRecord]:
        word = self.ask_sites(records)
        return [self.merge(record, word) for record in records]

    def ask_sites(self, records: Sequence[JobRecord]) -> SiteWord:
        """One question to each site, about all of its jobs."""
        by_site: dict[str, list[JobRecord]] = {}
        for record in records:
            by_site.setdefault(record.spec.site, []).append(record)
        reports: dict[str, SiteReport] = {}
        trouble: dict[str, float] = {}
        for name, group in by_site.items():
            ids = [i for r in group for i in ([r.id] if r.spec.size is None else self._active_elements(r))]
            if not ids:
                continue
            try:
                reports |= self.site(name).poll(ids)
            except SiteError as error:  # shown as age of knowledge, never as a guess
                known_at = error.known_at if isinstance(error, SiteUnreachableError) else None
                trouble |= {r.id: known_at or time.time() for r in group}
        return SiteWord(reports, trouble)

    def merge(self, record: JobRecord, word: SiteWord) -> JobRecord:
        """The folder's record and the site's word about it."""
        report, stale = word.reports.get(record.id), word.stale.get(record.id)
        if stale is not None:
            return replace(record, stale_since=stale)
        if record.spec.size is not None:
            return record if record.state.final else self.shelf.again(record, lambda part: _moved(part, word))
        if report is not None:
            attempt = record.attempt
            if report.attempt < attempt.number:
                return replace(record, as_of=report.as_of)
            if (
                report.attempt > attempt.number
            ):  # the site has begun a new one, and may just have said how those before it ended
                record = self.shelf.record(record.id)
                attempt = record.attempt
            if report.attempt > attempt.number:  # no journal says so yet
                attempt = Attempt(number=report.attempt)
                record = replace(record, attempts=(*record.attempts, attempt))
            # an end that the site does not confirm: it stopped the attempt, and may put the job back into its queue
            state = report.state if undecided(record) else advance(attempt.state, report.state)
            reason = (report.message or report.reason) if state.waiting else ""
            latest = replace(attempt, state=state, reason=reason, word=report.word or attempt.word)
            return replace(
                record,
                state=state,
                attempts=(*record.attempts[:-1], latest),
                site_id=report.site_id,
                as_of=report.as_of,
                starts_by=report.starts_by if state.waiting else None,
            )
        # the site does not have it: it has just ended, or it never arrived
        record = self.shelf.record(record.id)
        if not record.state.final and record.state in (State.CREATED, State.SUBMITTED):
            if time.time() - (record.asked_at or record.spec.created_at) < JUST_SENT_S:
                return replace(record, as_of=time.time())
            latest = replace(record.attempt, reason=INTERRUPTED)
            return replace(record, attempts=(*record.attempts[:-1], latest), as_of=time.time())
        if not record.state.final:
            latest = replace(
                record.attempt,
                state=State.LOST,
                cause="integration",
                message="The site no longer knows this job, and its folder holds no outcome.",
                advice="`requeue` runs it again from the start.",
            )
            return replace(record, state=State.LOST, attempts=(*record.attempts[:-1], latest), as_of=time.time())
        return record

    def _active_elements(self, record: JobRecord) -> list[str]:
        parts = record.parts or self.shelf.record(record.id).parts
        return [part.id for part in parts if not part.state.final]

    # -- acting

    def apply(self, verb: str, job_ids: Sequence[str]) -> list[Refusal]:
        """`cancel`, `hold`, `release` or `requeue`; what could not be done comes back with the reason."""
        by_site: dict[str, list[str]] = {}
        refusals: list[Refusal] = []
        for job_id in job_ids:
            folder = self.shelf.folder(job_id)
            spec = read_spec(folder)
            folders = [folder.element(n) for n in range(spec.size)] if spec.size is not None else [folder]
            for one in folders:
                # a full disk is no reason not to cancel
                with suppress(OSError), JournalWriter(one.journal(self._writer)) as journal:
                    journal.append("request", verb=verb, by=_caller())
            ids = [f.id for f in folders]
            if verb == "requeue" and self.shelf.record(job_id).state in (State.CREATED, State.SUBMITTED):
                site = self.site(spec.site)
                known = site.find(ids)
                missing = [f for f in folders if f.id not in known]
                for one in missing:  # the submission may have died before the script was written
                    write_beside(one.script, site.render_script(one).encode())
                if missing:
                    site.submit(missing)
                    continue
            by_site.setdefault(spec.site, []).extend(ids)
        for name, ids in by_site.items():
            refusals += getattr(self.site(name), verb)(ids)
        return refusals

    def queue(self) -> list[QueueEntry]:
        """Of every site that a tier's jobs go to."""
        sites = self.settings.all_sites
        if len(sites) == 1:
            return self.site().queue()
        return [replace(entry, site=name) for name in sites for entry in self.site(name).queue()]

    def explain(self, job_id: str, *, ask: bool = True) -> Explanation:
        """Why it waits, how it ended, or what makes its results doubtful, with evidence. `ask` allows questions to the site and the broker."""
        from qhub_ext.diagnosis.explain import explain
        from qhub_ext.service.evidence import evidence_of

        return explain(evidence_of(self, job_id, ask=ask))

    def waits_at_broker(self, job_id: str) -> str:
        """The broker's reason why a quantum task of a running job has not begun; "" where none waits there."""
        from qhub_ext.jobfolder.device_tasks import read_device_tasks
        from qhub_ext.tiers.qpu.brokered import why_it_waits

        place, folder = self.settings.broker.place, self.shelf.folder(job_id)
        if place is None:
            return ""
        latest = max(folder.attempt_numbers(), default=0)
        waiting = [t for t in read_device_tasks(folder) if t.attempt == latest and t.state == "queued"]
        why = why_it_waits(place, waiting[-1].task) if waiting else ""
        return f"Its quantum task waits at the broker: {why}" if why else ""

    def fates(self, job_id: str) -> list[Fate]:
        """What became of tasks that the job left open on a device; asks the device, once for each that it can settle."""
        from qhub_ext.service.device_tasks import look_after

        folder = self.shelf.folder(job_id)

        def tell(event: Mapping[str, Any]) -> None:
            with JournalWriter(folder.journal(self._writer)) as journal:
                journal.append("device_task", **event)

        return look_after(folder, self.shelf.record(job_id), self.settings, lambda: self._device_ids(job_id), tell)

    def _device_ids(self, without: str) -> set[str]:
        from qhub_ext.jobfolder.device_tasks import read_device_tasks

        others = [s.id for s in self.shelf.summaries(None) if s.tier == "qpu" and s.id != split_element(without)[0]]
        folders = [self.shelf.folder(i) for i in others]
        return {task.task for one in folders for task in read_device_tasks(one) if task.task}

    def usage(self, since: float) -> list[JobUsage]:
        """Of the jobs submitted after `since` (s since 1970 UTC) that sent something to a device, newest first."""
        from qhub_ext.service.usage import usage_of

        found = [s for s in self.shelf.summaries(None) if s.tier == "qpu" and s.created_at >= since]
        used = (usage_of(self.shelf.folder(s.id), self.shelf.record(s.id)) for s in found)
        return [one for one in used if one is not None]

    def estimate(self, job_id: str) -> StartEstimate:
        """When a waiting job may start, as far as the site can tell; asks the site anew. Of an array, its next element."""
        spec = self.spec(job_id)
        if spec.size is not None:
            elements = (element_id(job_id, n) for n in range(spec.size))
            waiting = next((i for i in elements if self.record(i).state.waiting), None)
            if waiting is None:
                return StartEstimate(None, None, "None of its elements waits.")
            job_id = waiting
        return self.site(spec.site).estimate(job_id)

    def doctor(self) -> list[Finding]:
        from qhub_ext.service.doctor import examine

        return examine(self)

    def tidy(self) -> int:
        """Removes what killed submissions left half written, over an hour ago."""
        return remove_drafts(self.shelf.path, older_than_s=STALE_DRAFT_S, now=time.time())


def submit(source: str, **options: Any) -> Job:
    """Submits a piece of Python text as a job: `submit("...", tier="emulation", shots=4000)`. Options as in `%%qpu`."""
    from qhub_ext.capture.command import request_from_keywords

    service = JobService()
    return service.run(request_from_keywords(options), source)


def submit_notebook(path: str | Path, **options: Any) -> Job:
    """Submits a notebook file as a job: `submit_notebook("study.ipynb", tier="emulation")`. Options as in `%%qpu`."""
    from qhub_ext.capture.command import request_from_keywords

    service = JobService()
    return service.submit(service.draft_notebook(Path(path), request_from_keywords(options)))


def read_source(path: Path) -> str:
    """The text of a file that is to run. Raises UserError."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise UserError(f"There is no file {str(path)!r}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} cannot be read as UTF-8 text: {error}.") from error


def _meant(value: Any) -> str:
    """The id of a job that a variable of the notebook holds, as `--as` made it; "" for any other value."""
    return value.id if isinstance(value, Job) else ""


def _moved(element: JobRecord, word: SiteWord) -> bool:
    """Whether the folder of an element may have more to say by now than when it was read: the site tells that it began or ended."""
    report = word.reports.get(element.id)
    if element.state.final or (report is not None and report.state.waiting):
        return False
    return report is None or report.state.final or element.state.waiting


def undecided(record: JobRecord) -> bool:
    """Stopped from outside a short while ago, and the runner was not told why: the site may have more to say about it."""
    attempt = record.attempt
    recent = attempt.ended_at is not None and time.time() - attempt.ended_at < UNDECIDED_S
    return attempt.state is State.CANCELLED and attempt.cause == "unknown" and recent


def _caller() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user of no password file, as in containers
        return f"uid {os.getuid()}"
