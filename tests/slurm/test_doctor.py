"""`qhub doctor` against the live cluster: what is wrong is named, with what to write instead."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from qhub_ext.settings import Settings, SlurmDeviceSettings, SlurmSettings, SlurmTierSettings
from qhub_ext.sites.slurm import checkup, probe
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that has to wait on a busy machine is no finding here."""
    monkeypatch.setattr(probe, "PROBE_S", 120.0)


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


WRONG_TIERS = {
    "partition": (SlurmTierSettings(partition="emulatoin"), "emulatoin", "emulation, narrow"),
    "account": (SlurmTierSettings(account="astronomy"), "astronomy", "qhub"),
    "qos": (SlurmTierSettings(qos={"test": "gold"}), "gold", "production"),
    "reservation": (SlurmTierSettings(reservation="cal"), "reservation 'cal'", "ask the site"),
    "constraint": (SlurmTierSettings(constraint="fridge&qpu"), "feature 'fridge'", "They have: emulation."),
    "usual-time": (
        SlurmTierSettings(partition="qpu"),
        "names no time asks for 3600 s, and partition qpu ends jobs after 1800 s",
        "slurm.tiers.usual-time.time_max_s = 1800",
    ),
    "longest-time": (
        SlurmTierSettings(partition="qpu", time_s=60, time_max_s=7200),
        "time_max_s is 7200 s, and partition qpu ends jobs after 1800 s",
        "time_max_s = 1800",
    ),
    "cpus": (
        SlurmTierSettings(cpus=64),
        "Slurm would refuse a job of profile development with 64 CPUs",
        "Mend slurm.tiers.cpus",
    ),
    "memory": (
        SlurmTierSettings(memory_mb=900_000),
        "Slurm would refuse a job of profile development with 1 CPUs, 900000 MiB",
        "Mend slurm.tiers.memory",
    ),
}
WRONG_DEVICES = {
    "unknown-licence": (SlurmDeviceSettings(licenses="qpu_fez:1"), "qpu_fez", "aer_gpu, qpu_cloud"),
    "too-many": (SlurmDeviceSettings(licenses="qpu_cloud:9"), "9 of licence qpu_cloud", "there are 2"),
    "unknown-gres": (SlurmDeviceSettings(gres="qpu:fez:1"), "qpu:fez", "qpu:fake_kyiv"),
    "plugin": (SlurmDeviceSettings(qpu="fez"), "--qpu", "SPANK"),
}
ALL_WRONG = SlurmTierSettings(
    partition="moon", account="geology", qos={"test": "gold"}, licenses="matlab:1", reservation="cal"
)


def test_what_the_cluster_does_not_have_is_named_with_what_it_has(cluster: Cluster, tmp_path: Path) -> None:
    failures = told(
        tmp_path,
        "failure",
        array_max=50000,
        tiers={"all": ALL_WRONG, **{name: tier for name, (tier, *_) in WRONG_TIERS.items()}},
        devices={name: device for name, (device, *_) in WRONG_DEVICES.items()},
    )
    for kind, wrong in (("tiers", WRONG_TIERS), ("devices", WRONG_DEVICES)):
        for name, (_, *words) in wrong.items():
            said = [line for line in failures if line.startswith(f"slurm.{kind}.{name}:")]
            assert len(said) == 1, (name, failures)
            assert [word for word in words if word not in said[0]] == []
    said = [line for line in failures if line.startswith("slurm.tiers.all:")]
    for name in ("moon", "geology", "gold", "matlab", "cal"):
        assert len([line for line in said if f"'{name}'" in line or f" {name}" in line]) == 1, (name, said)
    assert [line for line in failures if "array_max is 50000" in line and "10000" in line]


