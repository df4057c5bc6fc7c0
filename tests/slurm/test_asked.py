"""What a job asks for reaches Slurm: by the tier mapping, by site options, by the SPANK plugin, before its runner, in components."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service import JobService
from qhub_ext.settings import EmbeddedSettings, Settings, SlurmDeviceSettings, SlurmSettings, SlurmTierSettings
from qhub_ext.sites.slurm.accounting import endings_of
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.test_exactly_once import queued
from tests.slurm.wrappers import Wrap
from tests.waiting import wait_until


def fields(cluster: Cluster, number: str) -> dict[str, str]:
    """Of `scontrol show job`, but for a job's name, which may say anything."""
    return dict(re.findall(r"(?:^| )(\w+)=(\S*)", cluster.ask("scontrol", "-o", "show", "job", number)))


@pytest.fixture
def reservation(cluster: Cluster) -> Iterator[str]:
    said = cluster.ask(
        *("scontrol", "create", "reservation", "reservationname=cal", "starttime=now", "duration=60"),
        *("users=root", "nodes=qpu01", "flags=ignore_jobs"),
    )
    assert "created: cal" in said
    yield "cal"
    cluster.cancel_all()
    wait_until(lambda: not cluster.ask("squeue", "-h", "-o", "%i").strip(), what="an empty queue")
    cluster.ask("scontrol", "delete", "reservation=cal")


def test_every_part_of_the_tier_mapping_reaches_slurm_and_the_job_runs(
    cluster: Cluster, tmp_path: Path, reservation: str
) -> None:
    tier = SlurmTierSettings(
        partition="qpu",
        qos={"production": "production"},
        account="qhub",
        constraint="qpu",
        licenses="aer_gpu:1",
        reservation=reservation,
        time_max_s=1200,
    )
    device = SlurmDeviceSettings(gres="qpu:fake_kyiv:1", licenses="qpu_cloud:2")
    with slurm_workshop(tmp_path, tiers={"qpu": tier}, devices={"kyiv": device}) as bench:
        job = bench.submit(
            "sleep 1; seal completed", tier="qpu", device="kyiv", profile="production", cpus=2, memory_mb=500
        )
        shown = fields(cluster, queued(cluster, job)[0])
        (record,) = bench.until_final(job)
        assert record.state is State.COMPLETED
    assert {name: shown[name] for name in ("Partition", "QOS", "Account", "Features", "Reservation", "NumCPUs")} == {
        "Partition": "qpu",
        "QOS": "production",
        "Account": "qhub",
        "Features": "qpu",
        "Reservation": "cal",
        "NumCPUs": "2",
    }
    assert set(shown["Licenses"].split(",")) == {"aer_gpu:1", "qpu_cloud:2"}
    assert shown["TresPerNode"] == "gres:qpu:fake_kyiv:1"
    assert shown["MinMemoryNode"] == "500M"
    assert shown["TimeLimit"] == "00:20:00"


def test_what_a_tier_gives_a_job_that_asks_for_nothing_reaches_slurm_and_more_than_it_allows_is_refused(
    cluster: Cluster, tmp_path: Path
) -> None:
    tier = SlurmTierSettings(partition="emulation", time_s=1200, time_max_s=1800, cpus=2, cpus_max=2, memory_mb=700)
    with slurm_workshop(tmp_path, tiers={"emulation": tier}) as bench:
        service = JobService(bench.settings)
        later = {"begin": "now+600"}
        usual = service.run(Request(tier="emulation", site_options=later), "pass", {})
        less = service.run(Request(tier="emulation", time_s=660, cpus=1, memory_mb=300, site_options=later), "pass", {})
        wanted = ("TimeLimit", "NumCPUs", "MinMemoryNode", "Partition")
        shown = [fields(cluster, queued(cluster, job.folder)[0]) for job in (usual, less)]
        assert [[one[name] for name in wanted] for one in shown] == [
            ["00:20:00", "2", "700M", "emulation"],
            ["00:11:00", "1", "300M", "emulation"],
        ]
        for asked in ({"time_s": 1801}, {"cpus": 3}):
            with pytest.raises(InvalidOptionError, match=r"slurm\.tiers\.emulation allows"):
                service.run(Request(tier="emulation", **asked), "pass", {})  # type: ignore[arg-type]
        assert len(service.jobs()) == 2


