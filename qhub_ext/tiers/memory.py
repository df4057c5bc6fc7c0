"""How much memory a simulation may take: the least of what the job, the site and the machine allow.

Aer asks the machine alone: on a shared node it would take memory that the site has promised to others, and be killed for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNLIMITED = 2**60
"""cgroup v1 writes a number of this size for "no limit"."""


def memory_limit_mb(
    asked_mb: int | None = None, environ: Mapping[str, str] | None = None, cgroup_files: tuple[str, ...] = _CGROUP_FILES
) -> int:
    """MiB that this process may use. `asked_mb` is the job's own limit, None where it has none."""
    environ = os.environ if environ is None else environ
    limits = [asked_mb, _slurm_mb(environ), *(_cgroup_mb(Path(f)) for f in cgroup_files), machine_memory_mb()]
    return min(limit for limit in limits if limit)


def _slurm_mb(environ: Mapping[str, str]) -> int | None:
    """SLURM_MEM_PER_NODE, or SLURM_MEM_PER_CPU times the CPUs, in MiB; Slurm writes 0 for "all of the node"."""
    try:
        if whole := int(environ.get("SLURM_MEM_PER_NODE", "0")):
            return whole
        return int(environ.get("SLURM_MEM_PER_CPU", "0")) * int(environ.get("SLURM_CPUS_ON_NODE", "1")) or None
    except ValueError:
        return None


def _cgroup_mb(path: Path) -> int | None:
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):  # no such hierarchy, or the word "max"
        return None
    return limit // 2**20 if limit < _UNLIMITED else None


def machine_memory_mb() -> int:
    """What is built in."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
