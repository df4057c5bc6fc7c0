"""The prologue of the package: a job that holds a licence or a generic resource is told what QRMI's SPANK plugin would tell it, and nobody else is."""

from __future__ import annotations

import ast
import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.errors import PreflightError
from qhub_ext.settings import QpuSettings
from qhub_ext.sites.slurm import prologue
from qhub_ext.sites.slurm.prologue import MOST_S, Held, Trouble, acquired, parse_held, parse_limit, variables, wanted
from qhub_ext.tiers.qpu.resources import list_resources
from qhub_ext.tiers.qpu.standing import find_resource
from tests.qpu.conftest import VirtualQpu
from tests.slurm.cluster import Cluster
from tests.slurm.qpu_site import QCS
from tests.waiting import wait_until


def line(*values: str) -> str:
    return prologue.SEPARATOR.join([*values, ""])


@pytest.mark.parametrize(
    ("told", "held"),
    [
        (("qpu_cloud:1", "N/A", "N/A", "N/A", "N/A", "5:00"), Held(["qpu_cloud"], [], 300)),
        (
            ("a@server:2,b", "", "gres:qpu:fake_kyiv:1", "", "", "1-00:00:00"),
            Held(["a", "b"], ["qpu:fake_kyiv"], 86400),
        ),
        (("(null)", "cpu=2,gres/qpu:kingston=1", "", "", "", "2:00:01"), Held([], ["qpu:kingston"], 7201)),
        (("", "gres/qpu=1", "gres:gpu:4090:1", "", "", "UNLIMITED"), Held([], ["qpu", "gpu:4090"], MOST_S)),
    ],
)
def test_what_a_job_holds_is_read_in_the_words_of_several_versions(told: tuple[str, ...], held: Held) -> None:
    assert parse_held(line(*told)) == held


@given(st.text())
def test_whatever_squeue_says_is_read_or_is_trouble(text: str) -> None:
    with suppress(Trouble):
        parse_held(text)
    assert parse_limit(text) >= 0


def test_one_licence_or_another_is_not_guessed() -> None:
    with pytest.raises(Trouble, match="one licence or another"):
        parse_held(line("kingston:1|fez:1", "", "", "", "", "5:00"))


def test_a_name_means_itself_unless_the_operator_says_what_it_stands_for() -> None:
    names = {"licenses": {"cloud": ["ibm_fez", "ibm_torino"]}, "gres": {"qpu": ["any"], "qpu:kyiv": ["kyiv_here"]}}
    known = {"kingston": {}, "ibm_fez": {}}
    assert wanted(Held(["kingston", "matlab"], [], 1), names, known) == ["kingston"]
    assert wanted(Held(["cloud"], ["qpu:kyiv"], 1), names, known) == ["ibm_fez", "ibm_torino", "kyiv_here"]
    assert wanted(Held([], ["qpu:kingston", "gpu:a100"], 1), {"licenses": {}, "gres": {}}, known) == ["kingston"]
    assert wanted(Held([], ["qpu:other"], 1), names, known) == ["any"]


def test_the_variables_are_those_of_the_spank_plugin_and_the_tier_finds_its_resources_by_them() -> None:
    held = {
        "ibm_fez": {"type": QCS, "environment": {"QRMI_IBM_QCS_ENDPOINT": "https://x"}, "token": "t0"},
        "FRESNEL": {"type": "pasqal-cloud", "environment": {}},
    }
    told = variables("7", "1001", Held([], [], 600), held)
    assert told == {
        "QRMI_JOB_ID": "7",
        "QRMI_JOB_UID": "1001",
        "QRMI_JOB_QPU_RESOURCES": "ibm_fez,FRESNEL",
        "QRMI_JOB_QPU_TYPES": f"{QCS},pasqal-cloud",
        "SLURM_JOB_QPU_RESOURCES": "ibm_fez,FRESNEL",
        "SLURM_JOB_QPU_TYPES": f"{QCS},pasqal-cloud",
        "ibm_fez_QRMI_IBM_QCS_ENDPOINT": "https://x",
        "ibm_fez_QRMI_JOB_TIMEOUT_SECONDS": "600",
        "ibm_fez_QRMI_JOB_ACQUISITION_TOKEN": "t0",
        "FRESNEL_QRMI_JOB_TIMEOUT_SECONDS": "600",
    }
    found = list_resources(QpuSettings(), told)
    assert [(r.name, r.type, r.device, r.trouble) for r in found] == [
        ("ibm_fez", QCS, "fez", ""),
        ("FRESNEL", "pasqal-cloud", "FRESNEL", ""),
    ]


def test_a_resource_that_cannot_be_acquired_leaves_the_others_and_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    one = {"type": QCS, "environment": {}}
    assert acquired(str(tmp_path / "no python"), {"ibm_fez": one}, told) == {}
    assert told == ["ibm_fez cannot be acquired: FileNotFoundError"]
    told.clear()
    assert acquired(sys.executable, {"ibm_fez": one, "odd": {"type": "abacus", "environment": {}}}, told) == {}
    assert [sentence.partition(":")[0] for sentence in told] == ["ibm_fez cannot be acquired", "odd cannot be acquired"]


def test_a_cell_without_its_resource_ends_with_what_the_prologue_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QRMI_JOB_QPU_TROUBLE", "/etc/slurm/qrmi_config.json does not have ibm_fez.")
    with pytest.raises(
        PreflightError, match=r"The prologue of this job says: /etc/slurm/qrmi_config\.json does not have"
    ):
        find_resource("fez", QpuSettings(virtual="never"), "slurm")


