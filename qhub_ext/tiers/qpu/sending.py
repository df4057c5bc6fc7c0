"""One task on its way: written down, sent once, asked about until it has ended. Whatever it carries.

A task is written down before it is sent. When the answer to the start is lost, the task may exist: it is said to be uncertain and is
never sent again.
"""

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import Cause, DeviceError, QhubError, UncertainTaskError
from qhub_ext.job.context import current
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers.qpu.failures import NOT_SENT_AGAIN, HelperLostError
from qhub_ext.tiers.qpu.own_broker import keep_up
from qhub_ext.tiers.qpu.pool import process_for
from qhub_ext.tiers.qpu.resources import Resource
from qhub_ext.tiers.qpu.standing import renew
from qhub_ext.tiers.qpu.task_spans import Moments, traced_call

Record = dict[str, Any]
"""What the job folder keeps about a task: its id there, state, times and seconds of QPU."""

_QUESTIONS = 3
PATIENCE_S = 3.0
"""A task that waits longer is asked about: what holds it at the device."""
LOOK_EVERY_S = 30.0


@dataclass(frozen=True, eq=False)
class Sender:
    """Raises DeviceError for what the device or its service does, UncertainTaskError when it may have the task."""

    resource: Resource
    settings: QpuSettings

    def run(
        self,
        payload: Mapping[str, Any],
        digest: str,
        sent: list[Record],
        stopped: Callable[[], bool],
        moments: Moments | None = None,
    ) -> tuple[str | None, Record]:
        """The text of its result, None when `stopped` said so. The caller notes its end as completed when the text could be read.
        `moments` is told when what happened.
        """
        record: Record = {"id": uuid.uuid4().hex, "resource": self.resource.name, "virtual": self.resource.virtual, "digest": digest, "state": "sending", "at": time.time()}  # fmt: skip
        if self.resource.brokered:
            record["brokered"] = True
        sent.append(record)
        moments = moments or Moments()
        task = moments.task = self._start(payload, record, moments)
        moments.accepted_at = time.time()
        began, running_at = time.monotonic(), None
        pause = self.settings.poll_s
        look_at = began + PATIENCE_S
        while True:
            state = moments.state = self._ask("task_status", task)
            moments.polls += 1
            if state != "Queued" and running_at is None:
                running_at, moments.running_at = time.monotonic(), time.time()
                record["queued_s"] = running_at - began
            if state not in ("Queued", "Running"):
                break
            if stopped():
                self._ask("task_stop", task)
                self.note(record, state="cancelled")
                return None, record
            if state.lower() != record["state"]:
                record.pop("waiting", None)
                self.note(record, state=state.lower())
                pause = self.settings.poll_s
            if state == "Queued" and time.monotonic() >= look_at:
                self.note(record, waiting=self._queue_words())
                look_at = time.monotonic() + LOOK_EVERY_S
            time.sleep(pause)
            if not self.resource.can.held:  # else the helper waits for the end, and we ask the helper only
                pause = min(pause * 1.3, self.settings.poll_max_s)
        record.pop("waiting", None)
        record["running_s"] = time.monotonic() - (running_at or began)
        moments.ended_at = time.time()
        if state != "Completed":
            self.note(record, state=state.lower())
            raise self._ended(task, state)
        text = str(self._ask("task_result", task))
        moments.fetched_at = time.time()
        return text, record

    def _queue_words(self) -> str:
        """The device's own queue, as it tells of it: its state where that is not online, and the tasks there."""
        name = self.resource.name
        try:
            status = process_for(self.resource).call("status", deadline_s=self.settings.deadline_s)
        except DeviceError as error:
            return f"waiting at {name}, which does not say why ({error.message.rstrip('.')})"
        state = status["status"]
        reason = str(status.get("status_reason") or "")
        parts = [", ".join(part for part in (state if state != "online" else "", reason) if part)]
        count = status.get("pending_job_count")
        if isinstance(count, int):
            parts.append(f"{count} {'task' if count == 1 else 'tasks'} there")
        told = "; ".join(part for part in parts if part)
        where = f"waiting at {name}"
        if self.resource.can.held:
            where = f"waiting or running at {name}, which tells only of the end"
        return where + (f": {told}" if told else "")

    def note(self, record: Record, **changes: Any) -> None:
        """On disk when it returns."""
        record |= changes
        announce = current().announce
        if announce is not None:
            announce({**record, "at": time.time()})

    def odd(self, record: Record, why: object) -> DeviceError:
        told = why.message.rstrip(".") if isinstance(why, QhubError) else f"The result cannot be read: {why}"
        return DeviceError(f"{told} (task {record.get('task', '')} on {self.resource.name}).", advice="The task ran; ask the site for its result by the task's id.", cause=Cause.INTEGRATION)  # fmt: skip

    def _start(self, payload: Mapping[str, Any], record: Record, moments: Moments) -> str:
        self.note(record)  # on disk before it is on the wire
        try:
            if self.resource.brokered:
                renew(self.resource)
            process = process_for(self.resource)
            named = {**payload, "tag": record["id"]}
            task = str(
                traced_call(process, "task_start", deadline_s=self.settings.deadline_s, moments=moments, payload=named)
            )
        except HelperLostError as error:
            lost = error.call == "task_start"
            self.note(record, state="uncertain" if lost else "refused")
            if lost:
                raise UncertainTaskError(
                    f"{error.message} The task may exist on the device.", advice=NOT_SENT_AGAIN
                ) from error
            raise
        except QhubError as error:
            self.note(record, state="uncertain" if isinstance(error, UncertainTaskError) else "refused")
            raise
        self.note(record, state="queued", task=task)
        return task

    def _ask(self, call: str, task: str) -> Any:
        """A question may be asked again, by a new helper too: the task's id is all that it needs."""
        process = process_for(self.resource)
        until, pause = time.monotonic() + self.settings.patience_s, self.settings.poll_s
        for attempt in itertools.count(1):
            try:
                if call == "task_status":  # asked so often that its spans would hide the others
                    return process.call(call, task, deadline_s=self.settings.deadline_s)
                return traced_call(process, call, task, deadline_s=self.settings.deadline_s)
            except DeviceError as error:
                if not error.transient or (attempt >= _QUESTIONS and time.monotonic() + pause > until):
                    raise
                if self.resource.brokered:
                    with contextlib.suppress(DeviceError):  # the next attempt says it, if it is still so
                        keep_up()
                time.sleep(pause)
                pause = min(self.settings.poll_max_s, pause * 2)
        raise AssertionError

    def log(self, task: str) -> str:
        """What the service kept of a task, in its own words; else why that cannot be had."""
        try:
            return str(process_for(self.resource).call("task_logs", task, deadline_s=self.settings.deadline_s))
        except DeviceError as error:
            return f"(its log cannot be had: {error.message})"

    def _ended(self, task: str, state: str) -> DeviceError:
        words = " ".join(self.log(task).split())[-300:]
        if state == "Cancelled":
            return DeviceError(f"{self.resource.title} cancelled the task {task}: {words}", advice="Was it over a limit of the service?", cause=Cause.QUEUE_POLICY)  # fmt: skip
        return DeviceError(f"The task {task} failed on {self.resource.name}: {words}", advice="Its words say what the device did not like.")  # fmt: skip
