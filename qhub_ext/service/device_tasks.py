"""What became of tasks that a job left open on a device: the device is asked when somebody looks at the job again.

Nothing is ever sent again from here. What is found out goes into the job's journal, so that it is asked once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from qhub_ext.errors import DeviceError, PreflightError, QhubError
from qhub_ext.job.record import JobRecord
from qhub_ext.jobfolder.device_tasks import DeviceTask, payload_digest, read_device_tasks
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.settings import Settings
from qhub_ext.tiers import catalog

SETTLE_S = 120.0
"""A task may be listed so long after it was made, and clocks differ by so much."""
ASK_S = 20.0


@dataclass(frozen=True)
class Fate:
    """What is known now of one task. `advice` is what to do about it."""

    task: DeviceTask
    sentence: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**vars(self.task), "sentence": self.sentence, "advice": self.advice}


Tell = Callable[[Mapping[str, Any]], None]


def look_after(
    folder: JobFolder, record: JobRecord, settings: Settings, known: Callable[[], set[str]], tell: Tell
) -> list[Fate]:
    """The fate of each task that an ended job left open, asked for now where it is not known. `known` gives the ids of tasks that belong to
    other jobs, `tell` writes into the job's journal.
    """
    if not record.state.final or record.spec.size is not None or record.spec.tier != "qpu":
        return []
    fates = []
    for task in read_device_tasks(folder):
        if task.found:
            fates.append(_told(task, task.state, task.task, settled=True))
        elif task.open:
            fates.append(_asked(task, record, settings, known, tell))
    return fates


def _asked(task: DeviceTask, record: JobRecord, settings: Settings, known: Callable[[], set[str]], tell: Tell) -> Fate:
    from qhub_ext.tiers.qpu.own_broker import keep_up
    from qhub_ext.tiers.qpu.process import ResourceProcess

    if task.brokered and settings.broker.place is None:
        return Fate(
            task, "The task went through a broker, and the settings name none now.", "Set broker.socket and ask again."
        )
    if task.brokered:
        try:
            keep_up(settings.broker)
        except DeviceError as error:
            return Fate(task, f"The broker cannot be asked what became of the task: {error.message}", error.advice)
        return _asked_of_broker(task, settings.broker.place, tell)
    resource = _resource(task, record, settings)
    if isinstance(resource, str):
        return Fate(task, resource, "Ask the site whether it ran before you submit the job once more.")
    if not task.task and not resource.can.lists:
        return Fate(
            task,
            f"The answer to the start of a task on {resource.name} was lost, and resources of type {resource.type} cannot be asked for "
            "tasks whose id is not known." + (f" It was sent with the tag {task.id}." if resource.can.tagged else ""),
            "Look for that tag on the service's own pages before you submit the job once more."
            if resource.can.tagged
            else "Ask the site whether it ran before you submit the job once more.",
        )
    process = ResourceProcess(resource)
    try:
        if task.task:
            state, name = _state(process.call("task_status", task.task, deadline_s=ASK_S)), task.task
        else:
            state, name = _find(task, process, known)
    except DeviceError as error:
        if "does not know the task" in error.message:
            state, name = "absent", task.task
        else:
            return Fate(
                task,
                f"{resource.name} was asked what became of its task, and cannot tell: {error.message}",
                error.advice,
            )
    finally:
        process.close()
    if state in ("completed", "failed", "cancelled", "absent"):
        tell({"id": task.id, "state": state, "task": name})
    return _told(task, state, name)


def _asked_of_broker(task: DeviceTask, place: Any, tell: Tell) -> Fate:
    """The broker has the task under its id there, or under ours: then it knows also a task whose start had no answer."""
    from qhub_ext.tiers.qpu.brokered import ask_broker

    name = task.task or task.id
    try:
        state = str(ask_broker(place, "GET", f"/v1/tasks/{quote(name, safe='')}")["state"])
    except PreflightError:
        if not task.task and not _takes_our_ids(task.resource, place):
            return Fate(
                task,
                f"The answer to the start of a task at the broker for {task.resource} was lost, and it gives tasks of this type ids of its own.",
                "`qhub broker tasks` lists those that are open there; what ended is in `qhub broker usage`.",
            )
        state = "absent"
    except DeviceError as error:
        return Fate(
            task, f"The broker was asked what became of the task, and does not answer: {error.message}", error.advice
        )
    if state in ("completed", "failed", "cancelled", "absent"):
        tell({"id": task.id, "state": state, "task": name if state != "absent" else task.task})
    return _told(task, state, name)


def _takes_our_ids(resource: str, place: Any) -> bool:
    from qhub_ext.tiers.qpu.brokered import ask_broker
    from qhub_ext.tiers.qpu.capabilities import CAPABILITIES, PRIMITIVES

    listed = ask_broker(place, "GET", "/v1/status")["devices"]
    kind = next((one.get("type", "") for one in listed if one["name"] == resource), "")
    return kind in CAPABILITIES and CAPABILITIES[kind].takes != PRIMITIVES


def _find(task: DeviceTask, process: Any, known: Callable[[], set[str]]) -> tuple[str, str]:
    """(state, id) of the one that was made of the same circuits at that time and belongs to no other job."""
    since, until = task.sent_at - SETTLE_S, max(task.changed_at, task.sent_at) + SETTLE_S
    listed = process.call("tasks", _utc(since), _utc(until), deadline_s=3 * ASK_S)
    same = [one for one in listed if payload_digest(one["content"]) == task.digest]
    if same:
        others = known()
        same = [one for one in same if one["id"] not in others]
    if len(same) == 1:
        return _state(str(same[0].get("status") or "")), str(same[0]["id"])
    if same:
        return "several", ", ".join(str(one["id"]) for one in same)
    return ("absent" if time.time() > until else "unlisted"), ""


def _told(task: DeviceTask, state: str, name: str, *, settled: bool = False) -> Fate:
    where = task.resource
    lost = task.lost
    whose = "The task whose start had no answer" if lost else "The task that the job left open"
    if state == "absent":
        told = (
            f"{whose} is not on {where}: it was asked, and has none like it. Nothing ran."
            if lost
            else f"{where} no longer knows the task {name}."
        )
        return Fate(task, told, "`requeue` is safe." if lost else "Results are kept for a limited time only.")
    if state == "several":
        return Fate(
            task,
            f"{where} has several tasks like the one whose start had no answer: {name}.",
            "Look at their times before you submit the job once more.",
        )
    if state == "unlisted":
        return Fate(task, f"{whose} is not listed by {where} so far.", "Ask again in two minutes.")
    told = f"{whose} is on {where}: {name}, {state}."
    advice = {
        "completed": "It ran, and its result is kept there under this id; `requeue` would run it a second time.",
        "failed": "`requeue` tries once more.",
        "cancelled": "`requeue` tries once more.",
    }.get(state, "It is still there: `requeue` only after it was stopped, or it runs twice.")
    return Fate(task, told + (" (asked before)" if settled else ""), advice)


def _resource(task: DeviceTask, record: JobRecord, settings: Settings) -> Any:
    """The resource that a task was sent to, or a sentence why it cannot be asked from here."""
    from qhub_ext.tiers.qpu.resources import list_resources
    from qhub_ext.tiers.qpu.virtual import running_resource

    if task.virtual:
        device = catalog.packaged(record.spec.device) or record.spec.device
        found = running_resource(device, settings.qpu)
        return found or f"The task was on a virtual {device}, whose server has ended since, and its tasks with it."
    try:
        resources = [r for r in list_resources(settings.qpu) if r.name == task.resource]
    except QhubError as error:
        return f"The resource {task.resource} cannot be asked from here: {error.message}"
    if not resources:
        return f"The resource {task.resource} is named in the job's own environment only: it cannot be asked from here."
    return resources[0] if not resources[0].trouble else f"{task.resource} cannot be asked: {resources[0].trouble}"


def _state(words: str) -> str:
    return words.split()[0].lower() if words else "unknown"


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
