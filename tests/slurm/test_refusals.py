"""What sbatch refuses, in plain words: what stands against it, whose move it is, and what to write instead."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import Audience, Cause, SiteError, SiteUnreachableError
from qhub_ext.job.spec import JobSpec
from qhub_ext.service import JobService
from qhub_ext.settings import Settings, SlurmSettings
from qhub_ext.sites.slurm.commands import Answer
from qhub_ext.sites.slurm.refusals import refusal_of
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster

POLICY, CODE, INTEGRATION = Cause.QUEUE_POLICY, Cause.CODE, Cause.INTEGRATION


@pytest.mark.parametrize(
    ("errors", "chosen", "told", "advice", "cause"),
    [
        ("Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)", {}, "it asks for 600 s, and its partition or QOS allows less", "--time", POLICY),
        ("Memory specification can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available", {}, "(2000 MiB)", "--memory", POLICY),
        ("CPU count per node can not be satisfied\nsbatch: error: Batch job submission failed: Requested node configuration is not available", {}, "no node of its partition has 3 CPUs for one job", "--cpus", POLICY),
        ("Batch job submission failed: Requested reservation is invalid", {"reservation": "cal"}, "its reservation 'cal' does not exist, or has ended", "scontrol show reservation", POLICY),
        ("Batch job submission failed: Invalid license specification", {"licenses": "x:9"}, "the licences 'x:9', or not so many", "scontrol show licenses", CODE),
        ("Batch job submission failed: Invalid license specification", {}, "the licences, or not so many", "qhub doctor", INTEGRATION),
        ("Batch job submission failed: Required partition not available (inactive or drain)", {}, "takes no jobs at the moment", "another --partition", POLICY),
        ("Invalid --begin specification", {"begin": "garbage"}, "Invalid --begin specification", "qhub doctor", CODE),
        ("Batch job submission failed: Something that nobody has heard of", {}, "Something that nobody has heard of. It asks for 3 CPUs and 2000 MiB for 600 s.", "qhub doctor", INTEGRATION),
    ],
)  # fmt: skip
def test_slurms_words_are_told_plainly_with_what_to_do(
    errors: str, chosen: dict[str, str], told: str, advice: str, cause: Cause
) -> None:
    spec = JobSpec(id="x", name="x", tier="local", device="", created_at=0.0, owner="")
    asked = {**vars(spec), "cpus": 3, "memory_mb": 2000, "time_s": 600, "site_options": chosen}
    error = refusal_of(JobSpec(**asked), Answer(1, "", f"sbatch: error: {errors}\n", 0.1))
    assert told in error.message
    assert error.message.startswith("Slurm refused the job: ")
    assert "Nothing was queued." in error.message
    assert "Batch job submission failed" not in error.message
    assert advice in error.advice
    assert error.cause is cause


def test_what_the_cluster_refuses_is_told_with_the_name_that_was_given(cluster: Cluster, tmp_path: Path) -> None:
    service = JobService(Settings(shelf=tmp_path, cache=tmp_path / "cache", site="slurm", slurm=SlurmSettings()))
    wanted = {
        "partition=a b": "no partition 'a b'",
        "qos=gold": "QOS 'gold' does not exist or is closed to you",
        "account=a;b": "account 'a;b' does not exist",
        "reservation=cal": "reservation 'cal' does not exist, or has ended",
        "constraint=[a|b": "constraint '[a|b' names a feature",
        "licenses=qpu_cloud:x": "licences 'qpu_cloud:x', or not so many",
        "gres=gpu:1": "generic resources 'gpu:1'",
        "gres=qpu:fake_kyiv:9": "no node of its partition has all that it asks for",
        "nodes=0": "a number of nodes that its partition does not allow",
        "nodelist=nowhere": "the cluster has no such node",
        "nodelist=qpu01": "not in its partition",
        "begin=garbage": "Invalid --begin specification",
        "mem=abc": "Invalid --mem specification",
        "ntasks=0": 'Invalid numeric value "0" for --ntasks',
        "qpu=fez": "sbatch has no option --qpu here",
    }
    for option, told in wanted.items():
        name, _, value = option.partition("=")
        draft = service.draft(Request(tier="local", time_s=60, site_options={name: value}), "1", {})
        with pytest.raises(SiteError) as caught:
            service.submit(draft)
        assert not isinstance(caught.value, SiteUnreachableError)
        assert told in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.audience is Audience.YOU, option
        assert caught.value.cause in (POLICY, CODE), option
    assert service.jobs() == []


def test_commands_without_a_cluster_to_speak_to_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster is needed for that, only Slurm's own commands."""
    if shutil.which("sbatch") is None or Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("There is no sbatch here, or it has a cluster.")
    monkeypatch.delenv("SLURM_CONF", raising=False)
    settings = Settings(shelf=tmp_path / "shelf", cache=tmp_path / "cache", site="slurm")
    with pytest.raises(SiteError, match="finds no cluster from here") as refused:
        JobService(settings).run(Request(tier="local"), "1")
    assert "SLURM_CONF" in refused.value.advice
    with pytest.raises(SiteUnreachableError, match="squeue finds no cluster from here"):
        JobService(settings).queue()
    (finding,) = SlurmSite(settings).doctor()
    assert (finding.level, "finds no cluster" in finding.what) == ("failure", True)


def test_a_configuration_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm itself looks for it for a minute."""
    monkeypatch.setenv("SLURM_CONF", "/no/such/slurm.conf")
    said = "sbatch: error: ClusterName needs to be specified\nsbatch: fatal: Unable to process configuration file\n"
    told = refusal_of(
        JobSpec(id="x", name="x", tier="local", device="", created_at=0.0, owner=""), Answer(1, "", said, 60.0)
    )
    assert told.message.startswith("sbatch cannot read /no/such/slurm.conf, which SLURM_CONF names.")
