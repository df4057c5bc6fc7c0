"""A task under way: Qiskit's PrimitiveJob, which stops between circuits when it is cancelled or interrupted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qiskit.primitives import PrimitiveJob


class TaskJob(PrimitiveJob):
    """`function` gets `stopped`, which says whether to go on."""

    def __init__(self, function: Callable[[Callable[[], bool]], Any]) -> None:
        self._stop = threading.Event()
        super().__init__(function, self._stop.is_set)

    def result(self) -> Any:
        try:
            return super().result()
        except KeyboardInterrupt:
            self._stop.set()  # or the next cell would compete with what nobody waits for
            raise

    def cancel(self) -> bool:
        """True when nothing had begun; a task under way ends after the circuit that it is at."""
        self._stop.set()
        return bool(super().cancel())

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {k: v for k, v in state.items() if k not in ("_stop", "_function", "_args", "_kwargs")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._stop = threading.Event()
