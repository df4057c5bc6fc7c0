"""What the folder of one job tells of it, as evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from qhub_ext.diagnosis.drift import drift_between
from qhub_ext.diagnosis.evidence import Evidence
from qhub_ext.errors import QhubError
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.calibrations import read_pinned
from qhub_ext.jobfolder.device_tasks import read_device_tasks
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_outcome
from qhub_ext.jobfolder.runtime import read_runtime
from qhub_ext.jobfolder.tasks import read_tasks

TAIL_BYTES = 16384
PRINTED_BYTES = 1 << 18


def gather(folder: JobFolder, record: JobRecord, outcome: Mapping[str, Any] | None = None) -> Evidence:
    """`outcome`: of an attempt that is about to be sealed."""
    attempt = folder.attempt(record.attempt.number)
    sealed = read_outcome(attempt) if outcome is None else outcome
    tasks = read_tasks(folder)
    met = [record.snapshots.get("submission", ""), record.snapshots.get("start", "")]
    met += [str(i) for task in tasks for sent in task.get("device_tasks") or () for i in sent.get("snapshots") or ()]
    seen = Evidence(
        folder=folder,
        record=record,
        outcome=sealed or {},
        events=read_all(folder.journals),
        console=tail(attempt.console),
        printed=tail(attempt.outputs, PRINTED_BYTES) if record.state in (State.FAILED, State.TIMED_OUT) else (),
        tasks=tasks,
        device_tasks=read_device_tasks(folder),
        runtime=read_runtime(folder.runtime) or {},
        snapshots=tuple(dict.fromkeys(identity[:23] for identity in met if identity)),
    )
    return _with_drift(seen) if len(seen.snapshots) > 1 else seen


def _with_drift(seen: Evidence) -> Evidence:
    """Numbers that nobody kept, or that cannot be compared, are left out: that they changed is known all the same."""
    with suppress(QhubError, OSError):
        first, last = (read_pinned(seen.folder, identity) for identity in (seen.snapshots[0], seen.snapshots[-1]))
        if first is not None and last is not None:
            return replace(seen, calibration=last, drift=drift_between(first, last))
    return seen


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
