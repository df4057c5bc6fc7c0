"""The site's quantum resources with what they say of themselves; a row for each, also when it does not answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from qhub_ext.errors import DeviceError
from qhub_ext.service.announced import announced
from qhub_ext.settings import QpuSettings, Settings
from qhub_ext.tiers.qpu.brokered import Place
from qhub_ext.tiers.qpu.capabilities import CAPABILITIES
from qhub_ext.tiers.qpu.own_broker import ask_if_up
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import Resource, list_resources
from qhub_ext.tiers.qpu.virtual import virtual_standing

ASK_S = 15.0
VIRTUAL = "virtual"
"""The type of a simulated resource that stands in for a device."""


@dataclass(frozen=True)
class ResourceState:
    """`state` in the resource's own word, "" when it was not asked; `queue` tasks that wait there; `next_calibration_at` in s
    since 1970 UTC, None where nobody told, or where what was told cannot be understood (`windows_trouble`).
    """

    name: str
    device: str
    type: str
    source: str
    takes: str = ""
    state: str = ""
    queue: int | None = None
    trouble: str = ""
    next_calibration_at: float | None = None
    windows_trouble: str = ""


def list_states(settings: QpuSettings, *, ask: bool) -> list[ResourceState]:
    found = list_resources(settings)
    if not found:
        return []
    if not ask:
        return _with_windows([_plain(resource) for resource in found], settings)
    with ThreadPoolExecutor(len(found)) as pool:
        states = list(pool.map(lambda r: _asked(r, min(ASK_S, settings.deadline_s)), found))
    return _with_windows(states, settings)


def standing(settings: Settings) -> list[ResourceState]:
    """As `list_states(ask=True)`, with the virtual QPUs that are up; where the tier qpu goes through a broker, what that says of its
    devices. Raises DeviceError for a site's broker that does not answer.
    """
    told = ask_if_up(settings.broker, "/v1/status")
    if told is not None and settings.broker.place is not None:
        return _brokered(told, settings.broker.place)
    found = list_states(settings.qpu, ask=True)
    return found + (_virtual(settings.qpu) if settings.qpu.virtual_at(settings.site_of("qpu")) else [])


def _with_windows(states: list[ResourceState], settings: QpuSettings) -> list[ResourceState]:
    """With the windows that the site announces."""
    if not settings.windows:
        return states
    now, told = time.time(), announced(settings, [state.device for state in states])
    return [
        replace(s, next_calibration_at=told.next_of(s.device, now), windows_trouble=told.trouble_of(s.device))
        for s in states
    ]


def _virtual(settings: QpuSettings) -> list[ResourceState]:
    """Those that somebody has used, from their own server; none is started for it."""
    return [
        ResourceState(
            name=device,
            device=device,
            type=VIRTUAL,
            source="a virtual QPU, started on demand",
            state="calibrating" if told["calibrating_until"] is not None else "online",
            queue=told["queue"],
            next_calibration_at=told["next_calibration_at"],
        )
        for device, told in virtual_standing(settings).items()
    ]


# the broker's words for what the resources themselves say
_WORDS = {"available": "online", "maintenance": "calibrating", "draining": "paused", "down": "offline"}


def _brokered(told: Mapping[str, Any], path: Place) -> list[ResourceState]:
    now = time.time()
    found = []
    for device in told["devices"]:
        window = device["window"]
        found.append(
            ResourceState(
                name=device["name"],
                device=device["name"],
                type=f"broker, {VIRTUAL}" if device.get("virtual") else "broker",
                source=f"the broker at {path}",
                takes=CAPABILITIES[device["type"]].takes if device.get("type") in CAPABILITIES else "",
                state=_WORDS.get(device["state"], device["state"]),
                queue=device["waiting"],
                trouble=device["trouble"] or "",
                next_calibration_at=window[0] if window and window[0] > now else None,
            )
        )
    return found


def _plain(resource: Resource) -> ResourceState:
    takes = CAPABILITIES[resource.type].takes if resource.type in CAPABILITIES else ""
    return ResourceState(
        resource.name, resource.device, resource.type, resource.source, takes, trouble=resource.trouble
    )


def _asked(resource: Resource, deadline_s: float) -> ResourceState:
    row = _plain(resource)
    if row.trouble:
        return row
    process = ResourceProcess(resource)
    try:
        status = process.call("status", deadline_s=deadline_s)
    except DeviceError as error:
        return replace(row, state="unknown", trouble=str(error))
    finally:
        process.close()
    return replace(
        row,
        state=status["status"],
        queue=status.get("pending_job_count"),
        trouble=str(status.get("status_reason") or ""),
    )
