"""A device behind the broker that IBM's client cannot speak to: the same calls as to a helper process, over the broker's own API.

The id of a task is ours and the broker takes each once, so a start whose answer was lost is sent again.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any
from urllib.parse import quote

from qhub_ext.errors import DeviceError, QhubError, UncertainTaskError
from qhub_ext.settings import current_settings
from qhub_ext.tiers.qpu.brokered import Place, ask_broker, trace_header
from qhub_ext.tiers.qpu.own_broker import keep_up
from qhub_ext.tiers.qpu.resources import Resource

LOOK_S = 1.0
"""A question about a task may wait so long for its end."""
PAUSE_S = 0.25
_STATES = {"available": "online", "maintenance": "paused", "draining": "paused", "down": "offline"}
_ENDED = ("Completed", "Failed", "Cancelled")


class BrokerTurn:
    """Raises DeviceError, PreflightError for what the broker refuses."""

    pid = None

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self._open: set[str] = set()

    @property
    def place(self) -> Place:
        place = current_settings().broker.place
        if place is None:
            raise DeviceError(f"{self.resource.title} is not set any more.", advice="Is QHUB_BROKER_SOCKET still set?")
        return place

    def call(self, name: str, *arguments: Any, deadline_s: float, **fields: Any) -> Any:
        """The value that the call returns."""
        if name == "task_start":
            return self._task_start(fields["payload"], time.monotonic() + deadline_s)
        try:
            return getattr(self, f"_{name}")(*arguments)
        except DeviceError as error:
            error.transient = True  # a broker that is started again knows all its tasks
            raise

    def close(self) -> None:
        """What was started here and nobody waited for is stopped, so that nobody pays for it."""
        for task in sorted(self._open):
            with contextlib.suppress(QhubError):  # it has ended, or the broker has
                self._task_stop(task)

    def _task_start(self, payload: dict[str, Any], until: float) -> str:
        content = {key: value for key, value in payload.items() if key not in ("kind", "tag")}
        params = json.loads(content["input"]) if "input" in content else content
        body = {
            "id": payload["tag"],
            "session": self.resource.config["session"],
            "device": self.resource.device,
            "program": payload["kind"],
            "params": params,
        }
        while True:
            try:
                keep_up()
                task = str(ask_broker(self.place, "POST", "/v1/tasks", body, trace_header())["id"])
            except DeviceError as error:
                if time.monotonic() + PAUSE_S > until:
                    told = f"{error.message} It may have the task {payload['tag']}."
                    raise UncertainTaskError(told, advice="`explain` asks it later.", cause=error.cause) from error
                time.sleep(PAUSE_S)
                continue
            self._open.add(task)
            return task

    def _ask(self, method: str, target: str) -> Any:
        return ask_broker(self.place, method, target)

    def _task(self, task: str, wait_s: float = 0.0) -> dict[str, Any]:
        return dict(self._ask("GET", f"/v1/tasks/{quote(task, safe='')}?wait={wait_s:g}"))

    def _task_status(self, task: str) -> str:
        state = str(self._task(task, LOOK_S)["state"]).capitalize()
        if state in _ENDED:
            self._open.discard(task)
        return state

    def _task_result(self, task: str) -> str:
        return json.dumps(self._ask("GET", f"/v1/tasks/{quote(task, safe='')}/result"))

    def _task_logs(self, task: str) -> str:
        """Its state and the broker's words."""
        told = self._task(task)
        words = told["message"] or told["why"]
        return f"{told['state']}: {words}" if words else str(told["state"])

    def _task_seconds(self, task: str) -> float:
        return float(self._task(task)["qpu_s"])

    def _task_stop(self, task: str) -> None:
        self._ask("POST", f"/v1/tasks/{quote(task, safe='')}/cancel")
        self._open.discard(task)

    def _status(self) -> dict[str, Any]:
        listed = self._ask("GET", "/v1/status")["devices"]
        found = next((one for one in listed if one["name"] == self.resource.device), None)
        if found is None:
            return {"status": "offline", "status_reason": "the broker has it no more"}
        state = _STATES.get(found["state"], found["state"])
        return {"status": state, "status_reason": found["trouble"] or "", "pending_job_count": found["waiting"]}

    def _target(self) -> str | None:
        target = self._ask("GET", f"/v1/devices/{quote(self.resource.device, safe='')}/target")["target"]
        return None if target is None else json.dumps(target)
