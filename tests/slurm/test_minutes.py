"""What takes more than a minute of Slurm's, side by side: the demo notebook on the site, not a word of it changed, and the end of the
shortest time limit that Slurm has."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop

ROOT = Path(__file__).parents[2]
POLITE = """trap 'echo "$SECONDS of $QHUB_TIME_UP_S" > why; seal timed_out; exit 0' TERM
while :; do sleep 0.1; done"""
RUDE = "trap '' TERM; while :; do sleep 0.2; done"


@dataclass(frozen=True)
class Minutes:
    bench: SlurmWorkshop
    polite: JobFolder
    rude: JobFolder
    demo: Path
    notebook: subprocess.Popen[str]


@pytest.fixture(scope="module")
def minutes(slurm_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minutes]:
    """All of it under way."""
    slurm_cluster.mend()
    folder = tmp_path_factory.mktemp("minutes")
    with slurm_workshop(folder, cpus=2, time_max_s=60, signal_s=15) as bench:
        assert isinstance(bench, SlurmWorkshop)
        polite, rude = (bench.submit(script, time_s=1) for script in (POLITE, RUDE))
        notebook = subprocess.Popen(
            [sys.executable, "notebooks/run.py", "notebooks/01-first-job.ipynb", "--keep", str(folder / "demo")],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("QHUB_")},
                "SLURM_CONF": slurm_cluster.environment["SLURM_CONF"],
                "QHUB_SITE": "slurm",
                "QHUB_SLURM_POLL_S": "1",
                "QHUB_QPU_VIRTUAL": "always",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Minutes(bench, polite, rude, folder / "demo", notebook)
        finally:
            notebook.kill()
            notebook.communicate()
            with contextlib.suppress(FileNotFoundError):
                server = json.loads((folder / "demo" / "virtual-qpu" / "server.json").read_text())
                os.kill(server["pid"], signal.SIGTERM)


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
    done, killed = minutes.bench.until_final(minutes.polite, minutes.rude, within_s=150)
    elapsed, _, time_up = (minutes.polite.path / "why").read_text().split()
    assert int(elapsed) >= int(time_up)
    assert done.state is State.TIMED_OUT
    assert killed.state is State.TIMED_OUT
    assert killed.attempt.cause == Cause.RESOURCES
    assert "time limit" in killed.attempt.message
