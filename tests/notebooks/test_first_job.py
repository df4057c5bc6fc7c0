"""The main job: the notebook runs from a clean kernel, and every line of its table is as expected."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from qhub_ext.job.context import TIERS
from qhub_ext.service import JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.sites.workshop import Workshop, sweep_up

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_notebook_runs_on_three_tiers_and_gives_what_is_known(tmp_path: Path) -> None:
    keep = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "notebooks/run.py", "notebooks/01-first-job.ipynb", "--keep", str(keep)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    settings = load_settings({"QHUB_CONFIG": str(keep / "qhub.toml")}, [keep / "qhub.toml"])
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [line for line in done.stdout.splitlines() if "✓ completed" in line]
        assert {tier: sum(f" {tier} " in line for line in lines) for tier in TIERS} == dict.fromkeys(TIERS, 9)
        assert "✗" not in done.stdout
        executed = nbformat.read(keep / "01-first-job.ipynb", as_version=4)
        assert any("image/png" in o.get("data", {}) for cell in executed.cells for o in cell.get("outputs", []))
        # a tidy notebook: nothing on standard error
        stray = [o.text for c in executed.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
        assert stray == []
    finally:
        service = JobService(settings)
        jobs = [service.job(i) for i in service.shelf.ids()]
        with contextlib.suppress(FileNotFoundError):
            os.kill(json.loads((keep / "virtual-qpu" / "server.json").read_text())["pid"], signal.SIGTERM)
        sweep_up(Workshop(settings, EmbeddedSite(settings), [j.folder for job in jobs for j in (job, *job.elements)]))
