"""JobService: the one implementation behind the magics, the command and the server."""

from __future__ import annotations

import os
import pwd
import secrets
import time
import tokenize
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.display.words import moment
from qhub_ext.errors import UserError
from qhub_ext.job.identity import element_id, split_element
from qhub_ext.job.record import JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.outbox import Outbox
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.jobfolder.shelf import Shelf, remove_drafts
from qhub_ext.jobfolder.summary import Summary, summarise
from qhub_ext.service.again import Changes, draft_again
from qhub_ext.service.device_wish import settle_wish
from qhub_ext.service.draft import Draft, draft_job
from qhub_ext.service.job import Job
from qhub_ext.service.knowledge import Knowledge
from qhub_ext.service.placing import hand_over, put_on_shelf
from qhub_ext.service.tracing import SubmissionRecord, with_trace
from qhub_ext.settings import Settings, current_settings
from qhub_ext.sites.pick import pick_site
from qhub_ext.sites.scheduler import Expecting, Finding, QueueEntry, Refusal, SiteScheduler, StartEstimate
from qhub_ext.tiers.wishes import is_wish

if TYPE_CHECKING:
    from qhub_ext.capture.request import Request
    from qhub_ext.diagnosis.explain import Explanation
    from qhub_ext.service.device_tasks import Fate
    from qhub_ext.service.usage import JobUsage

STALE_DRAFT_S = 3600.0


class JobService:
    """Submits, lists, asks, steers and explains jobs: what every front end calls, and what your own Python may."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or current_settings()
        self.shelf = Shelf(self.settings.shelf, self.settings.cache)
        self._writer = f"client-{os.getpid()}-{secrets.token_hex(3)}"
        self._sites: dict[str, SiteScheduler] = {}
        self.knowledge = Knowledge(self.shelf, self.site)

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
            folders, journal = put_on_shelf(self.shelf, site, draft, self.settings, self._writer)
            with journal:
                record = SubmissionRecord(journal, draft, asked_at)
                if isinstance(site, Expecting):
                    site.meanwhile(draft.spec, record.prepare)
                hand_over(site, self.shelf.folder(draft.spec.id), folders)
                record.write()
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

    def script(self, draft: Draft) -> str:
        """What the site would run; the folder is not there yet."""
        first = draft.elements[0] if draft.elements else draft.spec
        return self.site(draft.spec.site).render_script(self.shelf.folder(first.id), first)

    # -- knowing

    def job(self, reference: str) -> Job:
        return Job(self.shelf.find(reference), self)

    def spec(self, job_id: str) -> JobSpec:
        return read_spec(self.shelf.folder(job_id))

    def record(self, job_id: str) -> JobRecord:
        """What the folder and the site say together, each with its age."""
        return self.knowledge.record(job_id)

    def jobs(
        self, *, states: Iterable[str] = (), text: str = "", tier: str | None = None, limit: int | None = None
    ) -> list[Summary]:
        """Newest first; active ones as the site has them now."""
        wanted = set(states)
        plain = not (wanted or text or tier)
        found = self.shelf.summaries(limit if plain else None)
        active = [s.id for s in found if not s.final]
        if active:
            now = {r.id: _as_listed(r) for r in self.knowledge.refresh([self.shelf.record(i) for i in active])}
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
    from qhub_ext.capture.keywords import request_from_keywords

    service = JobService()
    return service.run(request_from_keywords(options), source)


def submit_notebook(path: str | Path, **options: Any) -> Job:
    """Submits a notebook file as a job: `submit_notebook("study.ipynb", tier="emulation")`. Options as in `%%qpu`."""
    from qhub_ext.capture.keywords import request_from_keywords

    service = JobService()
    return service.submit(service.draft_notebook(Path(path), request_from_keywords(options)))


def read_source(path: Path) -> str:
    """The text of a file that is to run, in the encoding that Python takes it to be in. Raises UserError."""
    try:
        if path.suffix == ".ipynb":
            return path.read_text("utf-8")
        with tokenize.open(path) as file:
            return file.read()
    except FileNotFoundError:
        raise UserError(f"There is no file {str(path)!r}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} cannot be read as UTF-8 text: {error}.") from error
    except SyntaxError as error:  # of the bytes before any Python: no text, or an encoding that nobody knows
        raise UserError(f"{path} cannot be read as text: {error.msg}.") from error


def _meant(value: Any) -> str:
    """The id of a job that a variable of the notebook holds, as `--as` made it; "" for any other value."""
    return value.id if isinstance(value, Job) else ""


def _as_listed(record: JobRecord) -> Summary:
    """With its age, where the site is silent."""
    told = summarise(record)
    if record.stale_since is None:
        return told
    age = f"As of {moment(record.stale_since)}, the site cannot be reached."
    return replace(told, message=f"{age} {told.message}".rstrip())


def _caller() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user of no password file, as in containers
        return f"uid {os.getuid()}"