def test_each_tier_goes_to_the_site_that_it_is_mapped_to(cluster: Cluster, tmp_path: Path) -> None:
    with slurm_workshop(tmp_path, tiers={"emulation": SlurmTierSettings(partition="emulation")}) as bench:
        embedded = EmbeddedSettings(directory=tmp_path / "spool", warm_kernels=0, template=False, idle_exit_s=1)
        mapped = {"site": "embedded", "sites": {"emulation": "slurm"}, "embedded": embedded}
        service = JobService(bench.settings.model_copy(update=mapped))
        here = service.run(Request(tier="local", time_s=120), "where = 'here'", {})
        held = service.run(Request(tier="emulation", time_s=120, site_options={"hold": "yes"}), "pass", {})
        assert (service.spec(here.id).site, service.spec(held.id).site) == ("embedded", "slurm")
        assert len(queued(cluster, held.folder)) == 1
        assert queued(cluster, here.folder) == []
        entries = {entry.job_id: entry for entry in service.queue()}
        assert (entries[held.id].site, entries[held.id].state) == ("slurm", State.HELD)
        assert here.wait(120).state is State.COMPLETED, str(here)
        assert service.apply("cancel", [held.id]) == []
        wait_until(lambda: held.record.state is State.CANCELLED, what="its end")


def test_site_options_stand_above_the_mapping(bench: SlurmWorkshop, cluster: Cluster) -> None:
    options = {
        "account": "qhub",
        "partition": "qpu",
        "qos": "test",
        "constraint": "qpu",
        "gres": "qpu:1",
        "licenses": "qpu_cloud:1",
        "exclude": "one01",
        "nice": "7",
        "mem-per-cpu": "300M",
        "hold": "yes",
        "requeue": "no",
    }
    job = bench.submit("true", time_s=600, memory_mb=64, site_options=options)
    shown = fields(cluster, queued(cluster, job)[0])
    wanted = {
        "Partition": "qpu",
        "QOS": "test",
        "Features": "qpu",
        "Licenses": "qpu_cloud:1",
        "TresPerNode": "gres:qpu:1",
        "ExcNodeList": "one01",
        "Nice": "7",
        "MinMemoryCPU": "300M",
        "Requeue": "0",
        "JobState": "PENDING",
        "Reason": "JobHeldUser",
    }
    assert {name: shown[name] for name in wanted} == wanted


def test_the_prologue_and_the_launcher_come_before_the_runner(cluster: Cluster, tmp_path: Path) -> None:
    launcher = tmp_path / "a launcher"
    launcher.write_text(f'#!/bin/bash\nprintf "%s\\n" "$MODULES" "$@" > "{tmp_path}/seen"\nshift\nexec "$@"\n')
    launcher.chmod(0o755)
    slurm = SlurmSettings(
        poll_s=0.2,
        prologue=('module() { export MODULES="$MODULES $*"; }', "module load 'python/3 11'", "module load qiskit"),
        launcher=(str(launcher), "image with blank.sif"),
        tiers={"local": SlurmTierSettings(partition="wide")},
    )
    service = JobService(Settings(shelf=tmp_path / "shelf", cache=tmp_path / "cache", site="slurm", slurm=slurm))
    job = service.submit(
        service.draft(Request(tier="local", time_s=120), "import os\nloaded = os.environ['MODULES']", {})
    )
    assert job.wait(120).state is State.COMPLETED, str(job)
    loaded = " load python/3 11 load qiskit"
    assert job["loaded"] == loaded
    python = service.spec(job.id).python
    words = [loaded, "image with blank.sif", python, "-m", "qhub_ext.runner", str(job.folder.path)]
    assert (tmp_path / "seen").read_text().splitlines() == words


