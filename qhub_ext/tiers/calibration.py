"""Which calibration a device has, as far as is known without asking it; and putting it where a job's folder and the shelf keep it."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.errors import UnknownNameError
from qhub_ext.jobfolder.calibrations import CalibrationStore
from qhub_ext.tiers import catalog


def known_snapshot(device: str, shelf: Path, cache: Path | None = None) -> tuple[str, str] | None:
    """(id, moment) of the snapshot that a job of this device would run under; of a device that is not in the catalog, the
    newest that was met. None where none is known.
    """
    try:
        return catalog.snapshot_of(device, cache)
    except UnknownNameError:
        entry = CalibrationStore(shelf).latest(device)
        return None if entry is None else (entry.id, entry.taken_at)
