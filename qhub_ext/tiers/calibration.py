"""Which calibration a device has, as far as is known without asking it."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.errors import UnknownNameError
from qhub_ext.tiers import catalog


def known_snapshot(device: str, cache: Path | None = None) -> tuple[str, str] | None:
    """(id, moment) of the snapshot that a job of this device would run under. None where none is known."""
    try:
        found = catalog.snapshot_of(device, cache)
    except UnknownNameError:
        return None
    return found if found[0] else None
