"""How much of a site a job may use: what its line asks for, else what its tier gives there, within what the site allows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from qhub_ext.display.words import limit
from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.memory import machine_memory_mb

if TYPE_CHECKING:
    from qhub_ext.capture.request import Request
    from qhub_ext.settings import Settings, Share


def measure(request: Request, tier: str, site: str, settings: Settings) -> Share:
    """Raises InvalidOptionError for more than the site allows."""
    usual = settings.slurm.tier(tier if site == "slurm" else None)
    at = f"slurm.tiers.{tier}"
    _within("--cpus", request.cpus, str, usual.cpus_max, f"{at}.cpus_max")
    _within("--memory", request.memory_mb, _mib, usual.memory_max_mb, f"{at}.memory_max_mb")
    if site == "embedded":
        _within("--memory", request.memory_mb, _mib, machine_memory_mb(), "")
    _within("--time", request.time_s, limit, settings.limits.time_max_s, "limits.time_max_s")
    _within("--time", request.time_s, limit, usual.time_max_s, f"{at}.time_max_s")
    share = settings.share_of(usual, request.time_s, request.cpus, request.memory_mb)
    if site == "embedded" and share.memory_mb is None:
        share = replace(share, memory_mb=memory_share_mb(share.cpus, settings.embedded.cpus))
    return share


def _mib(count: int) -> str:
    return f"{count} MiB"


def _within(option: str, wanted: int | None, told: Callable[[int], str], most: int | None, setting: str) -> None:
    if wanted is None or most is None or wanted <= most:
        return
    who = "this site allows" if setting.startswith("limits") else f"{setting.rpartition('.')[0]} allows"
    raise InvalidOptionError(
        f"{option} asks for {told(wanted)}; {who} {told(most)} at most."
        if setting
        else f"{option} asks for {told(wanted)}; this computer has {told(most)}.",
        advice=f"Ask for less, or raise {setting} in qhub.toml." if setting else "Ask for less.",
    )


def memory_share_mb(cpus: int, total_cpus: int | None) -> int:
    """The job's CPUs' share of the machine's memory, in MiB, a tenth of it left to everything else."""
    everyone = total_cpus or os.cpu_count() or 1
    return max(512, int(machine_memory_mb() * 0.9 * min(1.0, cpus / everyone)))
