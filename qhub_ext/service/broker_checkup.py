"""What `qhub doctor` says of the broker that the tier qpu goes through: whether it answers, as whom, and what it makes of this user's jobs."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from qhub_ext import __version__
from qhub_ext.errors import DeviceError, PreflightError, QhubError
from qhub_ext.sites.scheduler import Finding
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.tiers.qpu.own_broker import is_up

if TYPE_CHECKING:
    from qhub_ext.settings import Settings
    from qhub_ext.tiers.qpu.brokered import Place

CLOCK_S = 5.0
ANSWER_S = 10.0
_BELIEVES = {
    "slurm": "holds sessions against the jobs of Slurm",
    "one user": "takes the word of the user who started it",
}


def examine(settings: Settings) -> list[Finding]:
    """Nothing where the tier qpu goes straight to its devices."""
    place = settings.broker.place
    if not is_up(settings.broker):
        return [Finding("ok", f"Your own broker starts with the first task that needs it; its ledger is in {settings.broker.directory}.")]  # fmt: skip
    return [] if place is None else list(_steps(settings, place))


def _steps(settings: Settings, place: Place) -> Iterator[Finding]:
    began, clock = time.monotonic(), time.time()
    try:
        status: dict[str, Any] = ask_broker(place, "GET", "/v1/status", timeout_s=ANSWER_S)
    except DeviceError as error:
        yield Finding("failure", error.message, _mend(error, place))
        return
    except QhubError as error:
        yield Finding("failure", error.message, error.advice)
        return
    took = time.monotonic() - began
    there = str(status.get("version", "?"))
    yield Finding("ok", f"The broker at {place} answers in {took * 1000:.0f} ms.", facts={"version": there})
    if there != __version__:
        yield Finding(
            "warning",
            f"The broker has version {there}, this environment {__version__}.",
            "Restart the broker after an upgrade (`systemctl restart qhub-broker`), or install its version here.",
        )
    yield _clock(float(status.get("at", clock)) - (clock + took / 2))
    yield from _devices(status.get("devices", ()), settings)
    yield from _mine(settings, place, same_version=there == __version__)


def _mend(error: DeviceError, place: Place) -> str:
    if not isinstance(place, Path):
        return f"Is it up there, and does a firewall let this host through? {error.advice}"
    if place.exists():
        return f"{place} is there, and nobody listens, or not to you: `systemctl status qhub-broker`; the socket's mode is to be 0666."
    return error.advice


def _clock(ahead_s: float) -> Finding:
    if abs(ahead_s) > CLOCK_S:
        told = f"The clocks of this machine and of the broker differ by {abs(ahead_s):.0f} s."
        return Finding("warning", told, "NTP on both; MUNGE refuses whoever is off by minutes.")
    return Finding("ok", f"The broker's clock agrees to within {CLOCK_S:.0f} s.")


def _devices(devices: Any, settings: Settings) -> Iterator[Finding]:
    names = [str(device["name"]) for device in devices]
    for device in devices:
        if trouble := device.get("trouble"):
            yield Finding(
                "warning", f"At the broker, {device['name']} is in trouble: {trouble}", "`qhub broker status`"
            )
        elif device.get("drained") is not None:
            note = f": {device['drained']}" if device["drained"] else ""
            yield Finding(
                "warning",
                f"At the broker, {device['name']} is drained{note}.",
                f"`qhub broker resume {device['name']}`, by an operator.",
            )
    if settings.broker.own is not None:
        yield Finding("ok", f"It serves {', '.join(names) or 'no device yet'}, and takes others as tasks name them.")
    elif settings.device not in names:
        yield Finding(
            "warning",
            f"The broker does not serve the default device {settings.device}.",
            f"It serves {', '.join(names) or 'none'}: name one with --device, or set `device`.",
        )
    else:
        yield Finding("ok", f"It serves {', '.join(names)}.")


def _mine(settings: Settings, place: Place, *, same_version: bool) -> Iterator[Finding]:
    asked: dict[str, str] = {"profile": settings.profile}
    site = settings.site_of("qpu")
    if site == "slurm" and (tier := settings.slurm.tiers.get("qpu")) is not None:
        given = {"qos": tier.qos.get(settings.profile), "partition": tier.partition, "account": tier.account}
        asked |= {name: value for name, value in given.items() if value}
    try:
        found: Mapping[str, Any] = ask_broker(place, "GET", f"/v1/me?{urlencode(asked)}", timeout_s=ANSWER_S)
    except PreflightError as error:  # an older broker has no such address
        yield Finding("failure" if same_version else "warning", error.message, error.advice)
        return
    except QhubError as error:
        yield Finding("failure", error.message, error.advice)
        return
    me = getpass.getuser()
    if found["user"] != me:
        yield Finding(
            "warning",
            f"The broker knows you as {found['user']}, this machine as {me}.",
            "Is the file in broker.token_file yours?" if settings.broker.token_file else "Do both have the same users?",
        )
    if (site == "slurm") != (found["jobs"] == "slurm"):
        yield Finding(
            "failure",
            f"Jobs go to the site {site!r}, and the broker {_BELIEVES[found['jobs']]}.",
            f"Start it {'with' if site == 'slurm' else 'without'} --slurm.",
        )
    whose = ", ".join(f"{name} {value}" for name, value in asked.items() if name != "profile")
    by, orders = f" ({whose})" if whose else "", ", and you may give orders" if found["operator"] else ""
    yield Finding(
        "ok",
        f"Your tasks there have the profile {found['profile']}{by}{orders}.",
        facts={"profile": str(found["profile"]), "user": str(found["user"])},
    )
    if found["profile"] != settings.profile:
        yield Finding(
            "warning",
            f"Your jobs ask for the profile {settings.profile}, and the broker's rules give them {found['profile']}.",
            f"slurm.tiers.qpu.qos is to name a QOS that [[broker.rules]] leads to {settings.profile}.",
        )
