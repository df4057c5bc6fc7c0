"""Seconds of devices that a user's jobs used, by job id and the site's own id, so that they can be laid beside the site's accounting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from qhub_ext.job.record import JobRecord
from qhub_ext.jobfolder.device_tasks import DeviceTask, read_device_tasks
from qhub_ext.jobfolder.layout import JobFolder


@dataclass(frozen=True)
class JobUsage:
    """`qpu_s` as the devices counted it, `seen_s` what was only seen from here; `open_tasks` may have used more. `day` is the local one of
    its submission, `site_id` the job's id at the site scheduler.
    """

    job: str
    name: str
    owner: str
    site: str
    site_id: str | None
    profile: str
    account: str
    device: str
    resource: str
    simulated: bool
    day: str
    submitted_at: float
    tasks: int
    qpu_s: float
    seen_s: float
    open_tasks: int
    queued_s: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Sum:
    """Of all jobs with the same `key`."""

    key: str
    jobs: int
    tasks: int
    qpu_s: float
    seen_s: float
    open_tasks: int
    queued_s: float


KEYS: dict[str, Callable[[JobUsage], str]] = {
    "job": lambda one: one.job,
    "device": lambda one: one.device + (" (simulated)" if one.simulated else ""),
    "profile": lambda one: one.profile,
    "day": lambda one: one.day,
    "site": lambda one: one.site,
    "user": lambda one: one.owner,
    "account": lambda one: one.account or "–",
}


def usage_of(folder: JobFolder, record: JobRecord) -> JobUsage | None:
    """None of a job that sent nothing to a device. An array counts with all its elements."""
    folders = [folder] if record.spec.size is None else [folder.element(n) for n in range(record.spec.size)]
    tasks = [task for one in folders for task in read_device_tasks(one)]
    if not tasks:
        return None
    submitted = record.asked_at or record.spec.created_at
    return JobUsage(
        job=record.id,
        name=record.spec.name,
        owner=record.spec.owner,
        site=record.spec.site,
        site_id=record.site_id,
        profile=record.spec.profile,
        account=record.spec.site_options.get("account", ""),
        device=record.spec.device,
        resource=tasks[-1].resource,
        simulated=all(task.virtual for task in tasks),
        day=time.strftime("%Y-%m-%d", time.localtime(submitted)),
        submitted_at=submitted,
        tasks=len(tasks),
        qpu_s=round(sum(task.qpu_s or 0.0 for task in tasks), 6),
        seen_s=round(sum(_only_seen(task) for task in tasks), 6),
        open_tasks=sum(task.open for task in tasks),
        queued_s=round(sum(task.queued_s or 0.0 for task in tasks), 6),
    )


def summed(jobs: Iterable[JobUsage], by: str) -> list[Sum]:
    """The largest first."""
    groups: dict[str, list[JobUsage]] = {}
    for one in jobs:
        groups.setdefault(KEYS[by](one), []).append(one)
    sums = [
        Sum(
            key=key,
            jobs=len(some),
            tasks=sum(one.tasks for one in some),
            qpu_s=round(sum(one.qpu_s for one in some), 6),
            seen_s=round(sum(one.seen_s for one in some), 6),
            open_tasks=sum(one.open_tasks for one in some),
            queued_s=round(sum(one.queued_s for one in some), 6),
        )
        for key, some in groups.items()
    ]
    return sorted(sums, key=lambda one: -(one.qpu_s + one.seen_s))


def _only_seen(task: DeviceTask) -> float:
    return task.used_s if task.qpu_s is None else 0.0
