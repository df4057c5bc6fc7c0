"""That something changed at the desk: threads wait for it as for any condition, and callers who wait over HTTP without a thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

import anyio

LOOK_S = 1.0
"""Looked at so often all the same."""


class Changed(threading.Condition):
    def __init__(self) -> None:
        super().__init__(threading.RLock())
        self._bells: dict[object, Callable[[], None]] = {}
        self._hung = threading.Lock()

    def notify_all(self) -> None:
        super().notify_all()
        with self._hung:
            bells = list(self._bells.values())
        for ring in bells:
            ring()

    async def until(self, true: Callable[[], bool], timeout_s: float) -> None:
        """Until it is true, or the time is over. `true` is asked without the lock. Thousands may wait so: threads are few, and others need them."""
        loop, heard, key = asyncio.get_running_loop(), asyncio.Event(), object()

        def ring() -> None:
            if not heard.is_set():
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(heard.set)

        ends = loop.time() + timeout_s
        with self._hung:
            self._bells[key] = ring
        try:
            while not true() and (left := ends - loop.time()) > 0:
                with anyio.move_on_after(min(left, LOOK_S)):
                    await heard.wait()
                heard.clear()
        finally:
            with self._hung:
                del self._bells[key]
