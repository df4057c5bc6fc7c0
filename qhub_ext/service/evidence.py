"""What is known of one job: what lies in its folder, and, where that is asked for, what its site and its broker say."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from qhub_ext.diagnosis.evidence import Evidence
from qhub_ext.diagnosis.gather import gather
from qhub_ext.errors import JobFolderError, SiteError
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder

if TYPE_CHECKING:
    from qhub_ext.service.jobs import JobService


def evidence_of(service: JobService, job_id: str, *, ask: bool = True) -> Evidence:
    """Of an array, that of its first element that waits or failed. `ask` allows questions to the site and the broker."""
    record = service.record(job_id) if ask else service.shelf.record(job_id)
    whole = ""
    if record.spec.size is not None:
        record, whole = _element(service, record, ask=ask)
    seen = _gathered(service, record, whole)
    if not ask or record.state.final:
        return seen
    asked = _asked(service, seen)
    latest = service.shelf.record(
        record.id
    )  # it may have ended between the questions: then that is what there is to say
    return _gathered(service, latest, whole) if latest.state.final else asked


def _gathered(service: JobService, record: JobRecord, whole: str) -> Evidence:
    folder = service.shelf.folder(record.id)
    seen = replace(gather(folder, record), whole=whole)
    return replace(seen, breakdown=_breakdown(folder, record)) if record.state is State.TIMED_OUT else seen


def _breakdown(folder: JobFolder, record: JobRecord) -> dict[str, float]:
    """Seconds by part, {} where the trace cannot be read."""
    from qhub_ext.service.traces import trace_of

    try:
        found = trace_of(folder, record).breakdown
    except (JobFolderError, OSError):
        return {}
    return {part: found.seconds(part) for part in found.parts_ns}


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
