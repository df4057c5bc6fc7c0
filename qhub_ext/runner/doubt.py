"""What makes the results of a job that completes doubtful: told in its outcome, so that whoever looks at the job sees it."""

from __future__ import annotations

import dataclasses

from qhub_ext.errors import JobFolderError
from qhub_ext.job.record import fold
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import Outcome
from qhub_ext.telemetry.console import say


def with_doubt(folder: JobFolder, spec: JobSpec, number: int, outcome: Outcome) -> Outcome:
    """A job without quantum tasks and notes has nothing to doubt, and does not pay for the look."""
    if outcome.state != "completed" or not (outcome.tasks or outcome.notes):
        return outcome
    from qhub_ext.diagnosis.evaluation import evaluate
    from qhub_ext.diagnosis.gather import gather
    from qhub_ext.diagnosis.rules.doubts import COMPLETED

    sealed = dataclasses.asdict(outcome)
    try:
        record = fold(spec, read_all(folder.journals), {number: sealed})
        doubts = evaluate(gather(folder, record, sealed), COMPLETED)
    except (JobFolderError, OSError) as error:
        say(f"whether the results are doubtful could not be told: {error}")
        return outcome
    if not doubts:
        return outcome
    return dataclasses.replace(outcome, message=doubts[0].sentence, advice=doubts[0].advice)
