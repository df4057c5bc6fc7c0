"""The calibration windows that a site announces in `qhub.toml`: those that can be told, and what is wrong with the others.

They are told and nothing is held back for them, so that a slip in one stops neither jobs nor the listing of devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from qhub_ext.errors import QhubError, UnknownNameError
from qhub_ext.service.calibrations import own_name
from qhub_ext.settings import QpuSettings, QpuWindowSettings
from qhub_ext.tiers import catalog
from qhub_ext.tiers.windows import Window, next_window


@dataclass(frozen=True)
class Slip:
    """`device` is "" where the window is one of all devices."""

    device: str
    sentence: str
    advice: str


@dataclass(frozen=True)
class Announced:
    windows: tuple[Window, ...]
    slips: tuple[Slip, ...]

    def next_of(self, device: str, now: float) -> float | None:
        """When its next calibration begins, s since 1970 UTC."""
        span = next_window(self.windows, device, now)
        return span[0] if span is not None and span[0] > now else None

    def trouble_of(self, device: str) -> str:
        """What is wrong with the windows of a device, "" where nothing is."""
        return " ".join(slip.sentence for slip in self.slips if slip.device in ("", device))


def announced(settings: QpuSettings, devices: Iterable[str]) -> Announced:
    """`devices` are those of the site's resources, beside those whose calibration is known anyway."""
    windows, slips = [], []
    known = sorted({*devices, *catalog.names()})
    for number, told in enumerate(settings.windows, start=1):
        try:
            windows.append(_window(told, known))
        except (QhubError, ValueError, OverflowError) as error:
            which = f"Calibration window {number} of qpu.windows"
            message = error.message if isinstance(error, QhubError) else f"start {told.start} is out of range."
            advice = error.advice if isinstance(error, QhubError) else ""
            slips.append(Slip(own_name(told.device), f"{which} is not told: {message}", advice))
    return Announced(tuple(windows), tuple(slips))


def _window(told: QpuWindowSettings, known: list[str]) -> Window:
    device = own_name(told.device)
    if device and device not in known:
        raise UnknownNameError.among("device", told.device, known)
    start = told.start if told.start.tzinfo is not None else told.start.replace(tzinfo=UTC)
    window = Window(start.timestamp(), told.length_s, told.rule, device)
    window.next_span(datetime.now(UTC).timestamp())  # a moment that no calendar has shows itself here
    return window