def test_a_probe_goes_wherever_a_tier_s_jobs_go_as_they_would(cluster: Cluster, tmp_path: Path) -> None:
    said = cluster.ask(
        *("scontrol", "create", "reservation", "reservationname=kept", "starttime=now", "duration=60"),
        *("users=root", "nodes=two01", "flags=ignore_jobs"),
    )
    assert "created: kept" in said
    tiers = {
        "local": SlurmTierSettings(partition="emulation", qos={"test": "test"}),
        "emulation": SlurmTierSettings(partition="emulation", account="qhub", cpus=2),
        "qpu": SlurmTierSettings(
            partition="wide",
            account="qhub",
            constraint="wide|emulation",
            reservation="kept",
            qos={"development": "production"},
        ),
    }
    began = int(time.time())
    try:
        good = told(tmp_path, "ok", tiers=tiers)
        asked = cluster.ask("squeue", "-h", "-t", "all", "--name=qhub-probe", "-o", "%V %P %a %q %f %v").splitlines()
    finally:
        cluster.ask("scontrol", "delete", "reservation=kept")
    sees = [line for line in good if "sees the shelf" in line]
    assert len(sees) == 2, "one for local and emulation, which agree on the nodes"
    assert "(tier local and emulation) sees" in sees[0]
    assert sees[1].startswith("Node two01 (tier qpu) sees")
    assert any("has nodes for the constraint wide|emulation" in line for line in good)
    now = [line.split(maxsplit=1)[1].strip() for line in asked if epoch(line.split()[0]) >= began - 1]
    assert "wide qhub production wide|emulation kept" in now
    assert "emulation qhub test (null) (null)" in now
    assert list((tmp_path / "shelf").iterdir()) == []


def epoch(moment: str) -> float:
    """Of Slurm's local time."""
    return time.mktime(time.strptime(moment, "%Y-%m-%dT%H:%M:%S"))


def test_a_tier_whose_nodes_do_not_answer_hides_nothing_of_the_others(cluster: Cluster, tmp_path: Path) -> None:
    cluster.ask("scontrol", "update", "partition=wide", "state=down")
    tiers = {"emulation": SlurmTierSettings(partition="emulation"), "local": SlurmTierSettings(partition="wide")}
    settings = Settings(shelf=tmp_path / "shelf", slurm=SlurmSettings(tiers=tiers))
    try:
        findings = SlurmSite(settings).doctor()
    finally:
        cluster.ask("scontrol", "update", "partition=wide", "state=up")
    assert [f.what for f in findings if f.level == "failure"] == []
    said = " ".join(f.what for f in findings)
    assert "(tier emulation) sees the shelf" in said
    assert "The probe job of tier local still waited after" in said
    wait_until(lambda: "qhub-probe" not in cluster.ask("squeue", "-h", "-o", "%j"), what="the end of the probe")


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


def test_every_finding_that_is_not_good_says_what_to_mend(cluster: Cluster, tmp_path: Path) -> None:
    cluster.ask("scontrol", "update", "partition=narrow", "state=down")
    cluster.stop("slurmdbd")
    slurm = SlurmSettings(
        array_max=50000,
        timeout_s=5,
        tiers={"a": SlurmTierSettings(partition="none"), "b": SlurmTierSettings(partition="narrow", reservation="cal")},
        devices={"fez": SlurmDeviceSettings(licenses="qpu_cloud:9,none:1", gres="qpu:fez:1", qpu="fez")},
    )
    try:
        findings = SlurmSite(Settings(shelf=tmp_path / "shelf", slurm=slurm)).doctor()
    finally:
        cluster.ask("scontrol", "update", "partition=narrow", "state=up")
    bad = [f for f in findings if f.level != "ok"]
    assert len(bad) >= 8
    assert [f.what for f in bad if not f.advice] == []


def test_a_partition_that_is_down_is_a_warning(cluster: Cluster, tmp_path: Path) -> None:
    cluster.ask("scontrol", "update", "partition=wide", "state=down")
    try:
        warnings = told(tmp_path, "warning", tiers={"local": SlurmTierSettings(partition="wide")})
    finally:
        cluster.ask("scontrol", "update", "partition=wide", "state=up")
    assert "partition wide is down" in " ".join(warnings)
    assert "still waited after 0 s: The partition is closed at the moment." in " ".join(warnings)


def test_a_slurmdbd_that_is_down_is_named_and_the_rest_is_looked_at(cluster: Cluster, tmp_path: Path) -> None:
    cluster.stop("slurmdbd")
    (failure,) = told(tmp_path, "failure", timeout_s=10)
    assert "slurmdbd does not answer" in failure
    assert "jobs run without it" in failure
    assert "sees the shelf" in " ".join(told(tmp_path, "ok", timeout_s=10))


