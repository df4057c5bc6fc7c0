"""The device's snapshot noise on classical machines: that of the active qubits, which is all that can reach a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhub_ext.tiers.age import check_age
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.engine import Engine
from qhub_ext.tiers.preflight import note_tier


def open_emulation(device: Device, options: Mapping[str, Any], *, memory_mb: int | None, cpus: int | None) -> Engine:
    findings = (note_tier("emulation"), *check_age(device, "emulation"))
    return Engine("emulation", device, noisy=True, options=options, memory_mb=memory_mb, cpus=cpus, findings=findings)
