"""A command that is started ahead is to work beside this process, and not after it.

Linux lets a child begin on the CPU of its parent and moves one of the two when it wakes, or some milliseconds later; in a virtual machine, where
a CPU that sleeps is not taken for a free one, often only then. A parent that goes on working keeps its child waiting for so long.
"""

from __future__ import annotations

import os

MOST_BUSY = 0.25
"""Share of the CPUs. The kernel takes any of those that it is offered: where more are busy, the child would wait as well there."""
_BOTH = 2
"""This process and its child are among those that can run."""


def move_apart(pid: int) -> None:
    """Moves a child that has just begun off the CPU of this thread, where another one is free; it may use the same ones as before."""
    if not hasattr(os, "sched_setaffinity"):
        return
    try:
        allowed = os.sched_getaffinity(0)
        others = allowed - {_own_cpu()}
        if _runnable() - _BOTH <= MOST_BUSY * (len(allowed) - 1) and others:
            os.sched_setaffinity(pid, others)
            os.sched_setaffinity(pid, allowed)
    except (
        OSError,
        ValueError,
        IndexError,
    ):  # it has ended already, or there is no /proc as Linux has it: it works where it is
        return


def _own_cpu() -> int:
    return int(_read("/proc/thread-self/stat").rpartition(b")")[2].split()[36])


def _runnable() -> int:
    """Threads of the whole machine that run or could."""
    return int(_read("/proc/loadavg").split()[3].partition(b"/")[0])


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1024)
    finally:
        os.close(fd)
