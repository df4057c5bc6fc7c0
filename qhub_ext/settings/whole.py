"""All of `qhub.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field

from qhub_ext.settings.broker import BrokerSettings
from qhub_ext.settings.devices import PreflightSettings, QpuSettings
from qhub_ext.settings.jobs import (
    CaptureSettings,
    LimitSettings,
    ProfileSettings,
    RuntimeSettings,
    Share,
    TelemetrySettings,
)
from qhub_ext.settings.section import Folder, Section
from qhub_ext.settings.sites import EmbeddedSettings, SlurmSettings, SlurmTierSettings

Tier = Literal["local", "emulation", "qpu"]


class Settings(Section):
    """`qhub.toml`, top level."""

    shelf: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("qhub")) / "jobs",
        description="Folder of the job folders, on storage that the nodes see.",
    )
    cache: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("qhub")),
        description="Indexes that can be rebuilt at any time.",
    )
    site: str = Field(default="embedded", description="Name of the site scheduler.")
    sites: dict[Tier, str] = Field(
        default_factory=dict,
        description="Tier -> site scheduler of its jobs, where it is not `site`. QHUB_SITE and --site stand above it.",
    )
    tier: Tier = Field(default="local", description="Tier of a cell that names none.")
    device: str = Field(default="kingston", description="Device of a cell that names none.")
    profile: str = Field(default="development", description="Policy class of a job that names none.")
    shots: int | None = Field(
        default=None, ge=1, description="Shots of a sampler that names none; default: the device's, 4096."
    )
    embedded: EmbeddedSettings = Field(default_factory=lambda: EmbeddedSettings())
    slurm: SlurmSettings = Field(default_factory=lambda: SlurmSettings())
    qpu: QpuSettings = Field(default_factory=lambda: QpuSettings())
    broker: BrokerSettings = Field(default_factory=lambda: BrokerSettings())
    limits: LimitSettings = Field(default_factory=lambda: LimitSettings())
    capture: CaptureSettings = Field(default_factory=lambda: CaptureSettings())
    telemetry: TelemetrySettings = Field(default_factory=lambda: TelemetrySettings())
    preflight: PreflightSettings = Field(default_factory=lambda: PreflightSettings())
    runtimes: dict[str, RuntimeSettings] = Field(
        default_factory=dict,
        description="Tier -> the environment that its jobs run in; default: the interpreter of the submission.",
    )
    environments: Folder | None = Field(
        default=None,
        description="Folder of the environments that are built from locks; default: .environments on the shelf.",
    )
    profiles: dict[str, ProfileSettings] = Field(
        default_factory=dict, description="Profile -> what it gives a job, such as seconds of QPU."
    )

    def site_of(self, tier: str | None) -> str:
        """Where jobs of this tier are queued; of the tier of a cell that names none for None."""
        return self.sites.get(tier or self.tier, self.site)  # type: ignore[call-overload]  # any other name has no site of its own

    def share_of(
        self, usual: SlurmTierSettings, time_s: int | None = None, cpus: int | None = None, memory_mb: int | None = None
    ) -> Share:
        """What a job gets that asks for these: else what is usual in its tier, else the limits; no longer than both allow."""
        wanted_s = time_s or usual.time_s or self.limits.time_s
        return Share(
            min(wanted_s, self.limits.time_max_s, usual.time_max_s or wanted_s),
            cpus or usual.cpus or 1,
            memory_mb or usual.memory_mb or self.limits.memory_mb,
        )

    @property
    def all_sites(self) -> list[str]:
        """`site` first, then those that a tier has for itself."""
        return list(dict.fromkeys((self.site, *self.sites.values())))
