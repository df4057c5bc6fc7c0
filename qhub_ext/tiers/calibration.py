"""Which calibration a device has, as far as is known without asking it."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.errors import UnknownNameError
from qhub_ext.jobfolder.calibrations import CalibrationStore
from qhub_ext.tiers import catalog


def known_snapshot(
    device: str, shelf: Path, cache: Path | None = None, *, live: bool = False
) -> tuple[str, str] | None:
    """(id, moment) of the snapshot that a job of this device would run under. None where none is known.

    `live`: on the device itself, which has the newest that it ever told of, and not the one of the installed package.
    """
    try:
        found = catalog.snapshot_of(device, cache)
    except UnknownNameError:
        return None
    entry = CalibrationStore(shelf).latest(catalog.packaged(device) or device) if live else None
    if entry is not None and entry.taken_at > found[1]:
        return entry.id, entry.taken_at
    return found if found[0] else None