@pytest.fixture
def spank(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("There is no C compiler to make a SPANK plugin with.")
    plugin = cluster.root / "spank_qpu.so"
    major, minor, micro = map(int, re.findall(r"\d+", cluster.ask("sbatch", "--version"))[:3])
    source = Path(__file__).parent / "data" / "spank_qpu.c"
    version = f"-DSLURM_VERSION={major << 16 | minor << 8 | micro:#x}"
    subprocess.run([compiler, "-shared", "-fPIC", version, "-o", str(plugin), str(source)], check=True)
    plugstack = cluster.configuration.etc / "plugstack.conf"
    plugstack.write_text(f"required {plugin}\n")
    yield
    plugstack.unlink()


def test_a_device_is_asked_for_with_qpu_where_the_spank_plugin_is(
    cluster: Cluster, tmp_path: Path, spank: None
) -> None:
    device = SlurmDeviceSettings(qpu="ibm_kingston")
    tier = SlurmTierSettings(partition="wide")
    with slurm_workshop(tmp_path, tiers={"qpu": tier}, devices={"kingston": device}) as bench:
        job = bench.submit('echo "$QRMI_JOB_QPU_RESOURCES" > given; seal completed', tier="qpu", device="kingston")
        other = bench.submit('echo "$QRMI_JOB_QPU_RESOURCES" > given; seal completed', tier="local")
        bench.until_final(job, other)
        assert (job.path / "given").read_text() == "ibm_kingston\n"
        assert (other.path / "given").read_text() == "\n"
        said = [f.what for f in bench.site.doctor() if "slurm.devices.kingston" in f.what]
        assert said == ["slurm.devices.kingston: sbatch takes --qpu=ibm_kingston."]


HETERO = {"hetero": "partition=qpu;licenses=qpu_cloud%3A1;gres=qpu%3Afake_kyiv%3A1"}


def numbers(cluster: Cluster, job: JobFolder) -> list[str]:
    return sorted(queued(cluster, job), key=int)


def test_a_heterogeneous_job_is_one_job_with_all_of_its_components(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(sbatch='/usr/bin/sbatch "$@" >/dev/null; echo "sbatch: error: Socket timed out" >&2; exit 1')
    job = bench.job(
        'echo "$SLURM_HET_SIZE" > size; until [ -e go ]; do sleep 0.1; done; seal completed',
        time_s=600,
        site_options=HETERO,
    )
    site.submit([job])
    first, second = numbers(cluster, job)
    assert site.find([job.id]) == {job.id: first}
    attempt = bench.until_running(job)
    assert attempt.launch.exists()
    shown = fields(cluster, second)
    assert (shown["Partition"], shown["Licenses"], shown["HetJobOffset"]) == ("qpu", "qpu_cloud:1", "1")
    assert [entry.job_id for entry in bench.site.queue()] == [job.id]
    (job.path / "go").touch()
    (record,) = bench.until_final(job)
    assert record.state is State.COMPLETED
    assert (job.path / "size").read_text() == "2\n"


def test_a_heterogeneous_job_is_cancelled_as_one_and_its_end_is_in_the_books(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    assert isinstance(bench.site, SlurmSite)
    job = bench.submit("exec sleep 600", time_s=600, site_options=HETERO)
    bench.until_running(job)
    first, second = numbers(cluster, job)
    cluster.ask("scancel", first, user="qhub-operator")
    (record,) = bench.until_final(job)
    assert record.state is State.CANCELLED
    assert "qhub-operator" in record.attempt.message
    wait_until(lambda: fields(cluster, second)["JobState"] == "CANCELLED", what="the end of the other component")
    found, _ = endings_of(bench.site._commands, [first], record.spec.created_at)
    assert [ending.state for ending in found[first]] == ["CANCELLED"]
