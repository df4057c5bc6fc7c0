"""`qhub site check` on the real cluster: every profile gets its QOS, and what the cluster forbids is no failure."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.acceptance.carry_out import check_site
from qhub_ext.acceptance.report import FAILED, NOT_ALLOWED, PASSED, Report
from qhub_ext.service import JobService
from qhub_ext.settings import Settings, SlurmSettings, SlurmTierSettings
from tests.slurm.cluster import Cluster


def verdicts(report: Report) -> dict[str, str]:
    return {result.name: result.verdict for result in report.results}


def test_a_slurm_cluster_is_checked_with_its_qos_and_says_what_it_forbids(cluster: Cluster, tmp_path: Path) -> None:
    qos = {"development": "development", "production": "production", "beamtime": "nobodys"}
    settings = Settings(
        shelf=tmp_path / "shelf", cache=tmp_path / "cache", site="slurm",
        slurm=SlurmSettings(poll_s=0.2, poll_max_s=0.5, tiers={"local": SlurmTierSettings(partition="emulation", qos=qos)}),
    )  # fmt: skip
    told: list[str] = []
    # of the time limit on Slurm, which counts in minutes, tests/slurm/test_minutes.py has its own test
    skip = ("doctor", "time-limit", "emulation", "dead-gate", "profile-test")
    report = check_site(JobService(settings), skip=skip, within_s=120.0, tell=told.append)
    came = {result.name: result for result in report.results}
    refused = {name for name, verdict in verdicts(report).items() if verdict == NOT_ALLOWED} - {*skip}
    assert refused == {"qpu", "profile-beamtime"}
    assert {name for name, verdict in verdicts(report).items() if verdict == FAILED} == set()
    assert {"local", "array", "after", "error", "cancel", "profile-production", "failing-device"} <= {
        name for name, verdict in verdicts(report).items() if verdict == PASSED
    }
    assert came["profile-production"].came == "completed; QOS production"
    assert "qos" in came["profile-beamtime"].came.lower()
    assert came["local"].site_id.isdigit()
    assert any("✓ passed: a cancel" in line for line in told)
    assert report.passed
