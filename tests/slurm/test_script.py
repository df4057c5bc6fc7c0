"""What is handed to Slurm: the script and the arguments, as snapshots and by rule."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from qhub_ext.capture.request import Request
from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.job.spec import Element, JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service import JobService
from qhub_ext.settings import Settings, SlurmDeviceSettings, SlurmSettings, SlurmTierSettings
from qhub_ext.sites.slurm.options import SITE_OPTIONS, arguments, ask, job_name, ranges
from qhub_ext.sites.slurm.script import render_dispatcher, render_script

ID = "01kayt4w2-7qm3xd"


def spec(**changes: Any) -> JobSpec:
    usual = {"id": ID, "name": "Bell pair", "tier": "qpu", "device": "kyiv", "created_at": 0.0, "owner": "me"}
    return JobSpec(**{**usual, "python": "/opt/py thon/bin/python3", **changes})


SITE = SlurmSettings(
    prologue=("module load python/3.11",),
    launcher=("apptainer", "exec", "/images/q hub.sif"),
    tiers={
        "qpu": SlurmTierSettings(
            partition="quantum", qos={"production": "qprod"}, account="physics", time_max_s=1800, reservation="cal"
        )
    },
    devices={"kyiv": SlurmDeviceSettings(gres="qpu:fake_kyiv:1", licenses="qpu_cloud:1")},
)


def test_the_script_of_a_job(snapshot: SnapshotAssertion) -> None:
    made = spec(profile="production", cpus=2, memory_mb=4096)
    assert render_script(JobFolder(Path(f"/shared/alice's jobs/{ID}")), made, SITE) == snapshot


def test_the_script_without_any_setting(snapshot: SnapshotAssertion) -> None:
    assert render_script(JobFolder(Path(f"/shared/{ID}")), spec(), SlurmSettings()) == snapshot


def test_the_script_of_an_array(snapshot: SnapshotAssertion) -> None:
    assert render_dispatcher(JobFolder(Path(f"/shared/{ID}")), 1000) == snapshot


def test_the_script_is_bash_and_every_command_of_ours_has_a_comment_before_it() -> None:
    text = render_script(JobFolder(Path(f"/shared/{ID}")), spec(), SITE)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    lines = text.splitlines()
    commands = [n for n, line in enumerate(lines) if line and not line.startswith(("#", " ", "rm -f", "ln "))]
    assert all(lines[n - 1].startswith("#") for n in commands)
    assert (
        lines[-1]
        == f"exec apptainer exec '/images/q hub.sif' '/opt/py thon/bin/python3' -m qhub_ext.runner /shared/{ID}"
    )


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_a_name_is_harmless_in_script_and_arguments(name: str) -> None:
    made = spec(name=name)
    words = arguments(made, ask(made, SITE))
    assert all(word.startswith("--") for word in words)
    assert job_name(made).endswith(f".{ID}")
    assert set(job_name(made)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    first = render_script(JobFolder(Path("/x")), made, SITE).partition("# Every file")[2]
    assert first == render_script(JobFolder(Path("/x")), spec(name="other"), SITE).partition("# Every file")[2]


@pytest.mark.parametrize("option", SITE_OPTIONS)
def test_a_value_that_looks_like_an_option_stays_a_value(option: str) -> None:
    made = spec(site_options={option: "--wrap=rm -rf ~"})
    words = arguments(made, ask(made, SITE))
    assert f"{SITE_OPTIONS[option]}=--wrap=rm -rf ~" in words
    assert not any(word.startswith("--wrap") for word in words)


def test_what_exactly_once_relies_on_cannot_be_chosen() -> None:
    for option in (
        "job-name",
        "comment",
        "output",
        "wrap",
        "export",
        "signal",
        "dependency",
        "array",
        "time",
        "uid",
        "clusters",
    ):
        with pytest.raises(UnknownNameError, match=option):
            ask(spec(site_options={option: "x"}), SITE)
    with pytest.raises(InvalidOptionError):
        ask(spec(site_options={"account": "a\n#SBATCH --uid=0"}), SITE)


def test_an_element_is_part_of_its_array_and_a_dependency_is_one_word() -> None:
    made = spec(id=f"{ID}.3", element=Element(ID, 3), after=("x",), site_options={"array-running": "4"})
    words = arguments(made, ask(made, SITE), after=["12", "13_4"], elements=range(500))
    assert "--array=0-499%4" in words
    assert "--dependency=afterok:12,afterok:13_4" in words
    assert "--kill-on-invalid-dep=yes" in words
    assert f"--comment=qhub {ID} qpu kyiv" in words
    assert ranges([7, 0, 1, 2]) == "0-2,7"


def test_a_short_job_gets_time_to_seal_and_the_sites_own_limit_is_kept() -> None:
    assert ask(spec(time_s=60), SlurmSettings()).limit_min == 3
    assert ask(spec(time_s=3600), SlurmSettings()).limit_min == 60
    assert ask(spec(time_s=3600), SITE).limit_min == 30
    asked = ask(spec(time_s=3600), SlurmSettings())
    assert (asked.signal_s, asked.time_up_s) == (60, 3480)
    assert "--signal=B:TERM@60" in arguments(spec(), asked)


def test_a_heterogeneous_job_has_further_components_behind_a_colon() -> None:
    made = spec(site_options={"hetero": "partition=qpu;licenses=qpu_cloud%3A1"})
    words = arguments(made, ask(made, SITE))
    assert words[words.index(":") :] == [":", "--partition=qpu", "--licenses=qpu_cloud:1"]
    assert shlex.join(words)


def test_a_dry_run_shows_the_script_with_what_would_be_asked_of_slurm(tmp_path: Path) -> None:
    service = JobService(Settings(shelf=tmp_path / "shelf", cache=tmp_path / "cache", site="slurm", slurm=SITE))
    draft = service.draft(Request(tier="qpu", device="kyiv", time_s=900, name="Bell pair"), "pass", {})
    text = service.script(draft)
    assert f"--job-name=Bell-pair.{draft.spec.id}" in text
    for word in ("--partition=quantum", "--licenses=qpu_cloud:1", "--gres=qpu:fake_kyiv:1", "--time=15"):
        assert word in text
    assert not (tmp_path / "shelf").exists()
