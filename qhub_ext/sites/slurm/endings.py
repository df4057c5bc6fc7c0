"""Jobs that have left the queue: each needs a last word, and Slurm's books have it when the runner left none."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import replace

from qhub_ext.errors import JobFolderError
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.job.unexplained import is_unexplained
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.settings import SlurmSettings
from qhub_ext.sites.scheduler import SiteReport
from qhub_ext.sites.slurm import accounting
from qhub_ext.sites.slurm.accounting import Ending
from qhub_ext.sites.slurm.chronicle import BOOKS_LATE_S, Chronicle
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.listing import Listing, Row
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.poller import Poller
from qhub_ext.sites.slurm.sentences import read_sentence
from qhub_ext.sites.slurm.states import read_state

LOST_AFTER_S = BOOKS_LATE_S
WHY_IS_ASKED = "It was asked to end, and Slurm is asked why"
CANCELLED_BY_WHOM = "It was cancelled; by whom is asked of Slurm's accounting."


class Endings:
    def __init__(
        self, commands: Commands, settings: SlurmSettings, places: Places, poller: Poller, chronicle: Chronicle
    ) -> None:
        self._commands = commands
        self._pause_s = (settings.poll_s, settings.poll_max_s)
        self._places = places
        self._poller = poller
        self._chronicle = chronicle
        self._missing: dict[str, float] = {}
        self._undecided: dict[str, tuple[float, SiteReport | None]] = {}
        """What was said of those that nobody could decide about, and until when that stands; None of those about which no more is expected."""
        self._silences = 0

    def is_undecided(self, job_id: str) -> bool:
        return time.monotonic() < self._undecided.get(job_id, (0.0, None))[0]

    def conclude(self, ended: Mapping[str, Place], seen: Listing) -> dict[str, SiteReport]:
        """Says the last word on those whose runner left none. Reports of those that stay undecided."""
        open_ones = {}
        reports: dict[str, SiteReport] = {}
        for job_id, place in ended.items():
            until, report = self._undecided.get(job_id, (0.0, None))
            if time.monotonic() < until:
                reports |= {} if report is None else {job_id: report}
                continue
            record = self._open(job_id, place, seen.rows.get(place.key))
            if record is not None:
                open_ones[job_id] = (place, record)
        if not open_ones:
            return reports
        since = min(record.spec.created_at for _, record in open_ones.values())
        endings, trouble = accounting.endings_of(self._commands, [p.key for p, _ in open_ones.values()], since)
        self._silences = self._silences + 1 if trouble else 0
        pause = min(self._pause_s[1], self._pause_s[0] * 2**self._silences)
        # those that others wait for come first, so that a dependency can be named with its end
        for job_id, (place, record) in sorted(open_ones.items(), key=lambda item: len(item[1][1].spec.after)):
            row = seen.rows.get(place.key)
            history = endings.get(place.key, [])
            if history and history[-1].state == "REQUEUED":
                ending, restarts = None, len(history)  # of the attempt after that one the books say nothing
            else:
                ending, restarts = (history[-1], len(history) - 1) if history else (None, 0)
            # the queue knows that it failed before the books know with which exit code, or when it began and ended
            late = self._may_turn_up(job_id, record)
            awaited = row is not None and row.state in ("FAILED", "TIMEOUT") and not trouble and late
            if ending is None and row is not None and not awaited:
                ending = Ending(place.key, row.state, 0, 0, row.reason, row.nodes)
            elif ending is not None and row is not None and read_sentence(row.reason):
                ending = replace(ending, reason=row.reason)  # the books keep the word only
            anonymous = ending is not None and self._awaits_a_name(job_id, ending, row) and not trouble
            sealed = is_unexplained(record.attempt)
            if (ending is None or anonymous) and (late or (trouble and not sealed)):
                told = CANCELLED_BY_WHOM if anonymous else _forgotten(trouble, sealed)
                reports[job_id] = _undecided(place, record, seen.as_of, told)
                self._undecided[job_id] = (time.monotonic() + pause, reports[job_id])
                continue
            self._undecided.pop(job_id, None)
            if ending is None and sealed:  # what its runner saw stands, until a later look finds more
                self._undecided[job_id] = (time.monotonic() + self._pause_s[1], None)
                continue
            if ending is not None and not read_state(ending.state).ended:
                self._poller.expire([place.base])  # back in the queue between two questions
                continue
            number = place.first_attempt + (row.restarts if row else restarts)
            number = max(number, record.attempt.number if row is None else number)
            self._chronicle.seal(self._places.folder(job_id), ending, number)
        return reports

    def _open(self, job_id: str, place: Place, row: Row | None) -> JobRecord | None:
        """The record of one that has no end yet which could stand."""
        folder = self._places.folder(job_id)
        with contextlib.suppress(OSError):
            os.listdir(folder.path)
            os.listdir(folder.attempts)  # a network file system may not have shown us yet what a node wrote
        try:
            record = read_record(folder)
        except (JobFolderError, OSError):
            return None  # gone, or another user's
        number = place.first_attempt + row.restarts if row else record.attempt.number
        latest = {a.number: a for a in record.attempts}.get(number)
        if latest is not None and any(is_unexplained(a) or not a.state.final for a in record.attempts[:-1]):
            with contextlib.suppress(JobFolderError, OSError):
                self._chronicle.tell_restart(folder, place, number)
        if latest is None or not latest.state.final or latest.state is State.LOST or is_unexplained(latest):
            return record
        if latest.started_at is None and not self._chronicle.has_told(job_id, number, State.COMPLETED):
            self._chronicle.tell_start(folder, number, row)
        return None

    def _awaits_a_name(self, job_id: str, ending: Ending, row: Row | None) -> bool:
        """The books alone say who cancelled it, a little later, unless a client of ours did; of an element that never started they
        say nothing."""
        if ending.state != "CANCELLED" or ending.by is not None or ending.reason:
            return False
        if any(
            e.get("kind") == "stop" and e.get("why") == "cancel" for e in read_all(self._places.folder(job_id).journals)
        ):
            return False
        begun = "_" not in ending.key or (row is not None and row.start is not None)
        return begun and self._commands.keeps_books

    def _may_turn_up(self, job_id: str, record: JobRecord) -> bool:
        """The books lag behind the queue: a job is not lost before both have been silent about it for a while. Where its runner has
        sealed an end, that while begins there, so that it is over for whoever looks much later."""
        now, latest = time.time(), record.attempt
        since = self._missing.setdefault(job_id, now)
        if is_unexplained(latest) and latest.ended_at is not None:
            since = min(since, latest.ended_at)
        return now - since < LOST_AFTER_S and not any(
            event.get("kind") == "stop" for event in read_all(self._places.folder(job_id).journals)
        )


def _forgotten(trouble: str, sealed: bool) -> str:
    why = f", and its accounting does not answer: {trouble}" if trouble else "; its accounting is awaited."
    return f"{WHY_IS_ASKED if sealed else 'Slurm has forgotten this job'}{why}"


def _undecided(place: Place, record: JobRecord, as_of: float, message: str) -> SiteReport:
    return SiteReport(
        record.id,
        place.key,
        State.FINISHING if is_unexplained(record.attempt) else State.SUBMITTED if record.state.final else record.state,
        as_of,
        attempt=record.attempt.number,
        message=message,
    )
