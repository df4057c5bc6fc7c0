"""The answers about one job. Blocking; called in a thread with the service of the moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import JobFolderError, UnknownNameError, UnreadableJobError, UserError
from qhub_ext.job.identity import short_id
from qhub_ext.job.state import verbs_for
from qhub_ext.server.monitor import entry_of
from qhub_ext.server.replies import who

MAP_METRIC = "readout"
"""What the colours of the qubits mean on the map of a job's calibration; those of the edges are their errors."""

if TYPE_CHECKING:
    from qhub_ext.capture.manifest import Manifest
    from qhub_ext.job.record import JobRecord
    from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
    from qhub_ext.service import JobService


def known(service: JobService, job_id: str) -> JobFolder:
    """The folder of a job that exists. Raises UnknownNameError, or UnreadableJobError for one that is closed."""
    folder = service.shelf.folder(job_id)
    try:
        folder.spec.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise UnknownNameError(
            f"There is no job {short_id(job_id)} among yours.",
            advice="Its folder may have been removed, or it belongs to somebody else.",
        ) from None
    except OSError as error:
        raise UnreadableJobError(
            f"The folder of job {short_id(job_id)} is closed to you ({error.strerror}).", where=str(folder.path)
        ) from None
    return folder


def the_attempt(folder: JobFolder, number: int) -> AttemptFolder | None:
    """Of this number, or the latest for 0. None when there is none yet; UnknownNameError for a number that never was."""
    if not number:
        return folder.latest_attempt()
    if number not in folder.attempt_numbers():
        raise UnknownNameError(f"Job {short_id(folder.id)} has no attempt {number}.")
    return folder.attempt(number)


def job(service: JobService, job_id: str, told: JobRecord | None) -> dict[str, Any]:
    """`told` is what the monitor has of it; nothing is asked of the site that it knows already."""
    from qhub_ext.display.card import card_lines

    folder = known(service, job_id)
    record = service.record(job_id) if told is None else told
    record = service.knowledge.with_sentence(record)
    return record.to_json() | {
        "short_id": short_id(job_id),
        "as_of": record.as_of,
        "lines": card_lines(record),
        "folder": str(folder.path),
        "requested": record.spec.requested,
        "rerun_of": record.spec.rerun_of,
        "actions": verbs_for(record.state),
    }


def line(service: JobService, job_id: str) -> dict[str, Any]:
    """Of a job that the listing does not have: an element of an array."""
    known(service, job_id)
    return entry_of(service.record(job_id)).to_json()


def events(service: JobService, job_id: str, after: int) -> dict[str, Any]:
    """All of them in the order of their time, or none where there are no more than `after`: writers are not in step."""
    from qhub_ext.jobfolder.journal import read_all

    found = sorted(read_all(known(service, job_id).journals), key=lambda event: event.get("at", 0.0))
    return {"events": found if len(found) > after else [], "seq": len(found)}


def outputs(service: JobService, job_id: str, number: int, after: int) -> dict[str, Any]:
    from qhub_ext.jobfolder.outputs import fold_outputs, read_messages

    folder = known(service, job_id)
    size = service.spec(job_id).size
    folders = [folder] if size is None else [folder.element(n) for n in range(size)]
    found: list[dict[str, Any]] = []
    seq, final, shown = 0, True, number or 1
    for one in folders:
        attempt = the_attempt(one, number if size is None else 0)
        if attempt is None:
            final = False
            continue
        shown = attempt.number
        final = final and attempt.outcome.exists()  # asked first: whatever came before the end is read below
        messages = list(read_messages(attempt))
        seq += max((int(m.get("seq", 0)) for m in messages), default=0)
        found += fold_outputs(messages)
    answer: dict[str, Any] = {"attempt": shown, "seq": seq, "final": final}
    return answer | ({"unchanged": True} if after and seq <= after else {"outputs": found})


