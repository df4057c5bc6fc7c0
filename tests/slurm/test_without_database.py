"""A cluster without slurmdbd: no sacct, no accounts, no QOS. What became of a job is in its folder and, for a while, in slurmctld."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.service import JobService
from qhub_ext.sites.slurm import endings, ledger
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.plain import bench, cluster
from tests.slurm.test_exactly_once import let_a_minute_go_by, queued
from tests.waiting import wait_until

__all__ = ["bench", "cluster"]


def test_a_cell_goes_and_comes_back(bench: SlurmWorkshop) -> None:
    service = JobService(bench.settings)
    job = service.submit(service.draft(Request(tier="local", time_s=60), "answer = 6 * 7", {}))
    wait_until(lambda: job.record.state.final, what="its end")
    assert job.record.state is State.COMPLETED
    assert job.result()["answer"] == 42


def test_ends_are_told_apart_by_what_slurmctld_remembers(bench: SlurmWorkshop, cluster: Cluster) -> None:
    failed = bench.submit("echo 'no such thing'; exit 3")
    stopped = bench.submit("sleep 600")
    bench.until_running(stopped)
    cluster.ask("scancel", bench.site.find([stopped.id])[stopped.id])
    first, second = bench.until_final(failed, stopped)
    assert first.state is State.FAILED
    assert "exit code 3" in first.attempt.message
    assert "no such thing" in first.attempt.message
    assert second.state is State.CANCELLED


def test_the_verbs_work_and_a_second_attempt_has_its_history(bench: SlurmWorkshop) -> None:
    job = bench.submit('[ "$QHUB_ATTEMPT" = 2 ] || sleep 600; seal completed')
    bench.until_running(job)
    assert bench.site.requeue([job.id]) == []
    (record,) = bench.until_final(job)
    stopped, done = [(a.state, a.cause) for a in record.attempts]
    # with no accounting, a node that forgets the first attempt before anybody looked leaves no word of its end
    assert stopped in [(State.CANCELLED, Cause.USER), (State.LOST, Cause.UNKNOWN)]
    assert done == (State.COMPLETED, None)
    held = bench.submit("true", site_options={"hold": "yes"})
    wait_until(lambda: bench.reported(held) is State.HELD, what="the hold")
    assert bench.site.explain_reason(held.id).word == "JobHeldUser"
    assert bench.site.cancel([held.id]) == []
    assert bench.until_final(held)[0].state is State.CANCELLED


def test_a_full_node_is_explained_and_a_start_is_estimated(bench: SlurmWorkshop) -> None:
    bench.until_running(bench.submit("sleep 600", cpus=2, time_s=600))
    job = bench.submit("true", cpus=2, time_s=600)
    reason = wait_until(
        lambda: (r := bench.site.explain_reason(job.id)).word == "Resources" and r, what="the reason Resources"
    )
    assert "2 of 2 CPUs" in reason.sentence
    estimate = bench.site.estimate(job.id)
    assert estimate.latest is not None
    assert [entry.position for entry in bench.site.queue()] == [None, 1]


def test_what_slurmctld_has_forgotten_is_told_by_the_folder_or_called_lost(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "LOST_AFTER_S", 2.0)
    with cluster.configured(min_job_age_s=2), slurm_workshop(tmp_path, database=False) as bench:
        sealed, silent = bench.job("seal completed"), bench.job("exit 1")
        ids = bench.site.submit([sealed, silent])
        numbers = ",".join(ids.values())
        wait_until(lambda: not cluster.ask("squeue", "-h", "-t", "all", "-j", numbers).strip(), what="the purge")
        site = type(bench.site)(bench.settings)
        assert "awaited" in site.poll([sealed.id, silent.id])[silent.id].message
        assert not bench.state(silent).final
        one, two = bench.until_final(sealed, silent)
        assert one.state is State.COMPLETED
        assert two.state is State.LOST
        assert "requeue" in two.attempt.advice


def test_a_lost_answer_is_found_in_the_folder_when_slurmctld_has_forgotten_the_job(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "LOST_AFTER_S", 2.0)
    with cluster.configured(min_job_age_s=2), slurm_workshop(tmp_path, database=False) as bench:
        job = bench.job("echo once >> ledger; exit 1")
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "write_place", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                bench.site.submit([job])
        # a launch that gets lost is put back for two minutes
        wait_until(lambda: (job.path / "ledger").exists(), within_s=300, what="its run")
        (number,) = queued(cluster, job)
        wait_until(lambda: not queued(cluster, job), what="the purge")
        let_a_minute_go_by(job)
        site = type(bench.site)(bench.settings)
        assert site.submit([job]) == {job.id: number}
        bench.until_final(job)
        assert (job.path / "ledger").read_text() == "once\n"


def test_the_doctor_says_what_is_missing_and_finds_nothing_wrong(bench: SlurmWorkshop) -> None:
    findings = bench.site.doctor()
    assert [f.what for f in findings if f.level == "failure"] == []
    (said,) = [f.what for f in findings if f.level == "warning"]
    assert "no slurmdbd" in said
    assert "MinJobAge" in said