@pytest.mark.parametrize("context", ["prolog_slurmd", "prolog_task", "epilog_slurmd", ""])
def test_it_never_fails_whatever_it_finds(tmp_path: Path, context: str) -> None:
    config, names, tools = tmp_path / "qrmi_config.json", tmp_path / "names.json", tmp_path / "bin"
    config.write_text('{"resources": [{"name": "kingston", "type": "x", "environment": {}}]}')
    names.write_text('{"licenses": {"cloud": 3}, "gres": []}')
    tools.mkdir()
    squeue = tools / "squeue"
    squeue.write_text(f"#!/bin/sh\nprintf '%s' '{line('cloud:1', '', '', '', '', '5:00')}'\n")
    squeue.chmod(0o755)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "7").write_text("torn")
    words = ["--config", str(config), "--names", str(names), "--state", str(tmp_path / "state")]
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_UID": "0",
        "SLURM_SCRIPT_CONTEXT": context,
    }
    done = subprocess.run(
        [sys.executable, "-I", prologue.__file__, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Traceback" not in done.stderr
    if context == "prolog_slurmd":
        told = json.loads((tmp_path / "state" / "7").read_text())
        assert list(told) == ["QRMI_JOB_QPU_TROUBLE"]
        assert told["QRMI_JOB_QPU_TROUBLE"].startswith(f"{names} cannot be read: ")


def test_it_runs_on_the_python_of_an_old_node() -> None:
    source = Path(prologue.__file__).read_text()
    ast.parse(source, feature_version=(3, 7))
    assert "qhub_ext import" not in source, "it is copied to where the package is not"


# ---------------------------------------------------------------- on the real cluster


@pytest.fixture
def open_folder(cluster: Cluster) -> Iterator[Path]:
    """Where jobs of every user may write."""
    folder = cluster.root / "run" / "written"
    folder.mkdir()
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


WAITING = "env -0 > {out}/{name}.env.new; mv {out}/{name}.env.new {out}/{name}.env; while [ ! -e {out}/go ]; do sleep 0.1; done"


def begin(site: Cluster, out: Path, name: str, user: str, *options: str) -> str:
    """A job that writes its environment and waits to be let go."""
    words = ["sbatch", "--parsable", "--output=/dev/null", "--time=5", "--account=chemistry", *options]
    said = site.ask(*words, "--wrap", WAITING.format(out=out, name=name), user=user).strip()
    assert said.isdigit(), said
    return said


def environment_of(out: Path, name: str) -> dict[str, str]:
    path = out / f"{name}.env"
    wait_until(path.exists, within_s=120, what=f"the job {name}")
    return dict(pair.split("=", 1) for pair in path.read_text().split("\0") if "=" in pair)


def qpu_variables(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if "QRMI" in name or "JOB_QPU" in name}


@pytest.mark.slow
def test_jobs_with_a_licence_or_a_generic_resource_are_told_how_to_reach_their_device_and_others_nothing(
    qpu_site: Cluster, given_device: VirtualQpu, open_folder: Path
) -> None:
    kinds = {
        "licence": ("--licenses=qpu_cloud:1", "--partition=wide"),
        "gres": ("--gres=qpu:fake_kyiv:1", "--partition=qpu"),
        # what a user may write freely is no licence
        "none": ("--partition=emulation", "--job-name=x Licenses=qpu_cloud:1", "--comment=Licenses=qpu_cloud:1"),
        "absent": ("--partition=narrow", "--licenses=aer_gpu:1"),
    }
    ids = {name: begin(qpu_site, open_folder, name, "qhub-alice", *options) for name, options in kinds.items()}
    told = {name: qpu_variables(environment_of(open_folder, name)) for name in kinds}
    assert told["none"] == {}
    assert told["absent"]["QRMI_JOB_QPU_TROUBLE"] == f"{qpu_site.configuration.qrmi_config} does not have gone."
    state = qpu_site.configuration.root / "run" / "qpu"
    assert stat.S_IMODE(state.stat().st_mode) == 0o711
    sessions = {}
    for name in ("licence", "gres"):
        sessions[name] = told[name].pop("kingston_QRMI_JOB_ACQUISITION_TOKEN")
        assert told[name].pop("QRMI_JOB_ID") == ids[name]
        assert told[name].pop("QRMI_JOB_UID").isdigit()
        assert told[name] == {
            **{f"{prefix}_JOB_QPU_RESOURCES": "kingston" for prefix in ("QRMI", "SLURM")},
            **{f"{prefix}_JOB_QPU_TYPES": QCS for prefix in ("QRMI", "SLURM")},
            **{f"kingston_{key}": value for key, value in given_device.config.items()},
            "kingston_QRMI_JOB_TIMEOUT_SECONDS": "300",
        }
        assert qpu_site.ask("cat", str(state / ids[name]), user="qhub-alice")
        assert given_device.key not in qpu_site.ask("cat", str(state / ids[name]), user="qhub-bob")
        assert given_device.key not in qpu_site.ask("cat", str(qpu_site.configuration.qrmi_config), user="qhub-alice")
        assert given_device.session(sessions[name])["state"] == "open"
    shown = qpu_site.ask("scontrol", "-dd", "show", "job") + qpu_site.ask("squeue", "-O", "ALL")
    (open_folder / "go").touch()
    wait_until(lambda: not list(state.iterdir()), within_s=120, what="the end of what the jobs were told")
    for session in sessions.values():
        assert given_device.session(session)["state"] == "closed", "the device is given back"
    logs = b"".join(path.read_bytes() for path in qpu_site.configuration.logs.rglob("*") if path.is_file())
    for place in (shown.encode(), logs):
        assert given_device.key.encode() not in place
