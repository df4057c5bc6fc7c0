"""Where user code is running: the tier, device and limits that the primitives obey.

A job kernel enters the context of its job; a notebook's kernel has the one that `%qpu use` chose; a plain script has the
defaults of the settings. Nothing here reads files or environment variables.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import UnknownNameError

if TYPE_CHECKING:
    from qhub_ext.job.calibration import Snapshot

TIERS = ("local", "emulation", "qpu")
_OTHER_WORDS = {
    **dict.fromkeys(("ideal", "statevector", "exact", "laptop", "here"), "local"),
    **dict.fromkeys(("noisy", "noise", "noise-model", "fake", "emulator"), "emulation"),
    **dict.fromkeys(("sim", "simulator", "simulation", "simulate", "aer"), "emulation local"),
    **dict.fromkeys(("hardware", "device", "real", "quantum", "qc"), "qpu"),
}


def unknown_tier(name: str) -> UnknownNameError:
    return UnknownNameError.among("tier", name, list(TIERS), words=_OTHER_WORDS)


@dataclass(frozen=True)
class ExecutionContext:
    """`memory_mb` in MiB, None for what the machine has; `record` is called with one JSON-ready dict per finished task.

    `announce` is called with one for each step of a task on a device, the first of them before it is sent; `pin` with each
    snapshot that a task ran under, and what gives the vendor's document of it. `shelf` is where the job folders lie.

    `drawn_seed` fixes the seeds of tasks that name none, in their order, in the process `pid`: in a forked one they would be those of its
    siblings. `pinned` is a device and the file of the snapshot that it has to have.
    """

    tier: str = "local"
    device: str = "kingston"
    shots: int | None = None
    seed: int | None = None
    memory_mb: int | None = None
    cpus: int | None = None
    job_id: str | None = None
    site: str = "embedded"
    profile: str = "development"
    options: dict[str, Any] = field(default_factory=dict)
    record: Callable[[dict[str, Any]], None] | None = None
    announce: Callable[[dict[str, Any]], None] | None = None
    pin: Callable[[Snapshot, Callable[[], Mapping[str, Any]]], None] | None = None
    shelf: Path | None = None
    drawn_seed: int | None = None
    pid: int = field(default_factory=os.getpid)
    pinned: tuple[str, Path] | None = None


_current: ExecutionContext | None = None
_default: Callable[[], ExecutionContext] = ExecutionContext


def current() -> ExecutionContext:
    """The context of this process; the first call asks the settings for defaults."""
    global _current
    if _current is None:
        _current = _default()
    return _current


def enter(context: ExecutionContext) -> None:
    global _current
    _current = context


def default_from(source: Callable[[], ExecutionContext]) -> None:
    """How the front door lets the settings choose, without this module reading them."""
    global _default, _current
    _default, _current = source, None


@contextlib.contextmanager
def using(**changes: Any) -> Iterator[ExecutionContext]:
    """A changed context for the length of a `with` block."""
    before = current()
    enter(replace(before, **changes))
    try:
        yield current()
    finally:
        enter(before)
