"""How old the calibration is that circuits are made ready for and checked against; the same question on every tier.

A device is asked for its present one on the tier qpu. The tiers local and emulation take it as it was when it was last asked, and one of the
installed package as the package has it: that is nothing a user could mend, so it is kept in the record and not warned of.
"""

from __future__ import annotations

from datetime import UTC, datetime

from qhub_ext.job.context import current
from qhub_ext.settings import current_settings
from qhub_ext.tiers import catalog
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.findings import NOTE, WARN, Finding

DAY_S = 86400


def check_age(device: Device, tier: str) -> list[Finding]:
    """Nothing where the calibration is younger than `qpu.stale_s`, or no device ever had it."""
    settings = current_settings()
    age_s = (datetime.now(UTC) - datetime.fromisoformat(device.snapshot.taken_at)).total_seconds()
    simulated = device.snapshot.synthetic or device.configuration.get("simulated")
    if age_s <= settings.qpu.stale_s or simulated:
        return []
    sentence = f"The calibration of {device.name} is {age_words(age_s)} old ({device.snapshot.taken_at:.16} UTC)."
    numbers = {"days": round(age_s / DAY_S, 1), "limit_days": round(settings.qpu.stale_s / DAY_S, 3)}
    if tier == "qpu":
        advice = "What its circuits were laid out for may no longer hold; qpu.stale_s sets from when on this is said."
        return [Finding(settings.preflight.stale, "calibration-age", sentence, advice, numbers)]
    if current().pinned is not None or device.name in catalog.packaged_names():
        return [Finding(NOTE, "calibration-age", sentence, numbers=numbers)]
    advice = f"`qhub calibration {device.name} --refresh` asks the device for its present one."
    return [Finding(WARN if tier == "emulation" else NOTE, "calibration-age", sentence, advice, numbers)]


def age_words(seconds: float) -> str:
    """`3 days`, or hours where it is less than two of them."""
    if seconds < 2 * DAY_S:
        hours = max(0, round(seconds / 3600))
        return f"{hours} hour{'' if hours == 1 else 's'}"
    return f"{seconds / DAY_S:,.0f} days"
