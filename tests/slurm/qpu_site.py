"""A cluster whose operator has installed the prologue of the package, and a virtual QPU that it gives to jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.qpu.conftest import VirtualQpu
from tests.slurm.cluster import Cluster
from tests.waiting import wait_until

QCS = "ibm-quantum-compute-service"


@pytest.fixture
def qpu_site(cluster: Cluster, given_device: VirtualQpu) -> Iterator[Cluster]:
    """A cluster whose operator has installed the prologue: the licence qpu_cloud and the node's qpu stand for kingston."""
    configuration = cluster.configuration
    resources = [{"name": "kingston", "type": QCS, "environment": given_device.config}]
    configuration.qpu_names.write_text(
        json.dumps(
            {"licenses": {"qpu_cloud": ["kingston"], "aer_gpu": ["gone"]}, "gres": {"qpu:fake_kyiv": ["kingston"]}}
        )
    )
    configuration.qrmi_config.touch(mode=0o600)
    configuration.qrmi_config.write_text(json.dumps({"resources": resources}))
    try:
        yield cluster
    finally:
        cluster.cancel_all()
        wait_until(lambda: not cluster.ask("squeue", "-h", "-o", "%i").strip(), what="an empty queue")
        configuration.qrmi_config.unlink()
        configuration.qpu_names.unlink()
