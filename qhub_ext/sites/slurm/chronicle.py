"""What Slurm alone knows, written into the job folder: when it started a job, that it began a new attempt, how one ended that
left no word."""

from __future__ import annotations

import os
import pwd
import signal
import time
from collections.abc import Iterable
from dataclasses import replace

from qhub_ext.errors import JobFolderError
from qhub_ext.job.record import Attempt
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json_or_none, read_record_or_none
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
from qhub_ext.sites.slurm.verdict import Evidence, conclude, signal_of, was_taken_back

BOOKS_LATE_S = 10.0
"""By so much the books lag behind the queue at most."""
GOES_ON = ("PENDING", "RUNNING", "SUSPENDED")


class Chronicle:
    def __init__(self, commands: Commands, places: Places) -> None:
        self._commands = commands
        self._places = places
        self._told: dict[str, tuple[int, State]] = {}
        self._ask_again: dict[str, float] = {}
        """When the books are asked again about attempts that they had not heard of."""

    def is_due(self, job_ids: Iterable[str]) -> bool:
        """Whether the books may by now know more of an earlier attempt of one of these."""
        return bool(self._ask_again) and any(time.monotonic() >= self._ask_again.get(i, float("inf")) for i in job_ids)

    def has_told(self, job_id: str, number: int, state: State) -> bool:
        return self._told.get(job_id) == (number, state)

    def tell(self, folder: JobFolder, place: Place, row: Row, number: int, state: State) -> None:
        """That attempt `number` waits, or when it was started; before that, what became of those before it."""
        before = self._told.get(folder.id, (place.first_attempt, State.QUEUED))
        now = (number, state if state.waiting else State.STARTING)
        if now == before:
            return
        try:
            told = number == place.first_attempt or before[0] >= number or self.tell_restart(folder, place, number)
            known = {a.number: a for a in read_record(folder).attempts}.get(number)
            if now[1] is not State.STARTING:
                if known is None or known.state is not now[1]:
                    why = sentence_of(row.reason, row.qos, row.account)
                    ledger.say(folder, "state", state=now[1].value, attempt=number, reason=why, word=row.state)
            elif row.start is not None and (known is None or known.started_at is None):
                # Slurm's moments are whole seconds: never before it was queued
                moment = max(row.start, known.queued_at or 0.0) if known else row.start
                ledger.say(folder, "state", state="starting", attempt=number, at=moment, word=row.state)
        except (JobFolderError, OSError):
            return  # the folder is gone or closed: Slurm's word is shown all the same
        if told:
            self._told[folder.id] = now

    def tell_restart(self, folder: JobFolder, place: Place, number: int) -> bool:
        """The attempts before this one, each with its cause, and that this one waits. False while the books have yet to hear of one of them:
        they lag behind the queue, and nothing is made up until they had their time."""
        record = read_record(folder)
        known = {attempt.number: attempt for attempt in record.attempts}
        if number not in known:
            ledger.say(folder, "state", state="queued", attempt=number, reason=read_state("REQUEUED").sentence)
            ledger.refresh(folder)
        before = range(place.first_attempt, number)
        open_ones = [n for n in before if n not in known or not known[n].state.final or known[n].cause == "unknown"]
        if not open_ones:
            return True
        if time.monotonic() < self._ask_again.get(folder.id, 0.0):
            return False
        endings, _ = accounting.endings_of(self._commands, [place.key], record.spec.created_at)
        history = endings.get(place.key, [])
        awaited = False
        for n in open_ones:
            index, attempt = n - place.first_attempt, known.get(n)
            ending = history[index] if index < len(history) and history[index].state not in GOES_ON else None
            found = evidence.gather(self._places, folder, n, again=True)
            if ending is None:
                if self._commands.keeps_books and not found.stop_why and _is_recent(attempt, known.get(n + 1)):
                    awaited = True
                    continue
                found = self._with_node(folder, n, found)
            verdict = conclude(ending, found, owner_uid=os.stat(folder.path).st_uid)
            if attempt is not None and attempt.word and attempt.cause == verdict.cause:
                continue  # somebody has said so before
            moment = {} if ending is None or ending.end is None else {"at": ending.end}
            ledger.say(folder, "state", attempt=n, **verdict.to_event(), **moment)
            ledger.refresh(folder)
        if awaited:
            self._ask_again[folder.id] = time.monotonic() + self._places.settings.poll_s
        else:
            self._ask_again.pop(folder.id, None)
        return not awaited

    def _with_node(self, folder: JobFolder, number: int, found: Evidence) -> Evidence:
        """Whether the node of that attempt is there still."""
        node = str((read_record_or_none(folder.attempt(number).launch) or {}).get("node", ""))
        if not accounting.is_out_of_service(self._commands, node):
            return found
        return replace(found, node_down=node, node_says=accounting.why_closed(self._commands, node))

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


def _is_recent(attempt: Attempt | None, later: Attempt | None) -> bool:
    """Whether this attempt ended, or the one after it was heard of, a moment ago."""
    found = [] if attempt is None else [attempt.ended_at]
    found += [] if later is None else [later.queued_at, later.started_at]
    now = time.time()
    return now - min((moment for moment in found if moment is not None), default=now) < BOOKS_LATE_S


def _names(ending: Ending | None) -> dict[int, str]:
    if ending is None or ending.by is None:
        return {}
    try:
        return {ending.by: pwd.getpwuid(ending.by).pw_name}
    except KeyError:
        return {}
