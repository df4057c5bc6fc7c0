"""One cluster for the whole test run, in the hands of a guard that takes it down however the run ends."""

from __future__ import annotations

from tests.qpu.conftest import server as given_device
from tests.slurm.fixtures import bench, cluster, slurm_cluster
from tests.slurm.qpu_site import qpu_site
from tests.slurm.wrappers import wrap

__all__ = ["bench", "cluster", "given_device", "qpu_site", "slurm_cluster", "wrap"]
