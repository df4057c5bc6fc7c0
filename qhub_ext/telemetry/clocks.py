"""By how much two clocks differ, where a question and its answer tell. All in seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

TICK_S = 0.01
"""File systems stamp with a clock that is this coarse."""
WHOLE_SECOND_S = 0.5
"""HTTP's Date has whole seconds."""


@dataclass(frozen=True)
class Offset:
    """A clock is `ahead_s` ahead of another (behind it when negative), give or take `error_s`."""

    ahead_s: float
    error_s: float

    @property
    def matters(self) -> bool:
        """More than can be told from none."""
        return abs(self.ahead_s) > self.error_s + TICK_S

    def since(self, other: Offset) -> Offset:
        """Ahead of the clock that `other` tells of, when both are told against a third."""
        return Offset(self.ahead_s - other.ahead_s, self.error_s + other.error_s)


def from_answer(asked: float, answered: float, said: float, *, rounding_s: float = 0.0) -> Offset:
    """The clock of who answered against that of who asked: as NTP does it, the answer was given in the middle of the wait."""
    return Offset(said - (asked + answered) / 2, max(0.0, answered - asked) / 2 + rounding_s)


def ahead_of_files(fd: int, clock: Callable[[], float] = time.time) -> Offset | None:
    """This process's clock against that of the file system on which the open file lies: on shared storage, every host's own offset to
    one clock. None where the file system does not say.
    """
    asked = clock()
    try:
        os.utime(fd)
        stamped = os.fstat(fd).st_mtime
    except OSError:
        return None
    heard = from_answer(asked, clock(), stamped)
    return Offset(-heard.ahead_s, heard.error_s + TICK_S)
