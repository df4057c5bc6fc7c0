"""A cell of the tier qpu on a real Slurm takes its turn at the broker, under the profile that the cluster gives its job."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from qhub_ext.capture.command import Request
from qhub_ext.job.state import State
from qhub_ext.service import JobService
from qhub_ext.settings import BrokerSettings, QpuSettings, Settings, SlurmSettings, SlurmTierSettings
from tests.broker.conftest import Broker
from tests.qpu.conftest import running_server
from tests.qpu.test_jobs import CELL
from tests.slurm.cluster import Cluster

SITE = """
[[broker.rules]]
partition = "wide"
profile = "test"
"""


@pytest.mark.slow
def test_a_cell_on_the_cluster_takes_its_turn_under_the_profile_of_its_job(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(tmp_path / "virtual-qpu") as server:
        site_file = tmp_path / "qhub.toml"
        site_file.write_text(SITE)
        broker = Broker(tmp_path / "broker", server, {"QHUB_CONFIG": str(site_file)}, options=("--slurm",))
        try:
            broker.start()
            monkeypatch.setenv("QHUB_BROKER_SOCKET", str(broker.socket))
            service = JobService(
                Settings(
                    shelf=tmp_path / "shelf",
                    cache=tmp_path / "cache",
                    site="slurm",
                    qpu=QpuSettings(virtual="never"),
                    broker=BrokerSettings(socket=broker.socket),
                    slurm=SlurmSettings(poll_s=0.1, poll_max_s=0.5, tiers={"qpu": SlurmTierSettings(partition="wide")}),
                )
            )
            job = service.submit(service.draft(Request(tier="qpu", profile="production"), CELL))
            record = job.wait(180)
            assert record.state is State.COMPLETED, str(job)
            assert sum(job["counts"].values()) == 500
            (used,) = broker.ask("GET", "/v1/usage")["usage"]
            assert used["profile"] == "test", "the cluster's word counts, not the cell's"
            assert used["job"] == record.site_id
            assert used["user"] == pwd.getpwuid(os.getuid()).pw_name
            held = b"".join(path.read_bytes() for path in job.folder.path.rglob("*") if path.is_file())
            assert server.key.encode() not in held
        finally:
            broker.stop()
