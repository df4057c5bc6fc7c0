"""What stands between a cell and its prompt: one sbatch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.job.state import State
from qhub_ext.service import JobService
from qhub_ext.sites.slurm.commands import Commands, Running
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import slurm_workshop


def test_a_submission_is_one_sbatch_and_the_card_behind_it_no_question(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    start = Commands.start

    def counted(self: Commands, name: str, *words: str, **options: Any) -> Running:
        ran.append(name)
        return start(self, name, *words, **options)

    monkeypatch.setattr(Commands, "start", counted)
    with slurm_workshop(tmp_path, poll_s=20.0, poll_max_s=60.0) as bench:
        service = JobService(bench.settings)
        job = service.submit(service.draft(Request(tier="local", time_s=60), "pass", {}))
        assert job.record.state is State.QUEUED
        assert "queued" in job._repr_mimebundle_()[0]["text/plain"]
        assert [summary.id for summary in service.jobs()] == [job.id]
        assert ran == ["sbatch"]
