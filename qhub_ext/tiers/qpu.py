"""The device itself, through QRMI. Not there yet: the tier exists so that its name is known and its error is clear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from qhub_ext.errors import PreflightError
from qhub_ext.tiers.devices import Device


def open_qpu(device: Device, options: Mapping[str, Any], *, memory_mb: int | None, cpus: int | None) -> NoReturn:
    raise PreflightError(
        f"The qpu tier cannot reach {device.name} yet: it arrives with QRMI.",
        advice="The same cell runs on the tiers local and emulation.",
    )
