"""Gathers what is known of one job: first its folder, then, where it is asked for, the site, the broker and the calibrations."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from qhub_ext.diagnosis.drift import drift_between
from qhub_ext.diagnosis.evidence import Evidence
from qhub_ext.errors import JobFolderError, QhubError, SiteError
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.calibrations import read_pinned
from qhub_ext.jobfolder.device_tasks import read_device_tasks
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder

if TYPE_CHECKING:
    from qhub_ext.service.jobs import JobService

TAIL_BYTES = 16384


def evidence_of(service: JobService, job_id: str, *, ask: bool = True) -> Evidence:
    """Of an array, that of its first element that waits or failed. `ask` allows questions to the site and the broker."""
    record = service.record(job_id) if ask else service.shelf.record(job_id)
    whole = ""
    if record.spec.size is not None:
        record, whole = _element(service, record, ask=ask)
    seen = _from_folder(service.shelf.folder(record.id), record)
    seen = replace(seen, whole=whole)
    return _asked(service, seen) if ask and not record.state.final else seen


def _from_folder(folder: JobFolder, record: JobRecord) -> Evidence:
    from qhub_ext.service.calibrations import read_tasks

    attempt = folder.attempt(record.attempt.number)
    outcome = read_json_or_none(attempt.outcome)
    tasks = read_tasks(folder)
    met = [record.snapshots.get("submission", ""), record.snapshots.get("start", "")]
    met += [str(i) for task in tasks for sent in task.get("device_tasks") or () for i in sent.get("snapshots") or ()]
    seen = Evidence(
        folder=folder,
        record=record,
        outcome=outcome if isinstance(outcome, dict) else {},
        events=read_all(folder.journals),
        console=tail(attempt.console),
        tasks=tasks,
        device_tasks=read_device_tasks(folder),
        runtime=read_json_or_none(folder.runtime) or {},
        snapshots=tuple(dict.fromkeys(identity[:23] for identity in met if identity)),
    )
    if record.state is State.TIMED_OUT:
        seen = replace(seen, breakdown=_breakdown(folder, record))
    return _with_drift(seen) if len(seen.snapshots) > 1 else seen


def _breakdown(folder: JobFolder, record: JobRecord) -> dict[str, float]:
    """Seconds by part, {} where the trace cannot be read."""
    from qhub_ext.service.traces import trace_of

    try:
        found = trace_of(folder, record).breakdown
    except (JobFolderError, OSError):
        return {}
    return {part: found.seconds(part) for part in found.parts_ns}


def _with_drift(seen: Evidence) -> Evidence:
    """Numbers that nobody kept, or that cannot be compared, are left out: that they changed is known all the same."""
    with suppress(QhubError, OSError):
        first, last = (read_pinned(seen.folder, identity) for identity in (seen.snapshots[0], seen.snapshots[-1]))
        if first is not None and last is not None:
            return replace(seen, calibration=last, drift=drift_between(first, last))
    return seen


def _asked(service: JobService, seen: Evidence) -> Evidence:
    record = seen.record
    if not record.state.waiting:
        return replace(seen, broker=service.waits_at_broker(record.id))
    try:
        return replace(seen, waits=service.site(record.spec.site).explain_reason(record.id))
    except SiteError as error:
        return replace(seen, silent=error.message)


def _element(service: JobService, whole: JobRecord, *, ask: bool) -> tuple[JobRecord, str]:
    """The element that says most, and a sentence about all of them."""
    folder = service.shelf.folder(whole.id)
    records = []
    for index in range(whole.spec.size or 0):
        with suppress(JobFolderError, OSError):
            job_id = folder.element(index).id
            records.append(service.shelf.record(job_id))
    bad = [r for r in records if r.state.final and r.state is not State.COMPLETED]
    waiting = [r for r in records if r.state.waiting]
    chosen = next(iter(bad or waiting or [r for r in records if not r.state.final] or records), whole)
    if ask and not chosen.state.final and chosen is not whole:
        chosen = service.record(chosen.id)
    count = (
        f"{len(bad)} of {len(records)} elements did not complete"
        if bad
        else f"{len(waiting)} of {len(records)} elements wait"
    )
    told = f"{count}; of {short_id(chosen.id)}: " if (bad or waiting) and chosen is not whole else ""
    return chosen, told


def tail(path: object, most: int = TAIL_BYTES) -> Sequence[tuple[int, str]]:
    """The last lines of a file, each with its number; none where there is no file."""
    try:
        with open(str(path), "rb") as file:
            size = file.seek(0, 2)
            begin = max(0, size - most)
            file.seek(0)
            skipped, left = 0, begin
            while left > 0:
                chunk = file.read(min(left, 1 << 20))
                if not chunk:
                    break
                skipped += chunk.count(b"\n")
                left -= len(chunk)
            text = file.read(most).decode("utf-8", "replace")
    except OSError:
        return ()
    lines = text.splitlines()
    return [(skipped + number, line) for number, line in enumerate(lines, 1)]
