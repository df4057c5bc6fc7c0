"""A whole notebook as one job of a real Slurm."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from qhub_ext.capture.request import Request
from qhub_ext.service import JobService
from qhub_ext.settings import Settings, SlurmSettings
from tests.slurm.cluster import Cluster


@pytest.mark.slow
def test_a_notebook_is_one_job_of_slurm_and_its_executed_copy_comes_back(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "study.ipynb"
    cells = [new_markdown_cell("# Study"), new_code_cell("x = 20\nprint('first')"), new_code_cell("%%qpu\nx + 1")]
    nbformat.write(new_notebook(cells=cells), path)
    settings = Settings(
        shelf=tmp_path / "shelf",
        cache=tmp_path / "cache",
        site="slurm",
        slurm=SlurmSettings(poll_s=0.2, poll_max_s=0.5),
    )
    service = JobService(settings)
    job = service.submit(service.draft_notebook(path, Request(tier="local")))
    record = job.wait(120)
    assert record.state == "completed", record
    assert record.attempt.phase_text == "cell 2 of 2"
    copy = nbformat.read(job.folder.attempt(1).notebook, 4)
    assert copy.cells[2].outputs[0].data["text/plain"] == "21"
    assert job["x"] == 20
    assert cluster.ask("squeue", "--noheader", "--states=all", "--format=%k").split().count(job.id) == 1
