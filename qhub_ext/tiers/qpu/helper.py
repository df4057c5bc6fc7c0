"""The process that owns one QuantumResource: reads calls from its standard input, a JSON object per line, and answers each.

    {"id": 1, "call": "open", "resource": "kingston", "type": "ibm-quantum-compute-service", "config": {...}}
    {"id": 2, "call": "task_start", "payload": {"kind": "primitive", "program": "sampler", "input": "{...}"}}
    {"id": 1, "value": ...}   or   {"id": 2, "error": {"type": "QrmiError", "message": "..."}}

A call that comes with a `traceparent` is answered with when it began and ended as well, from which a span is made (`helper_spans`).

Credentials arrive in the first line: not in the arguments, not in the environment, which others might read. When its input ends, the one
who asked is gone: what it started and did not see end is stopped, so that nobody pays for it; not so with `"tasks_stay": true`, for one who comes
back to its tasks.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from http import HTTPStatus
from importlib import import_module
from typing import Any, TextIO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

KINDS = {
    "alice-bob-felis": "AliceBobFelis",
    "ibm-quantum-compute-service": "IBMQuantumComputeService",
    "ibm-quantum-system": "IBMQuantumSystem",
    "iqm-server": "IQMServer",
    "oqtopus": "OQTOPUS",
    "pasqal-cloud": "PasqalCloud",
    "pasqal-local": "PasqalLocal",
    "qiskit-runtime-service": "IBMQiskitRuntimeService",
}


FRESH_S = 30.0
"""A service that answered so short a time ago is there."""


HELD = ("iqm-server",)
"""Types whose service holds its answer to QRMI's question about a task until that has ended, for 30 s at most."""
LOOK_S = 1.0
SILENT_S = 75.0
ENDED = ("Completed", "Failed", "Cancelled")


class QrmiError(Exception):
    """What QRMI would say, of what was asked without it."""


class Watch:
    """Waits for the end of a task with a QuantumResource of its own: the process stays free for other calls, such as to stop it."""

    def __init__(self, resource: Any, task: str) -> None:
        self.state, self.settled = "Queued", threading.Event()
        self.error: BaseException | None = None
        self._asked_at = time.monotonic()
        threading.Thread(target=self._wait, args=(resource, task), daemon=True).start()

    @property
    def silent_s(self) -> float:
        return time.monotonic() - self._asked_at

    def _wait(self, resource: Any, task: str) -> None:
        try:
            while self.state not in ENDED:
                self._asked_at = time.monotonic()
                self.state = _state_of(resource, task)
        except BaseException as error:  # noqa: BLE001 - a panic of pyo3 is a BaseException; who asks is told
            self.error = error
        self.settled.set()


def _state_of(resource: Any, task: str) -> str:
    return str(resource.task_status(task)).rpartition(".")[2]


