"""This machine, without noise: validates and limits as the device would, so that what passes here is accepted there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhub_ext.tiers.age import check_age
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.engine import Engine
from qhub_ext.tiers.preflight import note_tier


def open_local(device: Device, options: Mapping[str, Any], *, memory_mb: int | None, cpus: int | None) -> Engine:
    findings = (note_tier("local"), *check_age(device, "local"))
    return Engine("local", device, noisy=False, options=options, memory_mb=memory_mb, cpus=cpus, findings=findings)
