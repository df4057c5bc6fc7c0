"""The device itself, through QRMI. Not there yet: the tier exists so that its name is known and its error is clear."""

from __future__ import annotations

from typing import NoReturn

from qhub_ext.errors import PreflightError
from qhub_ext.tiers.devices import Device


def open_qpu(device: Device, *_: object, **__: object) -> NoReturn:
    raise PreflightError(
        f"The qpu tier cannot reach {device.name} yet: it arrives with QRMI.",
        advice="The same cell runs on the tiers local and emulation.",
    )
