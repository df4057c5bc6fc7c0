"""What somebody asks of a job, by line, by program or by front end: only what was said, in our units.

Defaults are the service's to fill in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from qhub_ext.capture.sweep import Sweep, elements


@dataclass(frozen=True)
class Request:
    """What a line asked for; None or empty where it said nothing. `time_s` in s, `memory_mb` in MiB."""

    tier: str | None = None
    device: str | None = None
    site: str | None = None
    profile: str | None = None
    shots: int | None = None
    seed: int | None = None
    time_s: int | None = None
    sweeps: tuple[Sweep, ...] = ()
    after: tuple[str, ...] = ()
    wait: bool = False
    dry_run: bool = False
    cold: bool = False
    profile_classical: bool = False
    profile_sampled: bool = False
    name: str | None = None
    inputs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    outputs: tuple[str, ...] | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    account: str | None = None
    partition: str | None = None
    site_options: dict[str, str] = field(default_factory=dict)
    variable: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Only what was asked for, JSON-ready: for the record of the job and for a notebook's own defaults."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "sweeps":
                value = {sweep.name: list(sweep.values) for sweep in value}
            if value or (value is not None and value is not False and not isinstance(value, (tuple, dict))):
                found[each.name] = list(value) if isinstance(value, tuple) else value
        return found

    @property
    def tiers(self) -> tuple[str | None, ...]:
        """`--tier local,emulation` asks for one job per tier."""
        return tuple(self.tier.split(",")) if self.tier else (None,)

    def over(self, chosen: Mapping[str, Any]) -> Request:
        """The same request, with what a notebook has chosen where the line says nothing."""
        return replace(self, **{key: value for key, value in chosen.items() if getattr(self, key) in (None, ())})

    @property
    def elements(self) -> list[dict[str, Any]]:
        """The values that each element of the array sees; empty for an ordinary job."""
        return elements(self.sweeps)
