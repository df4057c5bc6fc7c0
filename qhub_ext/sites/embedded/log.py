"""The daemon's log: its stdout, which a client made a file of."""

from __future__ import annotations

import contextlib
import time


def say(text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the log is the least
        print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text, flush=True)
