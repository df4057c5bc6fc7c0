"""Rows of squeue and what the job folder says, put together: where each job is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from qhub_ext.errors import JobFolderError, SiteUnreachableError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.sites.scheduler import SiteReport
from qhub_ext.sites.slurm.chronicle import Chronicle
from qhub_ext.sites.slurm.endings import Endings
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.listing import Row
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.poller import Poller
from qhub_ext.sites.slurm.reasons import explain
from qhub_ext.sites.slurm.states import read_state


@dataclass(slots=True)
class _Kept:
    """A report that the next watcher is given as well. While it runs, an outcome at this path ends that."""

    row: Row
    report: SiteReport
    outcome: str = ""


class Reports:
    def __init__(self, places: Places, poller: Poller, chronicle: Chronicle, endings: Endings) -> None:
        self._places = places
        self._poller = poller
        self._chronicle = chronicle
        self._endings = endings
        self._kept: dict[str, _Kept] = {}

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]:
        places = self._places.locate(job_ids)
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
        return reports | self._endings.conclude(ended, seen) if ended else reports

    def absence(self, job_id: str) -> str:
        """Why Slurm has nothing to say about it."""
        try:
            if self._places.known(job_id) is not None:
                self.poll([job_id])
            state = read_record(self._places.folder(job_id)).state
        except (JobFolderError, OSError, SiteUnreachableError):
            return "The site does not know this job."
        return f"It has ended: {state.value.replace('_', ' ')}." if state.final else "The site does not know this job."

    def state_of(self, job_id: str, place: Place, row: Row) -> State:
        """Our word, with what the folder knows better than Slurm."""
        word = read_state(row.state, row.reason)
        if word.state not in (State.RUNNING, State.FINISHING):
            return word.state
        attempt = self._places.folder(job_id).attempt(place.first_attempt + row.restarts)
        if word.state is State.RUNNING:
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
        outcome = read_json_or_none(attempt.outcome) or {}
        return outcome.get("state") != "cancelled" or outcome.get("cause") == "user"

    def _report(self, job_id: str, place: Place, row: Row, as_of: float) -> SiteReport | None:
        """None for a job that has ended."""
        kept = self._kept.get(job_id)
        if kept is not None and kept.row is row and not (kept.outcome and os.path.exists(kept.outcome)):
            return kept.report
        if read_state(row.state, row.reason).ended or self.is_sealed(job_id, place, row):
            self._kept.pop(job_id, None)
            return None
        number, state = place.first_attempt + row.restarts, self.state_of(job_id, place, row)
        folder = self._places.folder(job_id)
        self._chronicle.tell(folder, place, row, number, state)
        reason = row.reason if state.waiting and row.reason != "None" else ""
        message = ""
        if reason:
            message = explain(reason, {"qos": f" {row.qos!r}", "account": f" {row.account!r}"}).sentence
        report = SiteReport(job_id, place.key, state, as_of, row.state, reason, number, message)
        if state.waiting:
            self._kept[job_id] = _Kept(row, report)
        elif state is State.RUNNING:
            self._kept[job_id] = _Kept(row, report, str(folder.attempt(number).outcome))
        return report
