"""What Slurm alone knows, written into the job folder: when it started a job, that it began a new attempt, how one ended that
left no word."""

from __future__ import annotations

import os
import pwd
import signal
from dataclasses import replace

from qhub_ext.errors import JobFolderError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.sites.slurm import accounting, evidence, ledger
from qhub_ext.sites.slurm.accounting import Ending
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.listing import Row
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.reasons import sentence_of
from qhub_ext.sites.slurm.states import read_state
from qhub_ext.sites.slurm.verdict import conclude, signal_of, was_taken_back


class Chronicle:
    def __init__(self, commands: Commands, places: Places) -> None:
        self._commands = commands
        self._places = places
        self._told: dict[str, tuple[int, State]] = {}

    def has_told(self, job_id: str, number: int, state: State) -> bool:
        return self._told.get(job_id) == (number, state)

    def tell(self, folder: JobFolder, place: Place, row: Row, number: int, state: State) -> None:
        """That attempt `number` waits, or when it was started; before that, what became of those before it."""
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
                    told = sentence_of(row.reason, row.qos, row.account)
                    ledger.say(folder, "state", state=now[1].value, attempt=number, reason=told, word=row.state)
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
                if ending is None or ending.state in ("PENDING", "RUNNING"):
                    ending = Ending(place.key, "REQUEUED", 0, 0)
                found = evidence.gather(self._places, folder, n, again=True)
                verdict = conclude(ending, found, owner_uid=os.stat(folder.path).st_uid)
                moment = {} if ending.end is None else {"at": ending.end}
                ledger.say(folder, "state", attempt=n, **verdict.to_event(), **moment)
        if number not in known:
            ledger.say(folder, "state", state="queued", attempt=number, reason=read_state("REQUEUED").sentence)
        ledger.refresh(folder)

    def tell_start(self, folder: JobFolder, number: int, row: Row | None) -> None:
        """Of a job that had ended before anybody looked."""
        launch = read_json_or_none(folder.attempt(number).launch) or {}
        moment = launch.get("at") or (row.start if row is not None else None)
        if moment is not None:
            ledger.say(folder, "state", state="starting", attempt=number, at=float(moment))
        self._told[folder.id] = (number, State.COMPLETED)

    def seal(self, folder: JobFolder, ending: Ending | None, number: int) -> None:
        """The last word on an attempt whose runner left none."""
        found = evidence.gather(self._places, folder, number)
        if ending is not None and was_taken_back(ending, found):
            found = replace(found, node_says=accounting.why_closed(self._commands, ending.nodes))
        if ending is not None and ending.state == "FAILED" and signal_of(ending) == signal.SIGKILL:
            found = replace(found, memory=accounting.memory_of(self._commands, ending.key))
        verdict = conclude(ending, found, owner_uid=os.stat(folder.path).st_uid, names=_names(ending))
        record = read_record(folder)
        known = {a.number: a for a in record.attempts}.get(number)
        unstarted = known is None or known.started_at is None
        if unstarted and ending is not None and ending.start is not None and folder.attempt(number).path.exists():
            ledger.say(folder, "state", state="starting", attempt=number, at=ending.start)
        # Slurm's moments are whole seconds: never before it was queued
        queued_at = (known.queued_at if known is not None else None) or record.asked_at or 0.0
        moment = {} if ending is None or ending.end is None else {"at": max(ending.end, queued_at)}
        ledger.say(folder, "state", attempt=number, **verdict.to_event(), **moment)
        ledger.refresh(folder)
        self._told[folder.id] = (number, State.CANCELLED)


def _names(ending: Ending | None) -> dict[int, str]:
    if ending is None or ending.by is None:
        return {}
    try:
        return {ending.by: pwd.getpwuid(ending.by).pw_name}
    except KeyError:
        return {}
