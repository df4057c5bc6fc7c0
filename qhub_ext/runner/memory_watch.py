"""The memory of a job, seen from its supervisor: beside the limit that the kernel sets itself (`memory`), for what that does not count."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from qhub_ext.runner.allocation import memory_headroom_mb, oom_kills

EVERY_S = 0.25


class MemoryWatch:
    """Looks at a process and its descendants when it is due: `due_at` is a moment of the monotonic clock."""

    def __init__(self, pid: int, memory_mb: int | None) -> None:
        self._pid = pid
        self._limit_mb = (memory_mb or 0) + memory_headroom_mb()
        self.due_at = 0.0 if memory_mb is not None else float("inf")
        self._oom_before = oom_kills()

    def look(self, now: float) -> float | None:
        """MiB in use where they are more than the job may have."""
        self.due_at = now + EVERY_S
        if resident_mb(self._pid) > self._limit_mb and (used := proportional_mb(self._pid)) > self._limit_mb:
            return used
        return None

    @property
    def oom_killed(self) -> bool:
        """The system has killed something of this cgroup meanwhile, for want of memory."""
        return oom_kills() > self._oom_before


def resident_mb(pid: int) -> float:
    """Memory of a process and its descendants, in MiB; shared pages count once. 0 where /proc cannot say."""
    total = 0
    for member in [pid, *_descendants(pid)]:
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE") / 1048576


def proportional_mb(pid: int) -> float:
    """As `resident_mb`, with shared pages divided among those who share them: right for forks, and slower."""
    total = 0
    for member in [pid, *_descendants(pid)]:
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found