class Owner:
    def __init__(self) -> None:
        self._resource: Any = None
        self._name = ""
        self._config: dict[str, str] = {}
        self._type = ""
        self._tasks_stay = False
        self._heard_at = -FRESH_S
        self._open_tasks: set[str] = set()
        self._watches: dict[str, Watch] = {}

    def answer(self, call: dict[str, Any]) -> Any:
        name = call["call"]
        if name == "open":
            qrmi: Any = import_module("qrmi")
            self._kind = getattr(qrmi.ResourceType, KINDS[call["type"]])
            self._type, self._name, self._config = call["type"], call["resource"], call["config"]
            self._tasks_stay = bool(call.get("tasks_stay"))
            self._resource = self._made()
            return None
        if name == "task_start":
            self._knock()
            task = str(self._resource.task_start(_payload(call["payload"])))
            if not self._tasks_stay:
                self._open_tasks.add(task)
            self._heard_at = time.monotonic()
            return task
        answer = getattr(self, f"_{name}")(*call.get("arguments", ()))
        if name != "target":  # which is null where nobody answers
            self._heard_at = time.monotonic()
        return answer

    def _made(self) -> Any:
        qrmi: Any = import_module("qrmi")
        return qrmi.QuantumResource.from_config(self._name, self._kind, self._config)

    def _knock(self) -> None:
        """Raises OSError where no connection can be made. QRMI says of a service that is down only that sending failed, and then nobody
        could know whether it has the task; this way it is known that nothing was sent.
        """
        if time.monotonic() - self._heard_at < FRESH_S:
            return
        for key, value in self._config.items():
            if not key.endswith(("_ENDPOINT", "_BASE_URL")) or not value.startswith("http"):
                continue
            address = urlsplit(value)
            if getproxies().get(address.scheme) and not proxy_bypass(address.netloc):
                continue  # the proxy makes the connection
            port = address.port or (443 if address.scheme == "https" else 80)
            with socket.create_connection((address.hostname or "", port), timeout=10):
                pass

    def _status(self) -> dict[str, Any]:
        """`status` in the client's own word, such as online; the rest as plain data."""
        status = self._resource.status().to_dict()
        plain = {
            str(key): value if isinstance(value, int | float | bool | None) else str(value)
            for key, value in status.items()
        }
        if self._type in HELD:  # its reason is when its health was read last, whatever that was
            read = str(plain.get("status_reason") or "").removeprefix("healthy ")
            plain["status_reason"] = f"not healthy, {read}" if plain.get("healthy") is False else ""
        return {**plain, "status": str(plain.get("status", "")).rpartition(".")[2].lower()}

    def _target(self) -> str | None:
        return getattr(self._resource.target(), "value", None)

    def _acquire(self) -> str:
        return str(self._resource.acquire())

    def _release(self, token: str) -> None:
        self._resource.release(token)

    def _task_status(self, task: str) -> str:
        state = self._watched(task) if self._type in HELD else _state_of(self._resource, task)
        if state in ENDED:
            self._open_tasks.discard(task)
        return state

    def _watched(self, task: str) -> str:
        """The state that was told last: the question itself is with the service, which holds its answer. Raises what it raised."""
        watch = self._watches.get(task)
        if watch is None:
            watch = self._watches[task] = Watch(self._made(), task)
        if not watch.settled.wait(LOOK_S) and watch.silent_s < SILENT_S:
            return watch.state
        del self._watches[task]
        if not watch.settled.is_set():
            raise QrmiError(f"error sending request: no answer within {SILENT_S:.0f} s")
        if watch.error is not None:
            raise watch.error
        return watch.state

    def _task_result(self, task: str) -> str:
        return str(self._resource.task_result(task).value)

    def _task_logs(self, task: str) -> str:
        return str(self._resource.task_logs(task))

    def _task_stop(self, task: str) -> None:
        """QRMI asks for the state of a task first. Where the service holds that answer for half a minute, most tasks would have run
        before they are stopped: there the same request that QRMI would send in the end is sent at once.
        """
        if self._type in HELD:
            url = f"{self._config['QRMI_IQM_ISA_ENDPOINT']}/api/v1/jobs/{task}/cancel"
            try:
                import_module("qhub_ext.tiers.qpu.listing").fetch(
                    url, {"authorization": f"Bearer {self._config['QRMI_IQM_ISA_TOKEN']}"}, {}
                )
            except HTTPError as error:
                if error.code != HTTPStatus.FORBIDDEN:  # which says that it has ended
                    raise QrmiError(f"status {error.code}: {error.reason}") from None
        else:
            self._resource.task_stop(task)
        self._open_tasks.discard(task)

    def _tasks(self, since: str, until: str) -> list[dict[str, Any]]:
        """Tasks of this account on this device that were made between two moments (ISO 8601), each with what it was made of."""
        listing = import_module("qhub_ext.tiers.qpu.listing")
        found: list[dict[str, Any]] = listing.list_tasks(self._type, self._name, self._config, since, until)
        return found

    def stop_open_tasks(self) -> None:
        for task in sorted(self._open_tasks):
            try:
                self._task_stop(task)
            except BaseException as error:  # noqa: BLE001 - the process ends; the panics of pyo3 are no Exceptions
                print(f"task {task} could not be stopped: {error}", file=sys.stderr)


def _payload(payload: dict[str, Any]) -> Any:
    qrmi: Any = import_module("qrmi")
    if payload["kind"] == "primitive":
        return qrmi.Payload.QiskitPrimitive(input=payload["input"], program_id=payload["program"])
    if payload["kind"] == "pulser":
        return qrmi.Payload.PasqalCloud(sequence=payload["sequence"], job_runs=payload["runs"])
    if payload["kind"] == "iqm":
        return qrmi.Payload.IQMServer(
            iqmjson=payload["input"], job_type="circuit", use_timeslot=False, tag=payload.get("tag")
        )
    raise ValueError(f"there is no payload {payload['kind']!r}")


def serve(calls: TextIO, answers: TextIO) -> None:
    owner = Owner()
    for line in calls:
        call = json.loads(line)
        began = time.time()
        try:
            answer = {"id": call["id"], "value": owner.answer(call)}
        except BaseException as error:  # noqa: BLE001 - a panic of pyo3 is a BaseException; the caller is told
            kind = type(error)
            names = [cls.__name__.rstrip("_") for cls in kind.__mro__]
            answer = {"id": call["id"], "error": {"type": names[0], "known": names, "message": str(error)}}
        if call.get("traceparent"):
            answer["span"] = [began, time.time()]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    owner.stop_open_tasks()


def main() -> None:
    # what the client library prints must not fall between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