def logs(service: JobService, job_id: str, number: int) -> str:
    from qhub_ext.jobfolder.outputs import read_text

    folder = known(service, job_id)
    if service.spec(job_id).size is not None:
        return service.job(job_id).logs()
    attempt = the_attempt(folder, number)
    return "" if attempt is None else read_text(attempt)


def script(service: JobService, job_id: str) -> dict[str, Any]:
    folder = known(service, job_id)
    texts = {"script": folder.script, "cell": folder.cell}
    found = {name: path.read_text("utf-8", "replace") if path.exists() else "" for name, path in texts.items()}
    return found | {"language": "python"}


def explain(service: JobService, job_id: str, others: bool) -> dict[str, Any]:
    """With `others`, the broker is asked whether they meet the same: that may take a second."""
    from qhub_ext.service.fleet import word_about

    known(service, job_id)
    why = service.explain(job_id)
    findings = [finding.to_json() | {"audience": who(finding.audience)} for finding in why.findings]
    word = word_about(service, job_id) if others else ""
    return why.to_json() | {"audience": who(why.audience), "findings": findings, "others": word}


def estimate(service: JobService, job_id: str) -> dict[str, Any]:
    """When it may start: a question to the site, which is asked only when somebody wants to know."""
    known(service, job_id)
    found = service.estimate(job_id)
    return {"earliest": found.earliest, "latest": found.latest, "why": found.why, "as_of": time.time()}


def detail(service: JobService, job_id: str) -> dict[str, Any]:
    from qhub_ext.jobfolder.runtime import read_runtime
    from qhub_ext.jobfolder.tasks import read_tasks

    folder = known(service, job_id)
    record = service.shelf.record(job_id)
    attempt = folder.latest_attempt()
    runtime = read_runtime(folder.runtime) or {}
    back = None if attempt is None else _manifest(attempt.variables)
    return {
        "captured": _rows(_manifest(folder.inputs)),
        "returned": _rows(back),
        "absent": {} if back is None else back.failed,
        "runtime": {name: runtime[name] for name in ("python", "platform", "packages") if name in runtime},
        "tasks": read_tasks(folder) if record.spec.size is None else [],
        "calibration": _calibration(folder, record),
        "attempts": record.to_json()["attempts"],
    }


def _manifest(directory: Any) -> Manifest | None:
    from qhub_ext.capture.manifest import read_manifest

    try:
        return read_manifest(directory) if directory.is_dir() else None
    except JobFolderError:  # half written, or of a newer version
        return None


def _rows(manifest: Manifest | None) -> list[dict[str, Any]]:
    entries = {} if manifest is None else manifest.names
    return [
        {"name": name, "type": e.type, "summary": e.summary, "bytes": e.bytes}
        for name, e in entries.items()
        if not e.implied
    ]


def _calibration(folder: JobFolder, record: JobRecord) -> dict[str, Any] | None:
    """The snapshot that its last task ran under, else the one that it started or was submitted with, and where on it the tasks ran, to be
    drawn; None where its numbers are not to be had.
    """
    from qhub_ext.display.calibration_svg import drawing
    from qhub_ext.service.calibration_look import job_look, snapshot_look
    from qhub_ext.service.calibrations import calibration_of

    try:
        seen = calibration_of(folder, record)
    except (UserError, JobFolderError, LookupError):  # an array; a damaged file
        return None
    look = job_look(short_id(folder.id), seen, MAP_METRIC)
    ids = (seen.at_start, seen.at_submission) if look is None else (look.chart["snapshot_id"],)
    snapshot = next((seen.snapshots[i] for i in ids if i in seen.snapshots), None)
    if snapshot is None:
        return None
    return {
        "device": snapshot.device,
        "snapshot_id": snapshot.id,
        "snapshot_at": snapshot.taken_at,
        "synthetic": snapshot.synthetic,
        "changed": seen.changed,
        "medians": {name: value.median for name, value in snapshot.medians().items()},
        "edges": len(snapshot.edges),
        "dead_edges": len(snapshot.dead_edges),
        "map": drawing(look or snapshot_look(snapshot, MAP_METRIC)),
    }
