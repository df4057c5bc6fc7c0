"""Slurm's commands with something before or in the place of the real ones: a network, a controller or a site that misbehaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qhub_ext.settings import SlurmSettings
from qhub_ext.sites.slurm import site as site_module
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.fixtures import SlurmWorkshop

REAL = "/usr/bin"
COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sacctmgr")
LOGGED = 'echo "$*" >> "$0.log"'
"""A line that writes down what the command was asked."""

NO_CONTROLLER = 'echo "error: Unable to contact slurm controller (connect failure)" >&2; exit 1'
"""What each of them says of a slurmctld that is down."""

Wrap = Callable[..., SlurmSite]


def wrappers(folder: Path, **bodies: str) -> Path:
    """A folder of Slurm's commands, the real ones but for those of which a shell body is given."""
    folder.mkdir(exist_ok=True)
    for name in COMMANDS:
        body = bodies.get(name, f'exec {REAL}/{name} "$@"')
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


def logged(*names: str) -> dict[str, str]:
    """Bodies: the real commands, with what they were asked in `NAME.log` beside them."""
    return {name: f'{LOGGED}\nexec {REAL}/{name} "$@"' for name in names}


@pytest.fixture
def wrap(bench: SlurmWorkshop, tmp_path: Path) -> Wrap:
    """A site with such commands: `wrap(squeue="sleep 600")`."""

    def make(timeout_s: float = 5.0, settle_s: float = 1.0, place: str = "bin", **bodies: str) -> SlurmSite:
        commands = wrappers(tmp_path / place, **bodies)
        slurm = bench.settings.slurm.model_copy(
            update={"commands": commands, "timeout_s": timeout_s, "settle_s": settle_s}
        )
        assert isinstance(slurm, SlurmSettings)
        site_module._pollers.clear()
        return SlurmSite(bench.settings.model_copy(update={"slurm": slurm}))

    return make
