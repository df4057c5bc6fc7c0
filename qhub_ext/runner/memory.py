"""The job kernel's own limit of memory, by which an allocation fails before the site kills."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

from qhub_ext.runner.allocation import memory_headroom_mb

MIB = 1024 * 1024


def limit_memory(memory_mb: int | None) -> None:
    """Beyond it an allocation fails, and the user gets a MemoryError with a line number instead of a killed kernel."""
    if memory_mb is not None:
        _set_soft_limit((memory_mb + max(memory_headroom_mb(), 128 + _reserved_mb())) * MIB)


def _reserved_mb() -> int:
    """What libraries have taken by now and never touched, which a limit counts too; 0 where the system does not tell."""
    with contextlib.suppress(OSError, KeyError, ValueError):
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return max(0, int(lines["VmData"].split()[0]) - int(lines["RssAnon"].split()[0])) // 1024
    return 0


def raise_memory_limit() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if soft != resource.RLIM_INFINITY:
        _set_soft_limit(soft + 256 * MIB)


def _set_soft_limit(wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
