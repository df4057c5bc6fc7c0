"""Cancel, hold, release and requeue: what the daemon is asked for, and who was refused why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.sites.embedded.queue_view import absence
from qhub_ext.sites.embedded.spool import REQUEST_SCHEMA
from qhub_ext.sites.embedded.submission import ended_job
from qhub_ext.sites.embedded.table import HELD, STARTED, TableJob
from qhub_ext.sites.scheduler import Refusal

FolderOf = Callable[[str], JobFolder]


def request_for(
    verb: str, job_ids: Sequence[str], known: Mapping[str, TableJob], folder_of: FolderOf
) -> tuple[dict[str, Any] | None, list[Refusal]]:
    """The letter to the daemon, None where every job was refused."""
    refusals, accepted, records, attempts = [], [], {}, {}
    for job_id in _expand(verb, job_ids, known, folder_of):
        job = known.get(job_id)
        if job is not None:
            why = _refuse(verb, job)
            if verb == "requeue":
                attempts[job_id] = job.attempt
        elif verb == "requeue" and (record := ended_job(folder_of(job_id))):
            why = ""
            records[job_id], attempts[job_id] = record.to_json(), record.attempt
        else:
            why = absence(folder_of(job_id))
        if why:
            refusals.append(Refusal(job_id, why))
        else:
            accepted.append(job_id)
    if not accepted:
        return None, refusals
    letter = {"schema": REQUEST_SCHEMA, "verb": verb, "ids": accepted, "jobs": records, "attempts": attempts}
    return letter, refusals


def _expand(verb: str, job_ids: Sequence[str], known: Mapping[str, TableJob], folder_of: FolderOf) -> list[str]:
    """An array stands for its elements."""
    expanded: dict[str, None] = {}
    for job_id in job_ids:
        members = [] if "." in job_id else [i for i in known if i.startswith(f"{job_id}.")]
        if verb == "requeue" and not members and job_id not in known and "." not in job_id:
            members = _elements(folder_of(job_id))
        expanded.update(dict.fromkeys(members or [job_id]))
    return list(expanded)


def _refuse(verb: str, job: TableJob) -> str:
    """Why not, or empty."""
    if verb == "hold" and job.state == STARTED:
        return "It has started; only a waiting job can be held."
    if verb == "release" and job.state != HELD:
        return "It has started." if job.state == STARTED else "It is not held."
    if verb == "requeue" and job.waits:
        return "It is waiting already."
    return ""


def _elements(folder: JobFolder) -> list[str]:
    try:
        size = read_spec(folder).size
    except (FileNotFoundError, JobFolderError):
        return []
    return [folder.element(index).id for index in range(size or 0)]
