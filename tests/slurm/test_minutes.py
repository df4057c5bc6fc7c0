"""What takes more than a minute of Slurm's, side by side: the demo notebook on the site, not a word of it changed, the end of the
shortest time limit that Slurm has, and a squeue that needs half a minute."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from tests.sites.workshop import end_virtual_qpu
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop, surroundings
from tests.slurm.wrappers import REAL, wrappers

ROOT = Path(__file__).parents[2]
POLITE = """trap 'echo "$SECONDS of $QHUB_TIME_UP_S" > why; seal timed_out; exit 0' TERM
while :; do sleep 0.1; done"""
RUDE = "trap '' TERM; while :; do sleep 0.2; done"
HALF_A_MINUTE = f'sleep 30; echo "$SECONDS" >> "$0.log"; exec {REAL}/squeue "$@"'


@dataclass(frozen=True)
class Minutes:
    bench: SlurmWorkshop
    polite: JobFolder
    rude: JobFolder
    demo: Path
    notebook: subprocess.Popen[str]
    asked: JobFolder
    reserved: JobFolder
    slow: subprocess.Popen[str]


@pytest.fixture(scope="module")
def minutes(slurm_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minutes]:
    """All of it under way."""
    slurm_cluster.mend()
    folder = tmp_path_factory.mktemp("minutes")
    with slurm_workshop(folder, cpus=2, time_max_s=60, signal_s=15) as bench:
        assert isinstance(bench, SlurmWorkshop)
        polite, rude = (bench.submit(script, time_s=1) for script in (POLITE, RUDE))
        # of a tier without the minute that the two others have
        asked = bench.submit(
            "exec sleep 600", tier="emulation", site="slurm", time_s=1200, site_options={"partition": "narrow"}
        )
        bench.until_running(asked)
        words = ("starttime=now", "duration=1", "users=root", "nodes=qpu01", "flags=ignore_jobs")
        slurm_cluster.ask("scontrol", "create", "reservation", "reservationname=minute", *words)
        reserved = bench.cell(
            *("import time\ntime.sleep(600)",),
            tier="emulation",
            site="slurm",
            time_s=61,
            grace_s=10,
            site_options={"partition": "qpu", "reservation": "minute"},
        )
        bench.site.submit([reserved])
        slow = subprocess.Popen(
            [sys.executable, "-m", "qhub_ext.cli", "job", asked.id],
            env=surroundings(
                slurm_cluster,
                bench.settings,
                cache=str(folder / "other-cache"),
                slurm_commands=str(wrappers(folder / "bin", squeue=HALF_A_MINUTE)),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        notebook = subprocess.Popen(
            [sys.executable, "notebooks/run.py", "notebooks/01-first-job.ipynb", "--keep", str(folder / "demo")],
            cwd=ROOT,
            env=surroundings(slurm_cluster, slurm_poll_s="1", qpu_virtual="always"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Minutes(bench, polite, rude, folder / "demo", notebook, asked, reserved, slow)
        finally:
            for process in (notebook, slow):
                process.kill()
                process.communicate()
            end_virtual_qpu(folder / "demo" / "virtual-qpu")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_notebook_runs_unchanged_on_slurm(minutes: Minutes, slurm_cluster: Cluster) -> None:
    told, _ = minutes.notebook.communicate(timeout=850)
    assert minutes.notebook.returncode == 0, told
    assert told.count("✓ completed") == 27, told
    assert "✗" not in told
    comments = slurm_cluster.ask("squeue", "--noheader", "--states=all", "--format=%k").split()
    jobs = {path.name for path in (minutes.demo / "jobs").iterdir() if (path / "spec.json").exists()}
    assert len(jobs) >= 13
    assert jobs <= set(comments), "all of them were Slurm's"


@pytest.mark.slow
def test_the_time_limit_interrupts_and_the_runner_can_tell_that_it_was_the_time(minutes: Minutes) -> None:
    done, killed = minutes.bench.until_final(minutes.polite, minutes.rude, within_s=400)
    elapsed, _, time_up = (minutes.polite.path / "why").read_text().split()
    assert int(elapsed) >= int(time_up)
    assert done.state is State.TIMED_OUT
    assert killed.state is State.TIMED_OUT
    assert killed.attempt.cause == Cause.RESOURCES
    assert "time limit" in killed.attempt.message


@pytest.mark.slow
def test_a_squeue_that_needs_half_a_minute_is_waited_for_and_believed(minutes: Minutes) -> None:
    told, _ = minutes.slow.communicate(timeout=300)
    assert minutes.slow.returncode == 0, told
    assert "running" in told
    assert "cannot be reached" not in told
    waited = (Path(minutes.bench.settings.shelf).parent / "bin" / "squeue.log").read_text().split()
    assert len(waited) == 1, "and asked once"
    assert int(waited[0]) >= 30


@pytest.mark.slow
def test_a_job_whose_reservation_ended_did_not_reach_its_own_time_limit(minutes: Minutes) -> None:
    (record,) = minutes.bench.until_final(minutes.reserved, within_s=300)
    assert (record.state, record.attempt.cause) == (State.TIMED_OUT, Cause.QUEUE_POLICY), record.attempt
    assert "most likely its reservation 'minute' had ended" in record.attempt.message
    assert "although it was given 180 s" in record.attempt.message
