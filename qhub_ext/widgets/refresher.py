"""Asks for all widgets of a kernel in one thread, ever less often while nothing changes; the thread ends when nobody is left."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import QhubError

FIRST_S = 0.5
LAST_S = 5.0
GROWTH = 1.25

log = logging.getLogger(__name__)


@dataclass
class Watch:
    """`ask` runs in the thread of the refresher and must touch nothing of the kernel's; `draw` gets each answer.

    `key` is the part of an answer that counts as a change (times that pass do not); after `over` nothing more is asked.
    """

    ask: Callable[[], Any]
    draw: Callable[[Any], None]
    say: Callable[[str], None]
    over: Callable[[], bool]
    key: Callable[[Any], Any]
    last: Any = None
    trouble: str = ""


class Refresher:
    def __init__(self) -> None:
        self._watches: list[Watch] = []
        self._lock = threading.Lock()
        self._nudged = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, watch: Watch) -> None:
        with self._lock:
            self._watches.append(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="qhub-refresher", daemon=True)
                self._thread.start()
        self.nudge()

    def nudge(self) -> None:
        """Something was done: look at once, and often for a while."""
        self._nudged.set()

    @property
    def running(self) -> bool:
        return self._thread is not None

    def _run(self) -> None:
        pause = FIRST_S
        while True:
            if self._nudged.wait(pause):
                self._nudged.clear()
                pause = FIRST_S
            with self._lock:
                self._watches = [watch for watch in self._watches if not watch.over()]
                if not self._watches:
                    self._thread = None
                    return
                watches = list(self._watches)
            changed = [_look(watch) for watch in watches]
            pause = FIRST_S if any(changed) else min(pause * GROWTH, LAST_S)


def _look(watch: Watch) -> bool:
    try:
        answer = watch.ask()
    except QhubError as error:
        changed, watch.trouble = str(error) != watch.trouble, str(error)
        if changed:
            watch.say(watch.trouble)
        return changed
    except Exception:
        log.exception("A widget is not drawn any more.")
        watch.over = lambda: True
        watch.say("This is not brought up to date any more: see the log of the kernel.")
        return True
    if watch.trouble:
        watch.trouble = ""
        watch.say("")
    key = watch.key(answer)
    changed, watch.last = key != watch.last, key
    watch.draw(answer)
    return changed
