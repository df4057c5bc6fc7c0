"""How long each part of an attempt took: seconds for the outcome, spans for the trace."""

from __future__ import annotations

import time

from qhub_ext.telemetry.recorder import Recorder


class Timings:
    """`parts` are the seconds of each phase, for `Outcome.timings_s`. `began` is a moment of the monotonic clock."""

    def __init__(self, began: float, spans: Recorder) -> None:
        self.began = began
        self.parts: dict[str, float] = {}
        self._spans = spans
        self._began_at = time.time() - (time.monotonic() - began)
        self._bound_at: float | None = None
        self._cell_at: float | None = None
        self._returning_at: float | None = None

    def lap(self, name: str, since: float) -> None:
        self.parts[name] = round(time.monotonic() - since, 4)

    def kernel_bound(self, seconds: float) -> None:
        self.parts["kernel_s"] = round(seconds, 4)
        self._bound_at = time.time()
        self._spans.add("start kernel", "start", self._began_at, self._bound_at)

    def scene_set(self, seconds: float) -> None:
        self.parts["environment_s"] = round(seconds, 4)
        self._spans.add("set the scene", "environment", self._bound_at or self._began_at, time.time())

    def cell_begins(self) -> None:
        self._cell_at = time.time()

    def cell_ends(self, number: int, *, recorded: bool) -> None:
        """The kernel records the span of a cell; where it did not live to, the span is made here, as it was seen from outside."""
        if self._cell_at is not None and not recorded:
            own = self._spans.root.below("cell", number)
            self._spans.add("cell", "classical", self._cell_at, time.time(), own=own, qhub__cell__number=number)
        self._cell_at = None

    def return_begins(self) -> None:
        """The last cell is over, or the kernel is."""
        self._returning_at = self._returning_at or time.time()

    def return_ends(self) -> None:
        if self._returning_at is not None:
            self._spans.add("put away", "return", self._returning_at, time.time())
