"""The summary of an attempt, made from its folder and written into it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from qhub_ext.diagnosis.fleet.summary import JobSummary, summarise_attempt
from qhub_ext.diagnosis.trace import assemble
from qhub_ext.errors import Cause, JobFolderError
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.unexplained import is_awaited
from qhub_ext.jobfolder.atomic import read_record_or_none, write_json
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import read_outcome, read_record
from qhub_ext.jobfolder.runtime import read_runtime
from qhub_ext.telemetry.reading import read_recorded
from qhub_ext.telemetry.secrets import hide, values_in

Place = TypeVar("Place")


def write_summary(
    folder: JobFolder, number: int, *, node: str = "", qos: str = "", record: JobRecord | None = None
) -> JobSummary | None:
    """None where the attempt has not ended, or its site may tell any moment why it did. The first one stays, see `amend_summary`. Raises OSError, JobFolderError."""
    known = record or read_record(folder)
    attempt = _attempt(known, number)
    if attempt is not None and is_awaited(attempt, time.time()):
        return None
    found = _made(folder, number, known, node, qos)
    if found is not None:
        own = folder.attempt(number)
        own.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(own.summary, found.to_json(), exclusive=True)
    return found


def amend_summary(folder: JobFolder, number: int) -> JobSummary | None:
    """Where the runner could not know why it was ended and the site has said so since: the new one. None where nothing is better known."""
    known = read_summary(folder.attempt(number))
    if known is None or known.cause != Cause.UNKNOWN:
        return None
    record = read_record(folder)
    attempt = _attempt(record, number)
    if attempt is None or not attempt.cause or attempt.cause == Cause.UNKNOWN:
        return None
    found = _made(folder, number, record, known.node, known.qos)
    if found is not None:
        write_json(folder.attempt(number).summary, found.to_json())
    return found


def _attempt(record: JobRecord, number: int) -> Attempt | None:
    return next((one for one in record.attempts if one.number == number), None)


def _made(folder: JobFolder, number: int, record: JobRecord, node: str, qos: str) -> JobSummary | None:
    attempt = _attempt(record, number)
    if attempt is None or not attempt.state.final:
        return None
    own = folder.attempt(number)
    secrets = values_in(os.environ)
    attempt = replace(attempt, message=hide(attempt.message, secrets))
    there = _soundly(read_runtime, own.runtime)
    runtime = there or _soundly(read_runtime, folder.runtime)
    return summarise_attempt(
        record,
        attempt,
        assemble(record, read_recorded(folder), {}),
        outcome=_hidden(_soundly(read_outcome, own), secrets),
        packages=runtime.get("packages") or {},
        python=str(runtime.get("python", "")),
        node=node or str(_soundly(read_record_or_none, own.launch).get("node") or there.get("host") or ""),
        qos=qos or str(there.get("qos") or ""),
    )


def _hidden(outcome: dict[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    """An error may repeat what its variables hold."""
    error = outcome.get("error")
    if not isinstance(error, dict):
        return outcome
    return {**outcome, "error": {**error, "evalue": hide(str(error.get("evalue", "")), secrets)}}


def read_summary(attempt: AttemptFolder) -> JobSummary | None:
    """None where there is none, or none that this version can read."""
    try:
        record = read_record_or_none(attempt.summary)
        return JobSummary.from_json(record) if record is not None else None
    except (JobFolderError, TypeError):
        return None


def _soundly(read: Callable[[Place], dict[str, Any] | None], place: Place) -> dict[str, Any]:
    """One of the attempt's small files; {} where it is not there or damaged."""
    try:
        return read(place) or {}
    except JobFolderError:
        return {}