def test_a_user_without_an_account_is_told_so(cluster: Cluster, tmp_path: Path) -> None:
    slurm = SlurmSettings(tiers={"local": SlurmTierSettings(partition="wide")})
    settings = Settings(shelf=tmp_path / "shelf", slurm=slurm)
    findings = checkup.examine(Commands(None, 10), settings, "a-stranger")
    (failure,) = [f for f in findings if f.level == "failure"]
    assert "a-stranger has no account on this cluster" in failure.what
    assert "association" in failure.advice


def test_a_qos_that_the_partition_does_not_admit_is_named(cluster: Cluster, tmp_path: Path) -> None:
    cluster.ask("scontrol", "update", "partition=wide", "allowqos=production")
    try:
        tier = SlurmTierSettings(partition="wide", qos={"test": "test", "production": "production"})
        (failure,) = told(tmp_path, "failure", tiers={"qpu": tier})[:1]
    finally:
        cluster.ask("scontrol", "update", "partition=wide", "allowqos=ALL")
    assert "does not admit QOS 'test'" in failure
    assert "It admits production" in failure


def test_a_shelf_that_cannot_be_written_to_is_named(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "shelf").write_text("a file where a folder should be")
    (failure,) = told(tmp_path, "failure")
    assert str(tmp_path / "shelf") in failure
    assert "Set `shelf`" in failure


def test_a_shelf_that_the_node_does_not_see_is_named(cluster: Cluster, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    # in a mount namespace of its own, this one process sees a file system that slurmd does not
    code = f"""
import json
from qhub_ext.settings import Settings, SlurmSettings
from qhub_ext.sites.slurm.site import SlurmSite
found = SlurmSite(Settings(shelf={str(shelf)!r}, slurm=SlurmSettings())).doctor()
print(json.dumps([f.what + " " + f.advice for f in found if f.level == "failure"]))
"""
    hide = f"mount -t tmpfs qhub-test {shlex.quote(str(shelf))} || exit 77; exec {shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(f"Nothing can be mounted here: {done.stderr.strip()}")
    (failure,) = json.loads(done.stdout)
    assert f"does not see {shelf}" in failure
    assert "storage that all nodes mount" in failure


@pytest.mark.parametrize(
    ("slurm", "word"),
    [
        ({"launcher": ("/no/such/apptainer", "exec")}, "/no/such/apptainer"),
        (
            {"launcher": ("env", "PYTHONPATH=/nowhere", "sh", "-c", "echo No module named qhub_ext; exit 1")},
            "No module",
        ),
        ({"prologue": ("exit 5",)}, "the prologue ended the probe job"),
    ],
)
def test_a_node_that_cannot_run_python_with_the_packages_is_named_with_its_words(
    cluster: Cluster, tmp_path: Path, slurm: dict[str, object], word: str
) -> None:
    (failure,) = told(tmp_path, "failure", **slurm)
    assert word in failure
    assert list((tmp_path / "shelf").iterdir()) == []


def test_a_clock_of_a_node_that_is_off_is_a_warning(cluster: Cluster, tmp_path: Path) -> None:
    # the node reads its clock after the prologue, which sets it for this one script
    (warning,) = told(tmp_path, "warning", prologue=("unset EPOCHREALTIME; EPOCHREALTIME=1000000000.5",))
    assert "clocks of node" in warning
    assert "NTP" in warning


def test_a_probe_that_has_to_wait_is_a_warning_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PROBE_S", 1.0)
    cluster.run("sbatch", "-p", "narrow", "-t", "2", "--wrap", "sleep 600")
    tiers = {"local": SlurmTierSettings(partition="narrow")}
    wait_until(lambda: "RUNNING" in cluster.ask("squeue", "-h", "-p", "narrow", "-o", "%T"), what="a full node")
    warnings = told(tmp_path, "warning", tiers=tiers)
    assert "still waited" in " ".join(warnings)
    assert list((tmp_path / "shelf").iterdir()) == []
    wait_until(lambda: "qhub-probe" not in cluster.ask("squeue", "-h", "-o", "%j"), what="the end of the probe")
