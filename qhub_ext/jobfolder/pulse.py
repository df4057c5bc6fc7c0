"""Whether something happened in a job folder: a few names and sizes, cheap enough to be asked many times a second.

All that counts is appended to or comes as a new file, so that names and sizes tell, whatever the clock of the file system.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from qhub_ext.jobfolder.generation import read_generation
from qhub_ext.jobfolder.layout import JobFolder

SETTLED_S = 0.05
"""Within one tick of its clock a folder may change twice and show one time: so young a time is not relied on."""


class Pulse(NamedTuple):
    """`events` differs when a state may have changed, `outputs` when something was printed."""

    events: tuple[object, ...]
    outputs: int


def take_pulse(folder: JobFolder) -> Pulse:
    """Of a job, or of an element of an array. Raises FileNotFoundError when the folder is gone."""
    with os.scandir(folder.journals) as entries:
        journals = sorted((e.name, e.stat().st_size) for e in entries if e.name.endswith(".jsonl"))
    numbers = folder.attempt_numbers()
    names: list[str] = []
    outputs = 0
    if numbers:
        attempt = folder.attempt(numbers[-1])
        try:
            names = sorted(os.listdir(attempt.path))
            outputs = attempt.outputs.stat().st_size
        except FileNotFoundError:  # nothing was printed yet
            pass
    return Pulse((tuple(journals), tuple(numbers), tuple(names)), outputs)


class ShelfPulse(NamedTuple):
    """`names` differs when jobs came or went, `generation` when a finished one began anew."""

    names: float
    generation: str


def take_shelf_pulse(shelf: Path, now: float) -> ShelfPulse:
    """`now` in s since 1970 UTC. A shelf that is not there yet has a pulse too."""
    try:
        changed_at = shelf.stat().st_mtime
    except FileNotFoundError:
        return ShelfPulse(0.0, "")
    return ShelfPulse(now if abs(now - changed_at) < SETTLED_S else changed_at, read_generation(shelf))
