"""The client of a Slurm cluster. It holds no state that matters: what it remembers is in job folders and in Slurm."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from qhub_ext.errors import JobFolderError, SiteError, SiteUnreachableError
from qhub_ext.job.identity import split_element
from qhub_ext.job.record import JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record, read_spec
from qhub_ext.settings import Settings
from qhub_ext.sites.scheduler import Finding, QueueEntry, Reason, Refusal, SiteReport, StartEstimate
from qhub_ext.sites.slurm import accounting, ledger, listing
from qhub_ext.sites.slurm.commands import Commands, unreachable
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.listing import Listing, Row, own_id
from qhub_ext.sites.slurm.options import ranges
from qhub_ext.sites.slurm.poller import Poller, pending
from qhub_ext.sites.slurm.reasons import explain
from qhub_ext.sites.slurm.script import render_script
from qhub_ext.sites.slurm.states import read_state
from qhub_ext.sites.slurm.submission import ASK_AGAIN_S, Sender, parcels
from qhub_ext.sites.slurm.verdict import Evidence, conclude

LOST_AFTER_S = 10.0

_pollers: dict[tuple[object, ...], Poller] = {}


class SlurmSite:
    name = "slurm"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slurm = settings.slurm
        self._commands = Commands(self._slurm.commands, self._slurm.timeout_s)
        self._user = _user()
        self._sender = Sender(self._commands, self._slurm, self._user)
        self._places: dict[str, Place] = {}
        self._told: dict[str, tuple[int, State]] = {}
        self._missing: dict[str, float] = {}
        self._poller = self._shared_poller()

    def _shared_poller(self) -> Poller:
        """One for all sites of this process that speak to the same cluster."""
        key = (
            str(self._slurm.commands),
            os.environ.get("SLURM_CONF"),
            self._slurm.poll_s,
            self._slurm.poll_max_s,
            os.getpid(),
        )
        if key not in _pollers:
            commands, user = self._commands, self._user
            _pollers[key] = Poller(
                lambda bases: listing.list_jobs(commands, bases, user), self._slurm.poll_s, self._slurm.poll_max_s
            )
        return _pollers[key]

    # ------------------------------------------------------------------ submitting

    def expect(self, spec: JobSpec) -> AbstractContextManager[None]:
        return self._sender.ahead(spec)

    def submit(self, folders: Sequence[JobFolder]) -> dict[str, str]:
        known = {folder.id: place for folder in folders if (place := self._place(folder)) is not None}
        missing = [folder for folder in folders if folder.id not in known]
        sent: dict[str, Place] = {}
        for parcel in parcels(missing, self._slurm):
            try:
                sent |= self._sender.send(parcel)
            except SiteUnreachableError:
                raise
            except SiteError:
                self._withdraw({place.base for place in sent.values()})
                raise
            self._poller.seed(pending(place.key, self._user) for place in sent.values())
        self._places |= sent
        return {folder.id: (known.get(folder.id) or sent[folder.id]).key for folder in folders}

    def _withdraw(self, bases: set[str]) -> None:
        """All or nothing: one of several was refused, so the others leave the queue, and have left it when this returns."""
        if not bases:
            return
        self._commands.run("scancel", "--", *sorted(bases))
        until = time.monotonic() + self._slurm.settle_s
        while time.monotonic() < until:
            rows = listing.list_jobs(self._commands, bases, self._user).rows.values()
            if all(read_state(row.state).ended for row in rows):
                break
            time.sleep(ASK_AGAIN_S)
        self._poller.expire(bases)

    def find(self, job_ids: Sequence[str]) -> dict[str, str]:
        return {job_id: place.key for job_id, place in self._locate(job_ids).items()}

    def render_script(self, folder: JobFolder, spec: JobSpec | None = None) -> str:
        return render_script(folder, spec or read_spec(folder), self._slurm)

    # ------------------------------------------------------------------ knowing

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]:
        places = self._locate(job_ids)
        if not places:
            return {}
        seen = self._poller.look(place.base for place in places.values())
        reports: dict[str, SiteReport] = {}
        ended: dict[str, Place] = {}
        for job_id, place in places.items():
            row = seen.rows.get(place.key)
            report = None if row is None else self._report(job_id, place, row, seen.as_of)
            if report is None:
                ended[job_id] = place
            else:
                reports[job_id] = report
        if ended:
            reports |= self._conclude(ended, seen)
        return reports

    def queue(self) -> list[QueueEntry]:
        """Those that run first, then those that wait by priority, of all users as far as Slurm shows them."""
        rows = [row for row in listing.list_everything(self._commands).rows.values() if not self._sealed(row)]
        waits = {row.key: read_state(row.state, row.reason).state.waiting for row in rows}
        line = sorted((r for r in rows if waits[r.key]), key=lambda r: (-r.priority, r.submitted or 0.0, _order(r.key)))
        running = sorted((r for r in rows if not waits[r.key]), key=lambda r: (r.start or 0.0, _order(r.key)))
        places = {row.key: number for number, row in enumerate(line, start=1)}
        return [self._entry(row, places.get(row.key)) for row in (*running, *line)]

    def estimate(self, job_id: str) -> StartEstimate:
        from qhub_ext.sites.slurm.forecast import estimate_start

        place = self._locate([job_id]).get(job_id)
        if place is None:
            return StartEstimate(None, None, self._absence(job_id))
        row = listing.list_jobs(self._commands, [place.base], self._user).rows.get(place.key)
        if row is None or read_state(row.state).ended:
            return StartEstimate(None, None, self._absence(job_id))
        return estimate_start(self._commands, row)

    def explain_reason(self, job_id: str) -> Reason:
        from qhub_ext.sites.slurm.forecast import explain_wait

        place = self._locate([job_id]).get(job_id)
        if place is None:
            return Reason("", self._absence(job_id), audience="you")
        row = listing.list_jobs(self._commands, [place.base], self._user).rows.get(place.key)
        if row is None or read_state(row.state).ended:
            return Reason("", self._absence(job_id), audience="you")
        if not read_state(row.state, row.reason).state.waiting:
            return Reason("", "It has started and waits for nothing.", audience="you")
        return explain_wait(self._commands, row, self._unmet(self._folder(job_id)))

    def doctor(self) -> list[Finding]:
        from qhub_ext.sites.slurm.checkup import examine

        return examine(self._commands, self._settings, self._user)

    # ------------------------------------------------------------------ acting

    def cancel(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        active: dict[str, Place] = {}
        for job_id, (place, row) in places.items():
            if row is None or read_state(row.state).ended or self._is_sealed(job_id, place, row):
                refusals.append(Refusal(job_id, self._absence(job_id)))
            else:
                self._announce(job_id, place, row, "cancel")
                active[job_id] = place
        return refusals + self._apply("scancel", [], active)

    def hold(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        wanted: dict[str, Place] = {}
        for job_id, (place, row) in places.items():
            state = None if row is None else read_state(row.state, row.reason)
            if state is None or state.ended:
                refusals.append(Refusal(job_id, self._absence(job_id)))
            elif not state.state.waiting:
                refusals.append(Refusal(job_id, "It has started; only a waiting job can be held."))
            else:
                wanted[job_id] = place
        # uhold: a hold of the owner's own, which the owner may release
        return refusals + self._apply("scontrol", ["uhold"], wanted)

    def release(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        wanted: dict[str, Place] = {}
        for job_id, (place, row) in places.items():
            state = None if row is None else read_state(row.state, row.reason)
            if state is None or state.ended:
                refusals.append(Refusal(job_id, self._absence(job_id)))
            elif state.state is not State.HELD:
                refusals.append(Refusal(job_id, "It is not held." if state.state.waiting else "It has started."))
            else:
                wanted[job_id] = place
        return refusals + self._apply("scontrol", ["release"], wanted)

    def requeue(self, job_ids: Sequence[str]) -> list[Refusal]:
        places, refusals = self._addressed(job_ids)
        again: dict[str, Place] = {}
        anew: list[str] = []
        for job_id, (place, row) in places.items():
            if row is None:
                anew.append(job_id)
            elif read_state(row.state, row.reason).state.waiting:
                refusals.append(Refusal(job_id, "It is waiting already."))
            elif not read_state(row.state).ended:
                self._announce(job_id, place, row, "requeue")
                again[job_id] = place
            elif row.start is None:
                anew.append(job_id)  # it never ran; Slurm has nothing to run again
            else:
                again[job_id] = place
        refused = self._apply("scontrol", ["requeue"], again)
        unwilling = {refusal.job_id for refusal in refused}
        for job_id, place in again.items():
            row = places[job_id][1]
            if job_id not in unwilling and row is not None:
                number = place.first_attempt + row.restarts + 1
                ledger.say(self._folder(job_id), "state", state="queued", attempt=number, reason="requeued")
                ledger.refresh(self._folder(job_id))
        # what Slurm has forgotten, or will not run again, is sent once more
        anew += [r.job_id for r in refused if self._has_ended(r.job_id)]
        refusals += [r for r in refused if r.job_id not in anew]
        return refusals + self._send_again(anew)

    def _send_again(self, job_ids: Sequence[str]) -> list[Refusal]:
        folders = [self._folder(job_id) for job_id in job_ids]
        first = {f.id: max([*f.attempt_numbers(), *_numbers(read_record(f))], default=0) + 1 for f in folders}
        refusals: list[Refusal] = []
        for parcel in parcels(folders, self._slurm, first):
            try:
                found = self._sender.send(parcel)
            except SiteError as error:
                refusals += [Refusal(folder.id, error.message) for folder in parcel.folders]
                continue
            self._places |= found
            self._poller.seed(pending(place.key, self._user) for place in found.values())
            for folder in parcel.folders:
                ledger.refresh(folder)
        return refusals

    def _apply(self, command: str, words: list[str], places: dict[str, Place]) -> list[Refusal]:
        """One command for all; when it complains, one each, to know which of them it does not like."""
        if not places:
            return []
        keys = {place.key: job_id for job_id, place in places.items()}
        answer = self._commands.run(command, *words, *self._targets(command, list(keys)))
        self._poller.expire({place.base for place in places.values()})
        if answer.ok:
            return []
        if answer.silent:
            raise unreachable(" ".join([command, *words]), answer)
        if len(keys) == 1:
            return [Refusal(next(iter(keys.values())), answer.sentence or f"{command} failed.")]
        return [refusal for job_id, place in places.items() for refusal in self._apply(command, words, {job_id: place})]

    def _targets(self, command: str, keys: list[str]) -> list[str]:
        """Elements as `8_[0-499]`: one request instead of one each."""
        tasks: dict[str, list[int]] = {}
        for key in keys:
            base, _, task = key.partition("_")
            tasks.setdefault(base, []).extend([int(task)] if task else [])
        words = [
            f"{base}_[{ranges(some)}]" if len(some) > 1 else f"{base}_{some[0]}" if some else base
            for base, some in tasks.items()
        ]
        return words if command == "scancel" else [" ".join(words)] if len(words) == 1 else [",".join(words)]

    def _announce(self, job_id: str, place: Place, row: Row, why: str) -> None:
        """The runner reads it when the TERM arrives; and of an array's element that waits, Slurm keeps no record."""
        if why == "cancel" or not read_state(row.state, row.reason).state.waiting:
            ledger.say(self._folder(job_id), "stop", why=why, attempt=place.first_attempt + row.restarts)

    def _addressed(self, job_ids: Sequence[str]) -> tuple[dict[str, tuple[Place, Row | None]], list[Refusal]]:
        """An array stands for its elements. Asks Slurm anew: a verb acts on what is, not on what was."""
        expanded = list(dict.fromkeys(member for job_id in job_ids for member in self._expand(job_id)))
        places = self._locate(expanded)
        refusals = [Refusal(i, "The site does not know this job.") for i in expanded if i not in places]
        rows = listing.list_jobs(self._commands, {p.base for p in places.values()}, self._user).rows
        return {job_id: (place, rows.get(place.key)) for job_id, place in places.items()}, refusals

    def _expand(self, job_id: str) -> list[str]:
        if split_element(job_id)[1] is not None:
            return [job_id]
        folder = self._folder(job_id)
        try:
            size = read_spec(folder).size
        except (JobFolderError, FileNotFoundError):
            return [job_id]
        return [job_id] if size is None else [folder.element(index).id for index in range(size)]

    # ------------------------------------------------------------------ from rows to reports

    def _report(self, job_id: str, place: Place, row: Row, as_of: float) -> SiteReport | None:
        """None for a job that has ended."""
        word = read_state(row.state, row.reason)
        number = place.first_attempt + row.restarts
        folder = self._folder(job_id)
        state = word.state
        if word.ended or self._is_sealed(job_id, place, row):
            return None
        attempt = folder.attempt(number)
        if state is State.RUNNING and not attempt.launch.exists():
            state = State.STARTING  # granted, but the site's own prologue may still run
        if state is State.FINISHING and number > place.first_attempt and not attempt.path.exists():
            state = State.QUEUED  # what is being cleaned up is the attempt before this one
        self._tell(folder, place, row, number, state)
        reason = row.reason if state.waiting and row.reason != "None" else ""
        message = ""
        if reason:
            message = explain(reason, {"qos": f" {row.qos!r}", "account": f" {row.account!r}"}).sentence
        return SiteReport(job_id, place.key, state, as_of, row.state, reason, number, message)

    def _is_sealed(self, job_id: str, place: Place, row: Row) -> bool:
        """The runner is done; Slurm is only cleaning up. Not so when it was stopped from outside: it may be put back."""
        word = read_state(row.state, row.reason)
        if word.state not in (State.RUNNING, State.FINISHING):
            return False
        attempt = self._folder(job_id).attempt(place.first_attempt + row.restarts)
        if not attempt.outcome.exists():
            return False
        outcome = read_json_or_none(attempt.outcome) or {}
        return outcome.get("state") != "cancelled" or outcome.get("cause") == "user"

    def _tell(self, folder: JobFolder, place: Place, row: Row, number: int, state: State) -> None:
        """Writes into the folder what Slurm alone knows: when it was started, and that a new attempt has begun."""
        before = self._told.get(folder.id, (place.first_attempt, State.QUEUED))
        now = (number, state if state.waiting else State.STARTING)
        if now == before:
            return
        try:
            if number > place.first_attempt and before[0] < number:
                self._tell_restart(folder, place, number)
            known = {a.number: a for a in read_record(folder).attempts}.get(number)
            if now[1] is not State.STARTING:
                if known is None or known.state is not now[1]:
                    ledger.say(folder, "state", state=now[1].value, attempt=number, reason=row.reason, word=row.state)
            elif row.start is not None and (known is None or known.started_at is None):
                # Slurm's moments are whole seconds: never before it was queued
                moment = max(row.start, known.queued_at or 0.0) if known else row.start
                ledger.say(folder, "state", state="starting", attempt=number, at=moment, word=row.state)
        except (JobFolderError, OSError):
            return  # the folder is gone or closed: Slurm's word is shown all the same
        self._told[folder.id] = now

    def _tell_restart(self, folder: JobFolder, place: Place, number: int) -> None:
        """The attempts before this one, each with its cause, and that this one waits."""
        record = read_record(folder)
        known = {attempt.number: attempt for attempt in record.attempts}
        open_ones = [
            n
            for n in range(place.first_attempt, number)
            if n not in known or not known[n].state.final or known[n].cause == "unknown"
        ]
        if open_ones:
            endings, _ = accounting.endings_of(self._commands, [place.key], record.spec.created_at)
            history = endings.get(place.key, [])
            for n in open_ones:
                index = n - place.first_attempt
                ending = history[index] if index < len(history) - 1 or len(history) == 1 else None
                if ending is not None and ending.state in ("PENDING", "RUNNING"):
                    ending = None
                if ending is None:
                    ending = accounting.Ending(place.key, "REQUEUED", 0, 0)
                verdict = conclude(ending, self._evidence(folder, n, again=True), owner_uid=os.geteuid())
                moment = {} if ending.end is None else {"at": ending.end}
                ledger.say(folder, "state", attempt=n, **verdict.to_event(), **moment)
        if number not in known:
            ledger.say(folder, "state", state="queued", attempt=number, reason="requeued")
        ledger.refresh(folder)

    # ------------------------------------------------------------------ endings

    def _conclude(self, ended: dict[str, Place], seen: Listing) -> dict[str, SiteReport]:
        """Says the last word on those whose runner left none. What stays undecided is reported as it is."""
        open_ones: dict[str, tuple[Place, JobRecord]] = {}
        for job_id, place in ended.items():
            folder = self._folder(job_id)
            with contextlib.suppress(OSError):
                os.listdir(folder.path)
                os.listdir(folder.attempts)  # a network file system may not have shown us yet what a node wrote
            try:
                record = read_record(folder)
            except (JobFolderError, OSError):
                continue  # gone, or another user's
            row = seen.rows.get(place.key)
            number = place.first_attempt + row.restarts if row else record.attempt.number
            latest = {a.number: a for a in record.attempts}.get(number)
            vague = latest is not None and latest.state is State.CANCELLED and latest.cause == "unknown"
            if latest is None or not latest.state.final or latest.state is State.LOST or vague:
                if vague and self._told.get(job_id) == (number, State.CANCELLED):
                    continue
                open_ones[job_id] = (place, record)
            elif latest.started_at is None and self._told.get(job_id) != (number, State.COMPLETED):
                self._tell_start(folder, number, row)
        if not open_ones:
            return {}
        since = min(record.spec.created_at for _, record in open_ones.values())
        endings, trouble = accounting.endings_of(self._commands, [p.key for p, _ in open_ones.values()], since)
        reports: dict[str, SiteReport] = {}
        # those that others wait for come first, so that a dependency can be named with its end
        for job_id, (place, record) in sorted(open_ones.items(), key=lambda item: len(item[1][1].spec.after)):
            row = seen.rows.get(place.key)
            history = endings.get(place.key, [])
            ending = history[-1] if history else None
            if ending is None and row is not None:
                ending = accounting.Ending(place.key, row.state, 0, 0, row.reason, row.nodes)
            if ending is None and (trouble or self._may_turn_up(job_id)):
                why = f", and its accounting does not answer: {trouble}" if trouble else "; its accounting is awaited."
                reports[job_id] = SiteReport(
                    job_id,
                    place.key,
                    record.state if not record.state.final else State.SUBMITTED,
                    seen.as_of,
                    reason="",
                    attempt=record.attempt.number,
                    message=f"Slurm has forgotten this job{why}",
                )
                continue
            if ending is not None and not read_state(ending.state).ended:
                self._poller.expire([place.base])  # back in the queue between two questions
                continue
            number = place.first_attempt + (row.restarts if row else max(0, len(history) - 1))
            number = max(number, record.attempt.number if row is None else number)
            self._seal(job_id, ending, number)
        return reports

    def _may_turn_up(self, job_id: str) -> bool:
        """The books lag behind the queue: a job is not lost before both have been silent about it for a while."""
        return time.time() - self._missing.setdefault(job_id, time.time()) < LOST_AFTER_S and not any(
            event.get("kind") == "stop" for event in read_all(self._folder(job_id).journals)
        )

    def _tell_start(self, folder: JobFolder, number: int, row: Row | None) -> None:
        """Of a job that had ended before anybody looked."""
        launch = read_json_or_none(folder.attempt(number).launch) or {}
        moment = launch.get("at") or (row.start if row is not None else None)
        if moment is not None:
            ledger.say(folder, "state", state="starting", attempt=number, at=float(moment))
        self._told[folder.id] = (number, State.COMPLETED)

    def _seal(self, job_id: str, ending: accounting.Ending | None, number: int) -> None:
        folder = self._folder(job_id)
        verdict = conclude(ending, self._evidence(folder, number), owner_uid=os.geteuid(), names=_names(ending))
        if ending is not None and ending.start is not None and folder.attempt(number).path.exists():
            known = {a.number: a for a in read_record(folder).attempts}.get(number)
            if known is None or known.started_at is None:
                ledger.say(folder, "state", state="starting", attempt=number, at=ending.start)
        moment = {} if ending is None or ending.end is None else {"at": ending.end}
        ledger.say(folder, "state", attempt=number, **verdict.to_event(), **moment)
        ledger.refresh(folder)
        self._told[job_id] = (number, State.CANCELLED)

    def _evidence(self, folder: JobFolder, number: int, *, again: bool = False) -> Evidence:
        stops = [e for e in read_all(folder.journals) if e.get("kind") == "stop" and e.get("attempt", number) == number]
        return Evidence(
            element=split_element(folder.id)[1] is not None,
            launched=folder.attempt(number).launch.exists(),
            last_words=ledger.last_words(folder, number),
            stop_why=str(stops[-1].get("why", "")) if stops else "",
            unmet="" if folder.attempt(number).launch.exists() else self._unmet(folder, final=True),
            time_s=read_spec(folder).time_s,
            again=again,
        )

    def _unmet(self, folder: JobFolder, *, final: bool = False) -> str:
        """A sentence about the first job that it waits for and that has not completed; `final`: that has ended otherwise."""
        try:
            after = read_spec(folder).after
        except (JobFolderError, OSError):
            return ""
        for job_id in after:
            other = self._folder(job_id)
            for member in self._expand(job_id):
                try:
                    state = read_record(self._folder(member) if member != job_id else other).state
                except (JobFolderError, OSError):
                    continue
                if state.final and state is not State.COMPLETED:
                    return f"{member}, which it waits for, ended as {state.value.replace('_', ' ')}"
                if not state.final and not final:
                    return f"{member}, which it waits for, is {state.value}"
        return ""

    def _has_ended(self, job_id: str) -> bool:
        try:
            return read_record(self._folder(job_id)).state.final
        except (JobFolderError, OSError):
            return False

    # ------------------------------------------------------------------ where things are

    def _locate(self, job_ids: Sequence[str]) -> dict[str, Place]:
        """From memory, else from the folder, else (when a claim says that it was sent) from Slurm, by name."""
        found: dict[str, Place] = {}
        unsure: list[JobFolder] = []
        for job_id in job_ids:
            folder = self._folder(job_id)
            place = self._place(folder)
            if place is not None:
                found[job_id] = place
            elif ledger.claims(folder):
                unsure.append(folder)
        if unsure:
            found |= self._recover(unsure)
        return found

    def _recover(self, folders: Sequence[JobFolder]) -> dict[str, Place]:
        first: dict[str, int] = {}
        since = time.time()
        usable = []
        for folder in folders:
            made = ledger.claims(folder)
            first[folder.id] = made[-1].first_attempt
            since = min(since, made[0].at)
            if folder.script.is_file():
                usable.append(folder)
        wanted = parcels(usable, self._slurm, first)
        places = self._sender.find(wanted, since)
        for parcel in wanted:
            for folder in parcel.folders:
                if folder.id in places:
                    ledger.write_place(folder, places[folder.id])
        self._places |= places
        return places

    def _place(self, folder: JobFolder) -> Place | None:
        if folder.id not in self._places:
            try:
                place = ledger.place_of(folder)
            except OSError:
                return None
            if place is None:
                return None
            self._places[folder.id] = place
        return self._places[folder.id]

    def _folder(self, job_id: str) -> JobFolder:
        return folder_of(Path(self._settings.shelf).expanduser(), job_id)

    def _absence(self, job_id: str) -> str:
        try:
            self._settle_ended(job_id)
            state = read_record(self._folder(job_id)).state
        except (JobFolderError, OSError, SiteUnreachableError):
            return "The site does not know this job."
        return f"It has ended: {state.value.replace('_', ' ')}." if state.final else "The site does not know this job."

    def _settle_ended(self, job_id: str) -> None:
        if self._place(self._folder(job_id)) is not None:
            self.poll([job_id])

    def _sealed(self, row: Row) -> bool:
        """One of ours whose runner is done, though Slurm still cleans up."""
        job_id = own_id(row)
        if row.user != self._user or job_id is None:
            return read_state(row.state).ended
        place = self._place(self._folder(job_id))
        return place is not None and place.key == row.key and self._is_sealed(job_id, place, row)

    def _entry(self, row: Row, position: int | None) -> QueueEntry:
        job_id, spec = own_id(row), None
        words = row.comment.split()
        tier, device = (words[2], words[3]) if job_id and len(words) == 4 else ("", "")
        if job_id is not None and row.user == self._user:
            try:
                spec = read_spec(self._folder(job_id))
            except (JobFolderError, OSError):
                spec = None
        state = read_state(row.state, row.reason).state
        return QueueEntry(
            job_id=job_id or "",
            site_id=row.key,
            name=spec.name if spec else row.name,
            owner=row.user,
            state=state,
            position=position,
            submitted_at=row.submitted,
            reason=row.reason if state.waiting and row.reason != "None" else "",
            tier=spec.tier if spec else tier,
            device=spec.device if spec else device,
            cpus=row.cpus,
            time_s=row.limit_s,
            started_at=row.start if not state.waiting else None,
        )


def _order(key: str) -> tuple[int, ...]:
    return tuple(int(part) for part in key.split("_") if part.isdigit())


def _numbers(record: JobRecord) -> Iterable[int]:
    return [attempt.number for attempt in record.attempts if attempt.state is not State.CREATED]


def _names(ending: accounting.Ending | None) -> dict[int, str]:
    if ending is None or ending.by is None:
        return {}
    try:
        return {ending.by: pwd.getpwuid(ending.by).pw_name}
    except KeyError:
        return {}


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return getpass.getuser()
