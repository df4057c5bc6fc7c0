"""The tiers as they can be chosen: what each is, and why one is closed."""

from __future__ import annotations

from dataclasses import dataclass

from qhub_ext.errors import QhubError
from qhub_ext.job.context import TIERS
from qhub_ext.service.job_device import resource_title
from qhub_ext.settings import Settings

_TITLES = {
    "local": ("Local", "none: ideal, checked as the device would check it"),
    "emulation": ("Emulation", "the device's calibration snapshot"),
    "qpu": ("QPU", "the device's own"),
}


@dataclass(frozen=True)
class TierOffer:
    """`noise` says where the errors of a run come from; `why` is empty for a tier that is open."""

    name: str
    title: str
    noise: str
    why: str = ""


def offered_tiers(settings: Settings, device: str | None = None) -> list[TierOffer]:
    found = []
    for name in TIERS:
        title, noise = _TITLES[name]
        try:
            resource_title(name, device or settings.device, settings.site_of(name), settings)
            why = ""
        except QhubError as error:
            why = str(error)
        found.append(TierOffer(name, title, noise, why))
    return found
