"""`[qpu]` and `[preflight]`: the devices of the tier qpu, and what is made of a doubtful circuit before it runs."""

from __future__ import annotations

import socket
from datetime import datetime
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field

from qhub_ext.settings.section import Folder, Section


class QpuResourceSettings(Section):
    """A quantum resource that QRMI reaches. What is secret goes into a file of its own, mode 0600."""

    type: str = Field(description="Type of QRMI, such as ibm-quantum-compute-service.")
    device: str | None = Field(default=None, description="Device that it stands for; default: the one of its name.")
    environment: dict[str, str] = Field(
        default_factory=dict, description="Keys of QRMI (QRMI_IBM_QCS_ENDPOINT ...) and values; nothing secret."
    )
    secrets: Path | None = Field(default=None, description="File of KEY=VALUE lines with its credentials, mode 0600.")


class QpuWindowSettings(Section):
    """When a device that no broker watches over is calibrated, as its provider announces it. It is told, and nothing is held back for it."""

    device: str = Field(default="", description="Device; default: all of them.")
    start: datetime = Field(description="Begin, such as 2026-12-01T03:00:00Z; without a zone it is UTC.")
    length_s: float = Field(gt=0, description="Length in seconds.")
    rule: str = Field(default="", description="Again at these moments: an iCalendar RRULE, such as FREQ=DAILY.")


class QpuSettings(Section):
    """The devices of the tier qpu. Those that the site's own job environment names come first."""

    config_file: Path | None = Field(
        default=None, description="The site's qrmi_config.json; default: /etc/slurm/qrmi_config.json where it exists."
    )
    resources: dict[str, QpuResourceSettings] = Field(default_factory=dict, description="Name -> quantum resource.")
    windows: tuple[QpuWindowSettings, ...] = Field(default=(), description="Announced calibration windows of devices.")
    virtual: Literal["embedded", "always", "never"] = Field(
        default="embedded",
        description="Sites where a virtual QPU (simulated, and says so) stands in for a device that nothing else stands for.",
    )
    virtual_directory: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_state_dir("qhub")) / "virtual-qpu" / socket.gethostname(),
        description="Folder of the virtual QPU that starts on demand.",
    )
    virtual_speed: float = Field(
        default=1.0, gt=0, description="The virtual QPU's clock: 10 makes a second on the device a tenth of one."
    )
    virtual_cycle_s: float | None = Field(
        default=None,
        ge=1,
        description="Seconds of its own clock after which the virtual QPU is calibrated, for ten minutes of that clock.",
    )
    target_age_s: float = Field(
        default=900.0,
        ge=0,
        description="A device is asked for its calibration again when the last answer is older than so many seconds.",
    )
    stale_s: float = Field(
        default=172800.0, gt=0, description="Warn when a device's own calibration is older than so many seconds."
    )
    on_calibration_change: Literal["accept", "flag", "restart"] = Field(
        default="flag",
        description="A device that is calibrated in the middle of a task: say nothing, warn, or run the task once more.",
    )
    deadline_s: float = Field(default=60.0, gt=0, description="A call to a device is given up after so many seconds.")
    patience_s: float = Field(
        default=60.0,
        ge=0,
        description="A service that does not answer to questions about a task is asked again for so many seconds.",
    )
    poll_s: float = Field(
        default=0.05, gt=0, description="Shortest time between two questions about a task, in seconds."
    )
    poll_max_s: float = Field(
        default=5.0, gt=0, description="Longest time between two questions about a task, in seconds."
    )

    def virtual_at(self, site: str) -> bool:
        return self.virtual == "always" or self.virtual == site


class PreflightSettings(Section):
    """What is made of a doubtful circuit before it runs, on every tier."""

    dead: Literal["warn", "refuse"] = Field(
        default="warn", description="A circuit with gates where the device has them switched off."
    )
    stale: Literal["note", "warn", "refuse"] = Field(
        default="warn",
        description="A task for a device whose calibration is older than qpu.stale_s: a line in the record, a warning, or nothing is sent.",
    )
    success_warn: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Warn of a circuit that is less likely than this to pass a shot without an error.",
    )
    success_min: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Refuse a circuit that is less likely than this to pass a shot without an error.",
    )
