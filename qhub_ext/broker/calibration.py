"""What is known of a device's calibration, for who monitors it: looked at now and then, when the device has nothing better to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qhub_ext.errors import DeviceError, InvalidOptionError
from qhub_ext.tiers.snapshots import read_document

FIRST_S = 3.0
EVERY_S = 300.0
BUSY_EVERY_S = 1800.0
"""A device that is never idle is asked all the same, between two slices."""
ERRORS = ("readout", "one_qubit", "two_qubit")


@dataclass(frozen=True)
class Known:
    """`taken_at` in s since 1970 UTC; `medians` of the errors, by kind."""

    taken_at: float
    medians: dict[str, float]


class CalibrationWatch:
    def __init__(self, device: str, target: Callable[[], Any]) -> None:
        self._device, self._target = device, target
        self._looked_at = time.monotonic() - EVERY_S + FIRST_S
        self.known: Known | None = None

    def look(self, *, idle: bool) -> None:
        if time.monotonic() - self._looked_at < (EVERY_S if idle else BUSY_EVERY_S):
            return
        self._looked_at = time.monotonic()
        try:
            self.known = _known(self._target(), self._device)
        except (DeviceError, InvalidOptionError, ValueError):  # it says nothing now, or nothing of that kind
            return


def _known(document: Any, device: str) -> Known | None:
    if not document:
        return None
    snapshot = read_document(document, device=device, source="its resource").snapshot
    found = snapshot.medians()
    medians = {kind: value for kind in ERRORS if (value := found[f"{kind}_error"].median) is not None}
    return Known(datetime.fromisoformat(snapshot.taken_at).timestamp(), medians)
