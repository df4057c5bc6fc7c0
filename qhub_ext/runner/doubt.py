"""What is to be said of an attempt beside how it ended, and is told in its outcome, so that whoever looks at the job sees it: what makes the results
of one that completed doubtful, and what one waited for in vain.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from qhub_ext.errors import JobFolderError
from qhub_ext.job.record import fold
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import Outcome
from qhub_ext.telemetry.console import say

if TYPE_CHECKING:
    from qhub_ext.diagnosis.evaluation import Rules


def with_doubt(folder: JobFolder, spec: JobSpec, number: int, outcome: Outcome) -> Outcome:
    """A job without quantum tasks and notes has nothing to doubt, and does not pay for the look."""
    if outcome.state == "completed" and (outcome.tasks or outcome.notes):
        from qhub_ext.diagnosis.rules.doubts import COMPLETED

        return _told(folder, spec, number, outcome, COMPLETED)
    if outcome.state == "timed_out" or (outcome.error or {}).get("ename") == "BrokenProcessPool":
        from qhub_ext.diagnosis.rules.code import IN_VAIN

        return _told(folder, spec, number, outcome, IN_VAIN)
    return outcome


def _told(folder: JobFolder, spec: JobSpec, number: int, outcome: Outcome, rules: Rules) -> Outcome:
    from qhub_ext.diagnosis.evaluation import evaluate
    from qhub_ext.diagnosis.gather import gather

    sealed = dataclasses.asdict(outcome)
    try:
        record = fold(spec, read_all(folder.journals), {number: sealed})
        found = evaluate(gather(folder, record, sealed), rules)
    except (JobFolderError, OSError) as error:
        say(f"what is to be said of its end could not be told: {error}")
        return outcome
    if not found:
        return outcome
    cause = outcome.cause if outcome.state == "completed" else found[0].cause.value
    return dataclasses.replace(outcome, cause=cause, message=found[0].sentence, advice=found[0].advice)
