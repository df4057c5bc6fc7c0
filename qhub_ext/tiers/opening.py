"""The tier that a context names, opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from qhub_ext.job.context import ExecutionContext, unknown_tier
from qhub_ext.tiers.backend import TierBackend
from qhub_ext.tiers.device_options import check_for
from qhub_ext.tiers.devices import Device, load
from qhub_ext.tiers.options import read_options

# looked up by name, so that the device's client is imported only where a cell runs on a device
_OPENERS = {
    "local": "qhub_ext.tiers.local:open_local",
    "emulation": "qhub_ext.tiers.emulation:open_emulation",
    "qpu": "qhub_ext.tiers.qpu.backend:open_qpu",
}


def check_tier(name: str) -> None:
    """Raises UnknownNameError."""
    if name not in _OPENERS:
        raise unknown_tier(name)


def device_on(tier: str, name: str) -> Device:
    """The device as a tier has it: on qpu as its resource describes it now. Raises UnknownNameError, DeviceError, PreflightError."""
    device = load(name)
    if tier != "qpu":
        return device
    present: Device = import_module("qhub_ext.tiers.qpu.backend").present_device(device)
    return present


def open_tier(context: ExecutionContext, options: Mapping[str, Any]) -> tuple[TierBackend, list[str]]:
    """The backend of the context's tier and device, and a sentence for each option that has no effect there.

    Raises UnknownNameError for the tier, device or option, InvalidOptionError for a value.
    """
    check_tier(context.tier)
    given = {**context.options, **options}
    values, unused = read_options(context.tier, given)
    device = load(context.device)
    check_for(given, device.configuration, device.name)
    module, function = _OPENERS[context.tier].split(":")
    opener: Callable[..., TierBackend] = getattr(import_module(module), function)
    return opener(device, values, memory_mb=context.memory_mb, cpus=context.cpus), unused
