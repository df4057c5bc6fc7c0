"""Real file systems that are full: of slurmctld, of a node, of the shelf. One clear sentence, and nothing lost or doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import QhubError, SiteError, SiteUnreachableError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service import JobService
from tests.sites.workshop import SEAL
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.plain import bench, cluster
from tests.slurm.test_exactly_once import let_a_minute_go_by, queued
from tests.small_disk import fill, small_disk
from tests.waiting import wait_until

__all__ = ["bench", "cluster"]


@pytest.fixture
def small_spool(cluster: Cluster) -> Iterator[Path]:
    """Of slurmctld, which begins anew on it and goes back to the large one afterwards."""
    cluster.stop("slurmctld")
    try:
        with small_disk(cluster.root / "spool" / "ctld", 256) as disk:
            cluster.start("slurmctld")
            cluster.mend()
            yield disk
            cluster.stop("slurmctld")
    finally:
        cluster.start("slurmctld")
        cluster.mend()


def test_a_full_spool_of_slurmctld_refuses_in_one_sentence_and_the_next_try_sends_once(
    small_spool: Path, bench: SlurmWorkshop, cluster: Cluster
) -> None:
    running = bench.submit("until [ -e go ]; do sleep 0.1; done; seal completed")
    bench.until_running(running)
    fill(small_spool)
    job = bench.job("echo once >> ledger; seal completed")
    with pytest.raises(SiteError) as caught:
        bench.site.submit([job])
    assert not isinstance(caught.value, SiteUnreachableError)
    assert caught.value.message == "Slurm could not take the job in: the disk of slurmctld is full. Nothing was queued."
    assert "make room" in caught.value.advice
    assert queued(cluster, job) == []
    (running.path / "go").touch()
    (record,) = bench.until_final(running)
    assert record.state is State.COMPLETED
    (small_spool / "filler").unlink()
    bench.site.submit([job])
    bench.until_final(job)
    assert len(queued(cluster, job)) == 1
    assert (job.path / "ledger").read_text() == "once\n"


def test_a_full_spool_of_a_node_holds_the_job_which_runs_once_it_is_released(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    cluster.rest()
    with small_disk(cluster.root / "spool" / "two01", 64) as disk:
        fill(disk)
        job = bench.submit("echo once >> ledger; seal completed")
        wait_until(lambda: bench.reported(job) is State.HELD, what="the hold")
        reason = bench.site.explain_reason(job.id)
        assert "the node's disk is full" in reason.sentence
        assert reason.audience == "site"
    cluster.mend()
    assert bench.site.release([job.id]) == []
    (record,) = bench.until_final(job)
    assert record.state is State.COMPLETED
    assert (job.path / "ledger").read_text() == "once\n"


def test_a_shelf_that_fills_up_at_any_moment_of_a_submission_loses_nothing_and_doubles_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    launcher = tmp_path / "in-the-place-of-the-runner"
    launcher.write_text(f"#!/bin/bash\n{SEAL}\necho once >> ledger; seal completed\n")
    launcher.chmod(0o755)
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with (
        small_disk(shelf, 1024) as disk,
        slurm_workshop(tmp_path, database=False, launcher=[str(launcher)]) as bench,
    ):
        service = JobService(bench.settings)
        cluster.ask("scontrol", "update", "partition=wide", "state=down")  # nothing begins while the disk is full
        told: dict[int, QhubError] = {}
        for pages in range(20):
            fill(disk, leave_pages=pages)
            draft = service.draft(Request(tier="local", time_s=60), "pass", {})
            folder = JobFolder(shelf / draft.spec.id)
            try:
                service.submit(draft)
            except QhubError as error:
                told[pages] = error
            assert folder.path.exists() == (pages not in told)
            assert len(queued(cluster, folder)) == (pages not in told)
        for error in told.values():
            assert not isinstance(error, SiteUnreachableError)
            assert "nothing was" in error.message
            assert "\n" not in error.message
            assert error.advice
        assert list(told) == list(range(len(told)))
        assert 5 < len(told) < 20, "no submission met the end of the disk, or all did"
        assert not list(shelf.glob(".new-*"))
        (disk / "filler").unlink()
        jobs = [JobFolder(shelf / i) for i in service.shelf.ids()]
        assert len(jobs) == 20 - len(told)
        for job in jobs:
            let_a_minute_go_by(job)
        site = type(bench.site)(bench.settings)
        assert site.find([j.id for j in jobs]) == {j.id: queued(cluster, j)[0] for j in jobs}
        cluster.ask("scontrol", "update", "partition=wide", "state=up")
        bench.until_final(*jobs)
        assert {(job.path / "ledger").read_text() for job in jobs} == {"once\n"}


def test_a_job_is_cancelled_although_the_shelf_is_full(cluster: Cluster, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with small_disk(shelf, 1024) as disk, slurm_workshop(tmp_path, database=False) as bench:
        service = JobService(bench.settings)
        job = bench.submit("sleep 600", site="slurm")
        bench.until_running(job)
        fill(disk)
        assert service.apply("cancel", [job.id]) == []
        (number,) = queued(cluster, job)
        wait_until(
            lambda: "CANCELLED" in cluster.ask("squeue", "-h", "-t", "all", "-j", number, "-o", "%T"), what="the end"
        )
        (disk / "filler").unlink()
        (record,) = bench.until_final(job)
        assert record.state is State.CANCELLED
