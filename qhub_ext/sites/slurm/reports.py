"""Rows of squeue and what the job folder says, put together: where each job is."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from qhub_ext.errors import JobFolderError, SiteUnreachableError
from qhub_ext.job.state import State
from qhub_ext.job.unexplained import is_unexplained
from qhub_ext.jobfolder.outcome import read_outcome, read_record
from qhub_ext.sites.scheduler import SiteReport
from qhub_ext.sites.slurm.chronicle import Chronicle
from qhub_ext.sites.slurm.endings import Endings
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.listing import Listing, Row
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.poller import Poller
from qhub_ext.sites.slurm.reasons import sentence_of
from qhub_ext.sites.slurm.states import read_state


@dataclass(slots=True)
class _Kept:
    """A report that the next watcher is given as well. While it runs, an outcome at this path ends that."""

    row: Row
    report: SiteReport
    outcome: str = ""


@dataclass(slots=True)
class _Answer:
    """The reports of several jobs together, for as long as nothing can have changed in any of them."""

    bases: frozenset[str]
    learnt: int
    seen: Listing
    question: int
    reports: dict[str, SiteReport]
    outcomes: tuple[str, ...]


class Reports:
    def __init__(self, places: Places, poller: Poller, chronicle: Chronicle, endings: Endings) -> None:
        self._places = places
        self._poller = poller
        self._chronicle = chronicle
        self._endings = endings
        self._kept: dict[str, _Kept] = {}
        self._hurried: set[tuple[str, int]] = set()
        self._answers: dict[tuple[str, ...], _Answer] = {}

    def poll(self, job_ids: Sequence[str], again: bool = True) -> dict[str, SiteReport]:
        asked = tuple(job_ids)
        known = self._answers.get(asked)
        if known is not None and self._still_holds(known):
            return dict(known.reports)
        places = self._places.locate(job_ids)
        if not places:
            return {}
        bases = frozenset(place.base for place in places.values())
        learnt = self._places.changes
        seen = self._poller.look(bases)
        reports: dict[str, SiteReport] = {}
        ended: dict[str, Place] = {}
        for job_id, place in places.items():
            if place.base in seen.unasked:
                by_folder = self._by_folder(job_id, place)
                reports |= {job_id: by_folder} if by_folder is not None else {}
                continue
            row = seen.rows.get(place.key)
            report = None if row is None else self._report(job_id, place, row, seen.as_of)
            if report is None:
                ended[job_id] = place
            else:
                reports[job_id] = report
        if ended:
            if again and [i for i, place in ended.items() if self._was_put_back(i, place, seen)]:
                return self.poll(job_ids, again=False)
            return reports | self._endings.conclude(ended, seen)
        kept = [self._kept.get(job_id) for job_id in reports]
        if len(places) == len(asked) and all(kept):
            outcomes = tuple(one.outcome for one in kept if one is not None and one.outcome)
            # those of an earlier question hold no more, and would keep its rows in memory
            self._answers = {i: a for i, a in self._answers.items() if a.question == self._poller.questions}
            self._answers[asked] = _Answer(bases, learnt, seen, self._poller.questions, reports, outcomes)
            return dict(reports)
        return reports

    def _still_holds(self, answer: _Answer) -> bool:
        return (
            answer.learnt == self._places.changes
            and self._poller.look(answer.bases) is answer.seen
            and not any(map(os.path.exists, answer.outcomes))
            and not self._chronicle.is_due(answer.reports)
        )

    def _was_put_back(self, job_id: str, place: Place, seen: Listing) -> bool:
        """By another process, which may have sent it anew, since Slurm was asked. It is asked anew then."""
        if self._endings.is_undecided(job_id):
            return False
        try:
            latest = read_record(self._places.folder(job_id)).attempt
        except (JobFolderError, OSError):  # gone, or closed to us
            return False
        if latest.state.final:
            return False
        if self._places.follow([job_id]):
            return True
        row = seen.rows.get(place.key)
        seen_attempt = place.first_attempt + (row.restarts if row is not None else 0)
        if latest.number <= seen_attempt or (latest.queued_at or 0.0) <= seen.as_of:
            return False
        self._poller.expire([place.base])
        return True

    def absence(self, job_id: str) -> str:
        """Why Slurm has nothing to say about it."""
        report = None
        try:
            if self._places.known(job_id) is not None:
                report = self.poll([job_id]).get(job_id)
            state = read_record(self._places.folder(job_id)).state
        except (JobFolderError, OSError, SiteUnreachableError):
            return "The site does not know this job."
        if state.final:
            return f"It has ended: {state.value.replace('_', ' ')}."
        return (report.message if report is not None else "") or "The site does not know this job."

    def state_of(self, job_id: str, place: Place, row: Row) -> State:
        """Our word, with what the folder knows better than Slurm."""
        word = read_state(row.state, row.reason)
        if word.state not in (State.RUNNING, State.FINISHING):
            return word.state
        attempt = self._places.folder(job_id).attempt(place.first_attempt + row.restarts)
        if word.state is State.RUNNING:
            if attempt.outcome.exists():  # Slurm has not heard yet that its script has ended
                return State.FINISHING
            # granted, but the site's own prologue may still run
            return State.RUNNING if attempt.launch.exists() else State.STARTING
        if row.restarts and not attempt.path.exists():  # what is being cleaned up is the attempt before this one
            return read_state("PENDING", row.reason).state
        return State.FINISHING

    def is_sealed(self, job_id: str, place: Place, row: Row) -> bool:
        """The runner is done; Slurm is only cleaning up. Not so when it was stopped from outside: it may be put back."""
        if read_state(row.state, row.reason).state not in (State.RUNNING, State.FINISHING):
            return False
        attempt = self._places.folder(job_id).attempt(place.first_attempt + row.restarts)
        if not attempt.outcome.exists():
            return False
        outcome = read_outcome(attempt) or {}
        return outcome.get("state") != "cancelled" or outcome.get("cause") == "user"

    def _by_folder(self, job_id: str, place: Place) -> SiteReport | None:
        """Of a job that Slurm was not asked about yet: what its folder says, which is as old as it is. None for one that has ended,
        unless Slurm may have more to say about that."""
        try:
            record = read_record(self._places.folder(job_id))
        except (JobFolderError, OSError):
            return None
        latest = record.attempt
        if is_unexplained(latest):
            return SiteReport(job_id, place.key, State.FINISHING, latest.ended_at or time.time(), attempt=latest.number)
        if latest.state.final:
            return None
        moments = (record.asked_at, latest.queued_at, latest.started_at, latest.running_at)
        as_of = max((moment for moment in moments if moment is not None), default=record.spec.created_at)
        state = State.QUEUED if latest.state in (State.CREATED, State.SUBMITTED) else latest.state
        return SiteReport(job_id, place.key, state, as_of, attempt=latest.number)

    def _report(self, job_id: str, place: Place, row: Row, as_of: float) -> SiteReport | None:
        """None for a job that has ended."""
        kept = self._kept.get(job_id)
        late = kept is not None and kept.outcome and os.path.exists(kept.outcome)
        if kept is not None and kept.row is row and not late and not self._chronicle.is_due([job_id]):
            return kept.report
        if read_state(row.state, row.reason).ended or self.is_sealed(job_id, place, row):
            self._kept.pop(job_id, None)
            return None
        number, state = place.first_attempt + row.restarts, self.state_of(job_id, place, row)
        folder = self._places.folder(job_id)
        if not self._chronicle.has_told(job_id, number, state if state.waiting else State.STARTING):
            self._chronicle.tell(folder, place, row, number, state)
        ended_unseen = state is State.FINISHING and read_state(row.state).state is State.RUNNING
        if ended_unseen and (job_id, number) not in self._hurried:
            self._hurried.add((job_id, number))
            self._poller.expire([place.base])  # why it ended is asked soon, however seldom a long job is asked about
        reason = row.reason if state.waiting and row.reason != "None" else ""
        message = sentence_of(reason, row.qos, row.account)
        report = SiteReport(job_id, place.key, state, as_of, row.state, reason, number, message)
        if state.waiting:
            self._kept[job_id] = _Kept(row, report)
        elif state is State.RUNNING:
            self._kept[job_id] = _Kept(row, report, str(folder.attempt(number).outcome))
        else:
            self._kept.pop(job_id, None)  # the next file in the folder may change it
        return report
