"""The end of an attempt: its outcome is sealed, and the job leaves the table, or begins again."""

from __future__ import annotations

import time
from collections.abc import Iterable

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.jobfolder.outcome import Outcome, seal
from qhub_ext.sites.embedded.attempt_files import attempt_of, folder_of, make_attempt, touch
from qhub_ext.sites.embedded.journals import Journals
from qhub_ext.sites.embedded.line import Line
from qhub_ext.sites.embedded.log import note, say
from qhub_ext.sites.embedded.table import TableJob, TableWriter


class Ends:
    def __init__(self, table: TableWriter, line: Line, journals: Journals) -> None:
        self.unsealed: dict[str, tuple[TableJob, Outcome | None]] = {}
        """What a full disk keeps from being written."""
        self._table = table
        self._line = line
        self._journals = journals

    def end_waiting(self, job: TableJob, state: State, cause: Cause, message: str, advice: str = "") -> None:
        self.seal(job, Outcome(state.value, None, time.time(), cause.value, message, advice, sealed_by="site"))

    def end_hopeless(self, jobs: Iterable[TableJob]) -> None:
        """Of these, the ones that can never start."""
        for job, never in self._line.hopeless(list(jobs)):
            why = f"It can never start: {never} (dependency never satisfied)."
            self.end_waiting(
                job, State.CANCELLED, Cause.QUEUE_POLICY, why, advice="Requeue that job, and then this one."
            )

    def seal(self, job: TableJob, outcome: Outcome | None) -> None:
        """The last act on an attempt; `outcome` is None where the runner sealed one. Tried again while the disk is full."""
        self._line.take_out(job)
        try:
            if outcome is not None:
                self._write(job, outcome)
            if job.stop_why == "requeue":
                self._line.begin_again(job)
            else:
                self._table.drop(job)
        except FileNotFoundError:
            self.forget(job)
            return
        except OSError as error:
            say(f"its end is not written down yet: {error}", job)
            self.unsealed[job.id] = (job, outcome)
            return
        note(f"attempt {job.attempt} ended", job)
        self.unsealed.pop(job.id, None)
        self._line.forget_failures(job)
        touch(folder_of(job))
        if job.id not in self._table.jobs:
            self.end_hopeless(self._line.dependents())

    def seal_late(self) -> None:
        """What could not be written before."""
        for job, outcome in list(self.unsealed.values()):
            self.seal(job, outcome)

    def forget(self, job: TableJob) -> None:
        """A job whose folder was removed."""
        say(f"{job.path} is gone; the job is forgotten", job)
        self._line.take_out(job)
        self._line.forget_failures(job)
        self.unsealed.pop(job.id, None)
        self._table.drop(job)

    def _write(self, job: TableJob, outcome: Outcome) -> None:
        attempt = attempt_of(job)
        make_attempt(attempt)
        if not attempt.outcome.exists():
            attempt.reserve.unlink(missing_ok=True)  # room that was kept for this moment
            seal(attempt, outcome)
            told = {"cause": outcome.cause, "message": outcome.message, "advice": outcome.advice}
            self._journals.tell(job, "state", state=outcome.state, **told)
