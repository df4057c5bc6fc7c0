"""The tasks of one virtual QPU: they queue, run one at a time in the device's own time, and end."""

from __future__ import annotations

import json
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from qhub_ext.errors import QhubError
from qhub_ext.virtualqpu.calendar import Calendar
from qhub_ext.virtualqpu.faults import Faults

ENDED = ("Completed", "Failed", "Cancelled")
KEPT = 10_000
"""Ended tasks that are remembered; the oldest results go first."""


class Payload(Protocol):
    """What a task carries; the machine that performs it knows more."""

    @property
    def name(self) -> str: ...


@dataclass(eq=False)
class VirtualTask:
    """`state` in the service's words. Moments in s since 1970 UTC, `qpu_s` in the device's own time. `params` is what was sent, as JSON,
    compressed; `notes` are sentences about what of it was ignored.
    """

    backend: str
    program: Payload
    session: str = ""
    params: bytes = b""
    id: str = field(default_factory=lambda: f"v{uuid.uuid4().hex[:19]}")
    state: str = "Queued"
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    ended_at: float | None = None
    qpu_s: float | None = None
    result: str | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Line:
    """One per device. `perform` runs a task in the device's own time and gives its result as it is sent, None when it was stopped."""

    def __init__(self, perform: Callable[[VirtualTask], str | None], faults: Faults, calendar: Calendar) -> None:
        self._perform = perform
        self._faults = faults
        self._calendar = calendar
        self._tasks: dict[str, VirtualTask] = {}
        self._waiting: list[VirtualTask] = []
        self._changed = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name="virtual-qpu", daemon=True)
        self._worker.start()

    def accept(self, task: VirtualTask) -> None:
        with self._changed:
            self._tasks[task.id] = task
            self._waiting.append(task)
            ended = [t.id for t in self._tasks.values() if t.ended]
            for old in ended[: max(0, len(self._tasks) - KEPT)]:
                del self._tasks[old]
            self._changed.notify_all()

    def get(self, task_id: str) -> VirtualTask | None:
        return self._tasks.get(task_id)

    def tasks(self) -> list[VirtualTask]:
        return list(self._tasks.values())

    def cancel(self, task: VirtualTask, reason: str = "Cancelled by the client.") -> None:
        with self._changed:
            task.stop.set()
            if task in self._waiting:
                self._waiting.remove(task)
                self._end(task, "Cancelled", reason)
            self._changed.notify_all()

    @property
    def length(self) -> int:
        return sum(not task.ended for task in self._tasks.values())

    def close(self, wait_s: float = 0.0) -> None:
        """The task that runs is stopped. Whoever lives on in this process may wait for the device's thread to end."""
        with self._changed:
            self._closed = True
            for task in self._tasks.values():
                task.stop.set()
            self._changed.notify_all()
        self._worker.join(wait_s)

    # ------------------------------------------------------------------ the device's own thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or (bool(self._waiting) and not self._standing_still()), timeout=0.2
                )
                if self._closed:
                    return
                if not self._waiting or self._standing_still():
                    continue
                task = self._waiting.pop(0)
                task.state, task.started_at = "Running", time.time()
            self._run(task)

    def _standing_still(self) -> bool:
        switched = any(f["kind"] in ("paused", "offline", "calibrating") for f in self._faults.listed())
        return switched or self._calendar.now().calibrating

    def _run(self, task: VirtualTask) -> None:
        try:
            if self._faults.strikes("failed_job"):
                self._end(
                    task,
                    "Failed",
                    "Error code 6054; Infinite loop in the control electronics (a fault that was switched on).",
                )
                return
            result = self._perform(task)
            if result is None or task.stop.is_set():
                self._end(task, "Cancelled", "Cancelled by the client.")
                return
            task.result = (
                '{"__type__": "PrimitiveResult", "__value__": 7}' if self._faults.strikes("bad_result") else result
            )
            self._end(task, "Completed", "")
        except QhubError as error:
            self._end(task, "Failed", str(error))
        except Exception as error:  # noqa: BLE001 - the edge of the machine: a task fails, the machine goes on
            self._end(task, "Failed", f"Internal error of the virtual QPU: {type(error).__name__}: {error}")

    def _end(self, task: VirtualTask, state: str, reason: str) -> None:
        task.ended_at = time.time()
        task.reason = reason
        task.state = state


def described(task: VirtualTask, *, params: bool = False) -> dict[str, Any]:
    """As GET /jobs/{id} says it, with what was sent where that is asked for."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(task.created_at)) + f".{int(task.created_at % 1 * 1e6):06d}Z"
    state: dict[str, Any] = {"status": task.state}
    if task.reason:
        state |= {"reason": task.reason, "reason_code": 1517}
    return {
        "id": task.id,
        "backend": task.backend,
        "state": state,
        "status": task.state,
        "program": {"id": task.program.name},
        "created": stamp,
        "cost": 10000,
        "usage": {"quantum_seconds": task.qpu_s, "seconds": task.qpu_s},
        "simulated": True,
        **({"session_id": task.session} if task.session else {}),
        **({"params": json.loads(zlib.decompress(task.params))} if params and task.params else {}),
    }
