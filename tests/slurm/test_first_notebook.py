"""The demo notebook on the site: not a word of it changes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_notebook_runs_unchanged_on_slurm(cluster: Cluster, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "notebooks/run.py", "notebooks/01-first-job.ipynb", "--keep", str(tmp_path / "demo")],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("QHUB_")},
            "SLURM_CONF": cluster.environment["SLURM_CONF"],
            "QHUB_SITE": "slurm",
            "QHUB_SLURM_POLL_S": "1",
            "QHUB_QPU_VIRTUAL": "always",
        },
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    with contextlib.suppress(FileNotFoundError):
        os.kill(json.loads((tmp_path / "demo" / "virtual-qpu" / "server.json").read_text())["pid"], signal.SIGTERM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓ completed") == 27, done.stdout
    assert "✗" not in done.stdout
    comments = cluster.ask("squeue", "--noheader", "--states=all", "--format=%k").split()
    jobs = {path.name for path in (tmp_path / "demo" / "jobs").iterdir() if (path / "spec.json").exists()}
    assert len(jobs) >= 13
    assert jobs <= set(comments), "all of them were Slurm's"
