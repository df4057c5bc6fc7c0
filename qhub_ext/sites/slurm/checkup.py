"""What `qhub doctor` says of a Slurm cluster: each setting held against the live cluster, and what to mend."""

from __future__ import annotations

from qhub_ext.settings import Settings
from qhub_ext.sites.scheduler import Finding
from qhub_ext.sites.slurm.commands import Commands


def examine(commands: Commands, settings: Settings, user: str) -> list[Finding]:
    answer = commands.run("scontrol", "ping")
    return [Finding("ok" if answer.ok else "failure", answer.output.strip())]
