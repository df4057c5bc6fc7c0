"""The sealed verdict on one attempt, and the record of the whole job that follows from all of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, TypedDict

from qhub_ext.errors import JobFolderError, NewerVersionError, UnreadableJobError
from qhub_ext.job.identity import is_job_id, short_id
from qhub_ext.job.kinds import sift
from qhub_ext.job.record import JobRecord, fold
from qhub_ext.job.spec import SCHEMA as JOB_SCHEMA
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import read_json, read_record_or_none, write_json
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.ownership import find_exposure

SCHEMA = "qhub.outcome/1"


@dataclass(frozen=True)
class Outcome:
    """`state` is a final state. Moments in s since 1970 UTC. `error` holds ename, evalue and traceback of the cell. `qpu_s` are the
    seconds of a device that it used, None where it used none.
    """

    state: str
    running_at: float | None
    ended_at: float
    cause: str | None = None
    message: str = ""
    advice: str = ""
    error: dict[str, Any] | None = None
    variables: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)
    tasks: int = 0
    qpu_s: float | None = None
    sealed_by: str = "runner"


class _Within(TypedDict, total=False):
    file: str
    line: int
    function: str


class _Behind(TypedDict, total=False):
    kind: str
    text: str
    errno: int | None
    told: dict[str, Any]


class _Facts(TypedDict, total=False):
    """See `qhub_ext.runner.raised`."""

    line: int | None
    kinds: list[str]
    errno: int | None
    told: dict[str, Any]
    own: bool
    module: str | None
    within: _Within
    behind: list[_Behind]


class _Error(TypedDict, total=False):
    ename: str
    evalue: str
    traceback: list[str]
    facts: dict[str, Any]


def read_outcome(attempt: AttemptFolder) -> dict[str, Any] | None:
    """None where nothing is sealed. What is of another kind than is written there is left out, with a note. Raises JobFolderError for what is torn."""
    found = read_record_or_none(attempt.outcome)
    if found is None:
        return None
    outcome, wrong = sift(found, Outcome)
    if outcome.get("error"):
        outcome["error"], more = sift(outcome["error"], _Error)
        wrong += more
        if outcome["error"].get("facts"):
            outcome["error"]["facts"], more = sift(outcome["error"]["facts"], _Facts)
            wrong += more
    if wrong:
        said = f"{attempt.outcome.name} of attempt {attempt.number} is damaged: its {', '.join(wrong)} cannot be read."
        outcome["notes"] = [*(outcome.get("notes") or ()), said]
    return outcome


def seal(attempt: AttemptFolder, outcome: Outcome) -> bool:
    """The first to seal an attempt wins; False when somebody was first."""
    return write_json(attempt.outcome, {"schema": SCHEMA, **dataclasses.asdict(outcome)}, durable=True, exclusive=True)


def read_spec(folder: JobFolder) -> JobSpec:
    try:
        record = read_json(folder.spec)
    except FileNotFoundError:
        if is_job_id(folder.id) and not folder.path.exists():
            raise UnreadableJobError(
                f"The folder of job {short_id(folder.id)} is gone: {folder.path}.",
                advice="Somebody removed it, and with it all that was known of the job. `qhub archives` lists jobs that were moved.",
            ) from None
        raise UnreadableJobError(f"{folder.path} is not a job folder: it has no {folder.spec.name}.") from None
    except PermissionError:
        raise UnreadableJobError(f"{folder.path} belongs to another user and is closed to you.") from None
    schema = record.get("schema") if isinstance(record, dict) else None
    if isinstance(schema, str) and schema != JOB_SCHEMA:  # of the first version some have none
        raise NewerVersionError(
            f"{folder.path} was written by a newer version of qhub_ext ({schema[:40]}); this one reads {JOB_SCHEMA}.",
            advice="pip install --upgrade qhub-ext",
            where=str(folder.spec),
        )
    try:
        return JobSpec.from_json(record)
    except (TypeError, KeyError, AttributeError) as error:
        raise JobFolderError(
            f"{folder.spec} is not a job specification that this version can read ({error})."
        ) from error


def read_record(folder: JobFolder, spec: JobSpec | None = None) -> JobRecord:
    outcomes = {}
    for number in folder.attempt_numbers():
        outcome = read_outcome(folder.attempt(number))
        if outcome is not None:
            outcomes[number] = outcome
    return fold(spec or read_spec(folder), read_all(folder.journals), outcomes)


def require_own(folder: JobFolder) -> None:
    """Unpickling runs code: only from a folder of this user that nobody else can write to."""
    for path in {folder.path, folder.bundle_root}:
        exposed = find_exposure(path)
        if exposed is not None:
            raise JobFolderError(
                f"{path} {exposed.words}; values are loaded only from job folders that are yours alone.",
                advice=exposed.mend or "Its text outputs can be read, if its owner lets you.",
            )
