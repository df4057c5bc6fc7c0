"""`[embedded]` and `[slurm]`: the site schedulers."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import platformdirs
from pydantic import Field

from qhub_ext.settings.section import Folder, Section


class EmbeddedSettings(Section):
    """The site scheduler that comes with the package."""

    directory: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_state_dir("qhub")) / "embedded" / socket.gethostname(),
        description="Folder of the queue; on this host's own disk.",
    )
    cpus: int | None = Field(
        default=None, ge=1, description="CPUs that jobs may use together; default: all that this process may use."
    )
    idle_exit_s: float = Field(
        default=600.0, gt=0, description="The daemon leaves after so many seconds with nothing to do."
    )
    template: bool = Field(
        default=True,
        description="Keep a process ready, some 30 MiB, that runners are forked from; without it each job starts a Python.",
    )
    warm_kernels: int = Field(
        default=1, ge=0, description="Job kernels kept ready with qiskit imported; each takes some 300 MiB."
    )
    warm_imports: tuple[str, ...] = Field(
        default=("numpy", "qiskit", "qiskit_aer", "qhub_ext.primitives"),
        description="What a warm kernel has imported already.",
    )


class SlurmTierSettings(Section):
    """What a job of one tier asks of Slurm unless its own site options say otherwise."""

    partition: str | None = Field(default=None, description="Partition; default: the cluster's.")
    qos: dict[str, str] = Field(default_factory=dict, description="Profile -> QOS; a profile without one names none.")
    account: str | None = Field(default=None, description="Account; default: the user's.")
    constraint: str | None = Field(default=None, description="Features that a node must have.")
    licenses: str | None = Field(default=None, description="Licences that a job holds, as NAME:N.")
    gres: str | None = Field(default=None, description="Generic resources that a job holds, as NAME:TYPE:N.")
    reservation: str | None = Field(default=None, description="Reservation that jobs run in.")
    time_s: int | None = Field(
        default=None, ge=1, description="Wall time of a job that names none, in seconds; default: limits.time_s."
    )
    time_max_s: int | None = Field(
        default=None, ge=60, description="Longest time limit that the partition or QOS allows, in seconds."
    )
    cpus: int | None = Field(default=None, ge=1, description="CPUs of a job that names none; default: 1.")
    cpus_max: int | None = Field(default=None, ge=1, description="CPUs that one job may ask for.")
    memory_mb: int | None = Field(
        default=None, ge=1, description="Memory of a job that names none, in MiB; default: limits.memory_mb."
    )
    memory_max_mb: int | None = Field(default=None, ge=1, description="Memory that one job may ask for, in MiB.")


_DEFAULT_TIER = SlurmTierSettings()


class SlurmDeviceSettings(Section):
    """What makes a device a resource of Slurm: one of these."""

    licenses: str | None = Field(default=None, description="Licences that stand for the device, as NAME:N.")
    gres: str | None = Field(default=None, description="Generic resources that stand for the device, as NAME:TYPE:N.")
    qpu: str | None = Field(default=None, description="Name for --qpu, where the SPANK plugin is installed.")


class SlurmSettings(Section):
    """A Slurm cluster as the site scheduler."""

    commands: Path | None = Field(default=None, description="Folder of sbatch, squeue and the like; default: PATH.")
    poll_s: float = Field(
        default=5.0,
        gt=0,
        description="Shortest time between two questions to Slurm, in seconds. What the site's own file says is the least for everybody.",
    )
    poll_max_s: float = Field(default=60.0, gt=0, description="Longest time between two questions, in seconds.")
    timeout_s: float = Field(
        default=60.0,
        gt=0,
        description="A command of Slurm is ended after so many seconds; on a busy cluster squeue may need half a minute.",
    )
    settle_s: float = Field(
        default=3.0, ge=0, description="After a lost answer Slurm is asked for so many seconds whether it has the job."
    )
    signal_s: int = Field(
        default=60, ge=1, description="A job is interrupted so many seconds before its time limit, to seal its results."
    )
    requeue: bool = Field(
        default=True, description="Slurm may begin a new attempt after preemption or the failure of a node."
    )
    array_max: int = Field(
        default=1000, ge=1, description="Elements of one Slurm array (below the site's MaxArraySize)."
    )
    array_running: int | None = Field(default=None, ge=1, description="Elements of one array that run at a time.")
    prologue: tuple[str, ...] = Field(
        default=(), description="Lines of bash before the runner, such as `module load python`."
    )
    launcher: tuple[str, ...] = Field(
        default=(), description="Command and arguments put before Python, such as a container's `exec IMAGE`."
    )
    tiers: dict[str, SlurmTierSettings] = Field(
        default_factory=dict, description="Tier -> partition, QOS per profile, account, resources, times and limits."
    )
    devices: dict[str, SlurmDeviceSettings] = Field(
        default_factory=dict, description="Device -> licences, generic resources or QPU name, for the tier qpu."
    )

    def tier(self, name: str | None) -> SlurmTierSettings:
        """Of none, and of one that the site says nothing of, the defaults."""
        return self.tiers.get(name or "", _DEFAULT_TIER)

    def device(self, name: str) -> SlurmDeviceSettings | None:
        """By the device's own name, also where an operator wrote the vendor's: `ibm_kingston`."""
        bare = {re.sub(r"^(ibmq?|fake)_", "", key.strip().lower()): one for key, one in self.devices.items()}
        return self.devices.get(name) or bare.get(name.lower())
