"""The way to a device: the resource that stands for it, the helper process that asks it, what it said of itself, and when it was last heard."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from qhub_ext.broker.device_spans import SentSpans
from qhub_ext.errors import DeviceError, InvalidOptionError
from qhub_ext.settings import QpuSettings
from qhub_ext.telemetry.otlp import RecordedSpan
from qhub_ext.tiers import pulser_specs
from qhub_ext.tiers.qpu.capabilities import IQM_CIRCUITS, PRIMITIVES, SEQUENCES
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import Resource
from qhub_ext.tiers.qpu.task_spans import ask_for_spans

TARGET_S = 60.0
PROGRAMS = {PRIMITIVES: ("sampler", "estimator"), IQM_CIRCUITS: ("iqm",), SEQUENCES: ("pulser",)}
"""By the kind of payload that the type of a resource takes."""


class DeviceLink:
    """`again` says where a device is now that stopped answering, None where it is nowhere else; `learned` is told how many shots of one PUB it takes
    at a time, whenever it says that.
    """

    def __init__(
        self, resource: Resource, settings: QpuSettings, again: Callable[[], Resource | None], learned: Callable[[int], None],
    ) -> None:  # fmt: skip
        self.resource = resource
        self.sent = SentSpans()
        self._settings, self._again, self._learned = settings, again, learned
        self._process = _helper(resource)
        self._heard_at = time.monotonic()
        self._target: tuple[float, Any] = (0.0, None)

    @property
    def programs(self) -> tuple[str, ...]:
        """What a task for the device may name."""
        return PROGRAMS[self.resource.can.takes]

    @property
    def silent_s(self) -> float:
        """So long it has not been heard."""
        return time.monotonic() - self._heard_at

    def call(self, name: str, *arguments: Any, **fields: Any) -> Any:
        """The value that a call of its helper returns. Raises DeviceError."""
        answer = self._process.call(name, *arguments, deadline_s=self._settings.deadline_s, **fields)
        self._heard_at = time.monotonic()
        return answer

    def status(self) -> dict[str, Any] | None:
        """None where it does not answer; then it is asked by another helper the next time, where it is by then."""
        try:
            return dict(self.call("status"))
        except DeviceError:
            self._process.close()  # a service that began anew knows none of the tokens that this helper was given
            found = self._again()
            if found is not None and found != self.resource:
                self.resource, self._process = found, _helper(found)
            return None

    def target(self) -> Any:
        """What the device says of itself in the shape of its type, at most TARGET_S old. Raises DeviceError."""
        asked_at, known = self._target
        if not known or time.monotonic() - asked_at > TARGET_S:
            answer = self.call("target")
            known = json.loads(answer) if isinstance(answer, str) else answer or {}
            self._target = (time.monotonic(), known)
            if (most := most_shots_of(known, self.resource.device)) is not None:
                self._learned(most)
        return known

    def spans_of(self, vendor: str, traceparent: str) -> list[RecordedSpan]:
        """What the device tells of a slice, below a span; a virtual QPU does."""
        return ask_for_spans(vendor, self.resource, None, traceparent)

    def close(self) -> None:
        self._process.close()


def _helper(resource: Resource) -> ResourceProcess:
    """What is on the device when it ends, by whatever end, the next helper or the next broker brings back."""
    return ResourceProcess(resource, tasks_stay=True)


def most_shots_of(target: Any, device: str) -> int | None:
    """The shots of one PUB, or the runs of a sequence, that a device takes at a time, by what it says of itself; None where it does not say."""
    try:
        if isinstance(target, list):  # all that a service of sequences has
            told = json.loads(pulser_specs.specs_of({pulser_specs.KEY: target}, device)).get("max_runs")
        else:
            told = target.get("configuration", {}).get("max_shots")
    except (InvalidOptionError, ValueError, TypeError, AttributeError):  # it speaks of itself in another shape
        return None
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else None
