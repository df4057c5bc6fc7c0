"""The records of a job's quantum calls, as primitives write them: a file each."""

from __future__ import annotations

from typing import Any, TypedDict

from qhub_ext.job.kinds import sift
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder


class _Snapshot(TypedDict, total=False):
    id: str
    taken_at: str


class _Pub(TypedDict, total=False):
    fingerprint: str
    evs: list[Any]
    stds: list[Any]


class _Method(TypedDict, total=False):
    method: str


class _Finding(TypedDict, total=False):
    kind: str
    severity: str
    sentence: str
    advice: str
    numbers: dict[str, Any]


class _Sent(TypedDict, total=False):
    """What was sent to a device."""

    id: str
    snapshots: list[str]


class _Error(TypedDict, total=False):
    message: str
    cause: str | None
    advice: str | None


class _Task(TypedDict, total=False):
    """What readers take for granted, see `qhub_ext.primitives.task`."""

    id: str
    primitive: str
    tier: str
    device: str
    snapshot: _Snapshot | None
    options: dict[str, Any]
    seed: int | None
    root_seed: int | None
    pubs: list[_Pub]
    executions: int
    shots: int
    methods: list[_Method]
    active_qubits: list[int]
    edges: list[list[int]]
    findings: list[_Finding]
    durations_s: dict[str, float]
    device_tasks: list[_Sent]
    error: _Error | None


def read_tasks(folder: JobFolder) -> list[dict[str, Any]]:
    """Of the latest attempt, in order."""
    attempt = folder.latest_attempt()
    return [] if attempt is None else tasks_of(attempt)


def tasks_of(attempt: AttemptFolder) -> list[dict[str, Any]]:
    """What is of another kind than is written there is left out. Raises JobFolderError for a record that is torn."""
    found = map(read_json, sorted(attempt.tasks.glob("[0-9]*.json"))) if attempt.tasks.is_dir() else ()
    return [sift(record, _Task)[0] for record in found if isinstance(record, dict)]
