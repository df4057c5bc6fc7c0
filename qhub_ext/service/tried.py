"""Where the same cell was tried before: what a dry run holds the tier that is asked for against."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from qhub_ext.errors import QhubError
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.jobfolder.tasks import read_tasks
from qhub_ext.service.job_device import VIRTUAL
from qhub_ext.tiers.differences import Run

LOOKED_AT = 50
"""Of the latest jobs: each has its cell read."""


@dataclass(frozen=True)
class Tried:
    """`ended_at` in s since 1970 UTC."""

    job: str
    ended_at: float
    run: Run


def tried_before(spec: JobSpec, cell: str, shelf: Shelf) -> Tried | None:
    """The latest completed job of this cell. None where there is none among the latest jobs, or where it ran as it is asked for now."""
    text = cell.encode("utf-8", "surrogatepass")
    for one in shelf.summaries(LOOKED_AT):
        if one.state != State.COMPLETED.value:
            continue
        folder = shelf.folder(one.id)
        with suppress(OSError, QhubError):  # an older job that cannot be read is no reason against a new one
            if folder.cell.read_bytes() != text:
                continue
            found = run_of(read_spec(folder), calibrated_at(read_tasks(folder)))
            same = (found.tier, found.device, found.shots) == (spec.tier, spec.device, spec.shots)
            return None if same else Tried(one.id, one.ended_at or one.created_at, found)
    return None


def run_of(spec: JobSpec, calibrated: str) -> Run:
    return Run(spec.tier, spec.device, calibrated, spec.shots, simulated=VIRTUAL in spec.resource)


def calibrated_at(tasks: list[dict[str, object]]) -> str:
    """The moment of the calibration that the last task ran under, "" where none is told."""
    for task in reversed(tasks):
        snapshot = task.get("snapshot")
        if isinstance(snapshot, dict):
            return str(snapshot.get("taken_at", ""))
    return ""
