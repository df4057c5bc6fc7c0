"""The tasks that a job sent to devices, as its folder tells them: each step was written when it was made, the first before it was sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from qhub_ext.job.kinds import fits
from qhub_ext.jobfolder.journal import read_all, read_journal
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder

ENDED = frozenset({"completed", "failed", "cancelled", "refused", "absent"})
"""`absent`: the device was asked and has no such task."""


@dataclass(frozen=True)
class DeviceTask:
    """`id` is ours, `task` the device's ("" where its answer never came). Moments in s since 1970 UTC; `qpu_s` as the device counted it,
    None where it did not; `running_s` as seen from here. `digest` is that of what was sent. `found` when the state came from asking later.
    `brokered`: it went through a broker, which has it under `task`, or under `id` where tasks keep ours there. `lost`: its start had no
    answer.
    """

    id: str
    attempt: int
    resource: str
    state: str
    sent_at: float
    changed_at: float
    task: str = ""
    virtual: bool = False
    queued_s: float | None = None
    running_s: float | None = None
    qpu_s: float | None = None
    digest: str = ""
    snapshots: tuple[str, ...] = ()
    found: bool = False
    brokered: bool = False
    lost: bool = False

    @property
    def open(self) -> bool:
        """It may exist on the device and nobody here knows how it ended."""
        return self.state not in ENDED

    @property
    def used_s(self) -> float:
        """Seconds of the device: its own count, else how long the task was seen running."""
        return self.qpu_s if self.qpu_s is not None else self.running_s or 0.0


def read_device_tasks(folder: JobFolder) -> list[DeviceTask]:
    """Of all attempts, in the order in which they were sent; with what later questions found out."""
    tasks = [task for number in folder.attempt_numbers() for task in _of_attempt(folder.attempt(number))]
    later = (event for event in read_all(folder.journals) if event.get("kind") == "device_task" and "state" in event)
    found = {str(event.get("id")): event for event in later}
    return [_later(task, found[task.id]) if task.id in found else task for task in tasks]


def used_seconds(folder: JobFolder, attempt: int) -> float | None:
    """Seconds of devices that one attempt used; None where it sent nothing."""
    tasks = _of_attempt(folder.attempt(attempt))
    return round(sum(task.used_s for task in tasks), 6) if tasks else None


def _of_attempt(attempt: AttemptFolder) -> list[DeviceTask]:
    try:
        steps = list(read_journal(attempt.device_journal))
    except FileNotFoundError:
        return []
    by_id: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        if step.get("kind") == "task" and step.get("id"):
            by_id.setdefault(str(step["id"]), []).append(step)
    return [_fold(attempt.number, some) for some in by_id.values()]


def _fold(attempt: int, steps: list[dict[str, Any]]) -> DeviceTask:
    last = steps[-1]
    return DeviceTask(
        id=str(last["id"]),
        attempt=attempt,
        resource=str(last.get("resource", "")),
        state=str(last.get("state", "")),
        sent_at=float(steps[0].get("at", 0.0)),
        changed_at=float(last.get("at", 0.0)),
        task=str(last.get("task") or ""),
        virtual=bool(last.get("virtual")),
        queued_s=_seconds(last, "queued_s"),
        running_s=_seconds(last, "running_s"),
        qpu_s=_seconds(last, "qpu_s"),
        digest=str(last.get("digest") or ""),
        snapshots=tuple(map(str, snapshots)) if isinstance(snapshots := last.get("snapshots"), list) else (),
        brokered=bool(last.get("brokered")),
        lost=not last.get("task"),
    )


def _seconds(step: Mapping[str, Any], name: str) -> float | None:
    """None also for what is no number: a damaged line may still be JSON."""
    return step[name] if fits(step.get(name), float) else None


def _later(task: DeviceTask, event: Mapping[str, Any]) -> DeviceTask:
    if not task.open:
        return task
    return replace(task, state=str(event["state"]), task=str(event.get("task") or task.task), found=True)


def payload_digest(pubs: Iterable[Any]) -> str:
    """Of what a task was made of. Numbers count to nine digits: the way to a service and back changes the last of them."""
    text = json.dumps(_rounded(list(pubs)), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _rounded(value: Any) -> Any:
    if isinstance(value, float) and not isinstance(value, bool):
        return float(f"{value:.9g}")
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    return value
