"""One thread per device: it asks for the next slice, sends it through the helper process of the device, and brings the result back.

Where several slices may be at the device at a time, each has a lane of its own; the lanes take turns at the helper.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from qhub_ext.broker.batches import BATCHES
from qhub_ext.broker.calibration import CalibrationWatch
from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.device_link import DeviceLink
from qhub_ext.broker.rows import SliceRow, TaskRow
from qhub_ext.broker.slices import ODD, check_result, cut, payload_of, seconds_told, told_of
from qhub_ext.errors import Cause, DeviceError, UncertainTaskError
from qhub_ext.settings import QpuSettings
from qhub_ext.telemetry.context import parse_traceparent
from qhub_ext.telemetry.otlp import RecordedSpan
from qhub_ext.tiers.qpu.failures import HelperLostError
from qhub_ext.tiers.qpu.iqm import timeline_seconds
from qhub_ext.tiers.qpu.resources import Resource

PROBE_FIRST_S = 0.5
PROBE_LAST = 6
"""A device that is down is asked less and less often: at last once in so many times `qpu.poll_max_s` (5 s)."""
HEARD_S = 240.0
"""A device that nobody heard of for so long is asked how it is: before the next task finds out, and a virtual one stays as long as its broker."""
LEDGER_S = 0.5
"""A ledger that takes nothing now is tried again so often: what is on the device waits meanwhile."""
_LOST = "Lost"
T = TypeVar("T")
log = logging.getLogger(__name__)


class DeviceThread(threading.Thread):
    def __init__(
        self, desk: Desk, resource: Resource, settings: QpuSettings, again: Callable[[], Resource | None] = lambda: None
    ) -> None:
        """`again` says where a device is now that stopped answering, None where it is nowhere else."""
        super().__init__(name=f"broker-{resource.device}", daemon=True)
        self._ledger, self._turns = desk.ledger, desk.turns
        self._settings, self._device = settings, resource.device
        self.link = DeviceLink(resource, settings, again, partial(desk.turns.learned, resource.device))
        self.calibration = CalibrationWatch(resource.device, self.link.target)
        self._left_behind: deque[SliceRow] = deque()

    @property
    def _title(self) -> str:
        return self.link.resource.title

    @property
    def begun(self) -> bool:
        return self.ident is not None

    def run(self) -> None:
        device = self._device
        # of a broker that was killed: the device knows them still
        self._left_behind.extend(self._surely(lambda: self._ledger.open_slices(device)) or ())
        others = [
            threading.Thread(target=self._lane, name=f"{self.name}-{number}", daemon=True)
            for number in range(2, self._turns.ahead(device) + 1)
        ]
        for lane in others:
            lane.start()
        self._take_up()
        if math.isinf(self._turns.most_shots(device)):  # before a slice is more than it takes
            with contextlib.suppress(DeviceError):
                self.link.target()
        probe = PROBE_FIRST_S
        while not self._turns.closed:
            if self._turns.trouble(device):
                if not self._answers():
                    time.sleep(probe)
                    probe = min(max(PROBE_FIRST_S, PROBE_LAST * self._settings.poll_max_s), probe * 2)
                    continue
                self._turns.up(device)
                probe = PROBE_FIRST_S
            elif self.link.silent_s > HEARD_S and self.link.status() is None:
                self._turns.down(device, f"{self._title} does not answer.")
                continue
            self.calibration.look(idle=not self._turn())
        for lane in others:
            lane.join(self._settings.poll_max_s)
        self.link.close()

    def _lane(self) -> None:
        """One more slice at the device at a time. Whether a device that was down is back, the thread itself finds out."""
        self._take_up()
        while not self._turns.closed:
            self._turn()

    def _take_up(self) -> None:
        while self._left_behind:
            with contextlib.suppress(IndexError):  # another lane was quicker
                one = self._left_behind.popleft()
                row = self._surely(partial(self._ledger.task, one.task))
                self._bring_back(one, _about(one, row))

    def _turn(self) -> bool:
        """Whether there was anything to do."""
        found = self._surely(lambda: self._turns.next_slice(self._device, timeout_s=1.0))
        if found is not None:
            task, one = found
            self._send(one, task)
        return found is not None

    def _surely(self, verb: Callable[[], T]) -> T | None:
        """Until the ledger took it, and once where the broker closes; None when it did not. Every verb of the desk may be said again."""
        told = ""
        while True:
            try:
                return verb()
            except LedgerError as error:
                if self._turns.closed:
                    return None
                if error.message != told:
                    told = error.message
                    log.warning(told)
                time.sleep(LEDGER_S)

    def _answers(self) -> bool:
        status = self.link.status()
        return status is not None and bool(status["status"] == "online")

    def _send(self, one: SliceRow, task: TaskRow) -> None:
        program = task.program
        try:
            payload = payload_of(program, cut(program, self._ledger.files.payload(one.task), one.pieces))
        except (OSError, *ODD) as error:
            gone = DeviceError(f"The payload of the task {one.task} cannot be read any more: {error}.", advice="Submit it again.", cause=Cause.INTEGRATION)  # fmt: skip
            self._surely(partial(self._turns.setbacks.failed, one, gone))
            return
        told: list[RecordedSpan] = []
        try:
            vendor = str(
                self.link.call(
                    "task_start",
                    payload={**payload, "tag": f"{one.task}-{one.number}"},
                    traceparent=task.traceparent,
                    told=told,
                )
            )
        except DeviceError as error:
            lost = isinstance(error, HelperLostError) and error.call == "task_start"
            if lost or isinstance(error, UncertainTaskError):
                self._surely(partial(self._turns.setbacks.uncertain, one, error))
            else:
                self._surely(partial(self._turns.setbacks.refused, one, error))
            return
        finally:
            self.link.sent.keep(one, told)
        self._surely(lambda: self._turns.sent(one, vendor))
        about = _about(one, task)
        log.info("slice sent as %s", vendor, extra=about)
        self._bring_back(replace(one, state="sent", vendor=vendor), about)

    def _bring_back(self, one: SliceRow, about: dict[str, Any]) -> None:
        pause, stop_asked = self._settings.poll_s, False
        while True:
            wanted = self._turns.wanted(one)
            if self._turns.closed:  # looked at last: a broker that closes wants nothing, and the next one takes this up
                return
            if not stop_asked and not wanted:
                stop_asked = True
                self._tolerant("task_stop", one.vendor)
            state = self._tolerant("task_status", one.vendor)
            if state is None:
                time.sleep(pause := min(self._settings.poll_max_s, pause * 2))
                continue
            if state == "Completed":
                result = self._tolerant("task_result", one.vendor)
                if result is None:
                    continue
                self._take(one, str(result), about)
                return
            if state == _LOST and wanted:
                lost = DeviceError(f"{self._title} does not know the task {one.vendor} any more.")
                self._surely(partial(self._turns.setbacks.uncertain, one, lost))
                return
            if state not in ("Queued", "Running"):
                self._ended(one, str(state), about, wanted=wanted)
                return
            time.sleep(pause)
            pause = min(self._settings.poll_max_s, pause * 1.3)

    def _take(self, one: SliceRow, text: str, about: dict[str, Any]) -> None:
        try:
            seconds, snapshot = self._told_by(one, text)
        except DeviceError as error:
            error.cause = Cause.INTEGRATION
            self._surely(partial(self._turns.setbacks.failed, one, error))
            return
        last = self._surely(lambda: self._turns.finished(one, text, seconds, snapshot))
        log.info("slice done", extra={**about, "seconds": seconds})
        if last:
            self._surely(lambda: self._turns.complete(one.task))

    def _told_by(self, one: SliceRow, text: str) -> tuple[float | None, str]:
        """Seconds of QPU and the snapshot, where the device tells them. Raises DeviceError for a result that is none."""
        (kind, *_) = self.link.programs
        if kind in BATCHES:
            BATCHES[kind].checked(one.pieces, text)
            log = self._tolerant("task_logs", one.vendor) if self.link.resource.can.timeline else ""
            return seconds_told(lambda: timeline_seconds(str(log or ""))[1]), ""
        return told_of(check_result(one.pieces, text))

    def _ended(self, one: SliceRow, state: str, about: dict[str, Any], *, wanted: bool) -> None:
        if not wanted:
            self._surely(lambda: self._turns.setbacks.stopped(one))
            return
        words = " ".join(str(self._tolerant("task_logs", one.vendor) or "").split())[-300:]
        cause = Cause.QUEUE_POLICY if state == "Cancelled" else Cause.DEVICE
        ended = DeviceError(f"{self._title}: the task {one.vendor} ended as {state}: {words}", cause=cause)
        log.warning(ended.message, extra=about)
        self._surely(lambda: self._turns.setbacks.failed(one, ended))

    def _tolerant(self, call: str, vendor: str) -> Any:
        """An answer, or None when there was none now: questions may be asked again."""
        try:
            answer = self.link.call(call, vendor)
        except DeviceError as error:
            if error.transient or isinstance(error, HelperLostError):
                self._turns.down(self._device, error.message)
                return None
            return _LOST if call == "task_status" else ""  # the device does not know it any more
        self._turns.up(self._device)
        return answer


def _about(one: SliceRow, task: TaskRow | None) -> dict[str, Any]:
    """What a line of the log says of a slice."""
    told = {"task": one.task, "slice": one.number, "device": one.device}
    if task is None:
        return told
    trace = parse_traceparent(task.traceparent)
    ids = {} if trace is None else {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return {**told, "job": task.job, "user": task.user, **ids}
