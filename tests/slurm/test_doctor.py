"""`qhub doctor` against the live cluster: what is wrong is named, with what to write instead."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from qhub_ext.settings import Settings, SlurmDeviceSettings, SlurmSettings, SlurmTierSettings
from qhub_ext.sites.slurm import checkup
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster


def told(tmp_path: Path, level: str, **slurm: object) -> list[str]:
    settings = Settings(shelf=tmp_path / "shelf", slurm=SlurmSettings(**slurm))  # type: ignore[arg-type]
    return [f"{f.what} {f.advice}" for f in SlurmSite(settings).doctor() if f.level == level]


def test_a_cluster_that_fits_the_settings_is_found_healthy(cluster: Cluster, tmp_path: Path) -> None:
    tier = SlurmTierSettings(partition="emulation", qos={"development": "development"}, account="qhub")
    devices = {
        "kyiv": SlurmDeviceSettings(gres="qpu:fake_kyiv:1"),
        "cloud": SlurmDeviceSettings(licenses="qpu_cloud:1"),
    }
    settings = {"tiers": {"emulation": tier}, "devices": devices}
    assert told(tmp_path, "failure", **settings) == []
    good = " ".join(told(tmp_path, "ok", **settings))
    for word in (
        "munge answers",
        "slurmctld answers",
        "clock of slurmctld agrees",
        "slurmdbd answers",
        "partition emulation",
        "QOS development",
        "qpu_cloud",
        "sees the shelf",
    ):
        assert word in good
    assert list((tmp_path / "shelf").iterdir()) == []


@pytest.mark.parametrize(
    ("slurm", "words"),
    [
        ({"tiers": {"emulation": SlurmTierSettings(partition="emulatoin")}}, ("emulatoin", "emulation, narrow")),
        ({"tiers": {"qpu": SlurmTierSettings(account="astronomy")}}, ("astronomy", "qhub")),
        ({"tiers": {"qpu": SlurmTierSettings(qos={"test": "gold"})}}, ("gold", "production")),
        ({"tiers": {"qpu": SlurmTierSettings(reservation="cal")}}, ("reservation 'cal'", "ask the site")),
        ({"devices": {"fez": SlurmDeviceSettings(licenses="qpu_fez:1")}}, ("qpu_fez", "aer_gpu, qpu_cloud")),
        ({"devices": {"fez": SlurmDeviceSettings(licenses="qpu_cloud:9")}}, ("9 of licence qpu_cloud", "there are 2")),
        ({"devices": {"fez": SlurmDeviceSettings(gres="qpu:fez:1")}}, ("qpu:fez", "qpu:fake_kyiv")),
        ({"devices": {"fez": SlurmDeviceSettings(qpu="fez")}}, ("--qpu", "SPANK")),
        ({"array_max": 50000}, ("array_max", "10000")),
    ],
)
def test_what_the_cluster_does_not_have_is_named_with_what_it_has(
    cluster: Cluster, tmp_path: Path, slurm: dict[str, object], words: tuple[str, str]
) -> None:
    failures = " ".join(told(tmp_path, "failure", **slurm))
    for word in words:
        assert word in failures


def test_a_cluster_that_is_down_is_one_finding_and_not_ten(cluster: Cluster, tmp_path: Path) -> None:
    cluster.stop("slurmctld")
    (failure,) = told(tmp_path, "failure", timeout_s=3)
    assert "slurmctld does not answer" in failure


def test_a_munge_that_is_down_is_named_instead_of_what_fails_for_lack_of_it(cluster: Cluster, tmp_path: Path) -> None:
    cluster.stop("munged")
    (failure,) = told(tmp_path, "failure", timeout_s=3)
    assert "munge does not answer" in failure
    assert str(cluster.configuration.munge_socket) in failure
    assert "Start munged" in failure


def test_a_munge_that_hangs_is_told_apart_from_a_slurmctld_that_does(cluster: Cluster, tmp_path: Path) -> None:
    cluster.freeze("munged")
    (failure,) = told(tmp_path, "failure", timeout_s=2)
    assert "munge does not answer" in failure


def test_a_clock_that_is_off_is_a_warning(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, tmp_path: Path) -> None:
    now = checkup.time.time
    monkeypatch.setattr(
        checkup, "time", SimpleNamespace(time=lambda: now() + 90, monotonic=time.monotonic, sleep=time.sleep)
    )
    (warning,) = (w for w in told(tmp_path, "warning") if "slurmctld" in w)
    assert "differ by" in warning
    assert "NTP" in warning
