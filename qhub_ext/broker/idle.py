"""When a broker that was started on demand leaves: nothing waits or runs, and for a while nobody asked for more than a look; or it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOKS = frozenset({("GET", path) for path in ("/v1/status", "/v1/tasks", "/metrics", "/openapi.json", "/docs")})
"""What a screen asks again and again keeps no broker."""


class Idle:
    """`after_s` for ever is `math.inf`. Once it is `over`, nobody is let in any more: who asks starts the next broker."""

    def __init__(self, after_s: float, busy: Callable[[], bool]) -> None:
        self._after_s, self._busy = after_s, busy
        self._lock = threading.Lock()
        self._asked_at = time.monotonic()
        self._inside = 0
        self._left = False

    @contextmanager
    def visit(self, method: str, path: str) -> Iterator[bool]:
        """Around a request. False when the broker is leaving."""
        with self._lock:
            welcome = not self._left
            self._inside += 1
        try:
            yield welcome
        finally:
            with self._lock:
                self._inside -= 1
                if (method, path) not in _LOOKS:
                    self._asked_at = time.monotonic()

    def leave(self) -> None:
        """Whoever needs it still."""
        with self._lock:
            self._left = True

    def over(self) -> bool:
        with self._lock:
            quiet = not self._inside and time.monotonic() - self._asked_at > self._after_s
            self._left = self._left or (quiet and not self._busy())
            return self._left
