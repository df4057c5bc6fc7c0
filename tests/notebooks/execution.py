"""A tutorial in a clean kernel, with jobs, queue and virtual QPU of its own, and the end of all that it started."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from qhub_ext.service import JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.sites.workshop import Workshop, end_virtual_qpu, sweep_up

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


@dataclass(frozen=True)
class Execution:
    """`printed` is what `notebooks/run.py` said, `failed` whether it ended with an error, `notebook` the executed copy."""

    printed: str
    failed: bool
    notebook: nbformat.NotebookNode

    @property
    def stray(self) -> list[str]:
        """What came on standard error; a tidy notebook has nothing there."""
        outputs = (o for cell in self.notebook.cells for o in cell.get("outputs", []))
        return [o.text for o in outputs if o.get("name") == "stderr"]


def execute(notebook: Path, keep: Path, within_s: float = 850) -> Execution:
    done = subprocess.run(
        [sys.executable, "notebooks/run.py", str(notebook), "--keep", str(keep)],
        cwd=ROOT, capture_output=True, text=True, timeout=within_s, check=False,
    )  # fmt: skip
    try:
        executed = nbformat.read(keep / notebook.name, as_version=4)
        return Execution(done.stdout + done.stderr, done.returncode != 0, executed)
    finally:
        _sweep(keep)


def _sweep(keep: Path) -> None:
    settings = load_settings({"QHUB_CONFIG": str(keep / "qhub.toml")}, [keep / "qhub.toml"])
    service = JobService(settings)
    jobs = [service.job(i) for i in service.shelf.ids()]
    end_virtual_qpu(keep / "virtual-qpu")
    sweep_up(Workshop(settings, EmbeddedSite(settings), [j.folder for job in jobs for j in (job, *job.elements)]))
