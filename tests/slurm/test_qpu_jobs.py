"""A job of the tier qpu on a real Slurm: it holds the device's licence, and the site's prologue tells it how to reach the device."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.capture.command import Request
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import read_journal
from qhub_ext.service import JobService
from qhub_ext.settings import QpuSettings, Settings, SlurmDeviceSettings, SlurmSettings, SlurmTierSettings
from tests.qpu.conftest import running_server
from tests.qpu.test_jobs import CELL
from tests.slurm.cluster import Cluster


@pytest.mark.slow
def test_a_qpu_job_holds_its_licence_reads_the_prologue_s_variables_and_leaves_no_secret_behind(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(tmp_path / "virtual-qpu") as server:
        secrets = tmp_path / "kingston.env"
        secrets.touch(mode=0o600)
        # what the SPANK plugin of QRMI sets for --qpu=kingston, by the prologue of a site that has no plugin
        secrets.write_text(
            "export QRMI_JOB_QPU_RESOURCES=kingston QRMI_JOB_QPU_TYPES=ibm-quantum-compute-service\n"
            + "".join(f"export kingston_{key}={value}\n" for key, value in server.config.items())
        )
        settings = Settings(
            shelf=tmp_path / "shelf",
            cache=tmp_path / "cache",
            site="slurm",
            qpu=QpuSettings(virtual="never"),
            slurm=SlurmSettings(
                poll_s=0.1,
                poll_max_s=0.5,
                prologue=(f". {secrets}",),
                tiers={"qpu": SlurmTierSettings(partition="wide")},
                devices={"kingston": SlurmDeviceSettings(licenses="qpu_cloud:1")},
            ),
        )
        monkeypatch.setenv("QHUB_QPU_VIRTUAL", "never")
        service = JobService(settings)
        job = service.submit(service.draft(Request(tier="qpu"), CELL))
        site_id = service.site().find([job.id])[job.id]
        shown = cluster.ask("scontrol", "-o", "show", "job", site_id)
        record = job.wait(180)
        assert record.state is State.COMPLETED, str(job)
        assert sum(job["counts"].values()) == 500
        assert "Licenses=qpu_cloud:1" in shown
        (*_, last) = read_journal(job.folder.attempt(1).device_journal)
        assert (last["state"], last["resource"], last["virtual"]) == ("completed", "kingston", False)
        held = b"".join(path.read_bytes() for path in job.folder.path.rglob("*") if path.is_file())
        assert server.key not in shown
        assert server.key.encode() not in held
