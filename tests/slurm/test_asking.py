"""What Slurm is asked while jobs are active, and what is told when it cannot answer then."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.capture.sweep import Sweep
from qhub_ext.errors import SiteUnreachableError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service import JobService
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop
from tests.slurm.wrappers import Wrap, logged
from tests.waiting import wait_until


def questions(site: SlurmSite, name: str) -> int:
    assert site._slurm.commands is not None
    log = site._slurm.commands / f"{name}.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_of_active_jobs_the_books_are_never_asked_and_of_ended_ones_once(bench: SlurmWorkshop, wrap: Wrap) -> None:
    site = wrap(**logged("sacct", "squeue"))
    bench.site = site
    failing = bench.submit("exit 3")
    (record,) = bench.until_final(failing)
    assert "exit code 3" in record.attempt.message
    asked = questions(site, "sacct")
    assert asked >= 1, "of one that has left the queue without a word they are"
    running = bench.submit("exec sleep 600")
    bench.until_running(running)
    waiting = bench.submit("true", cpus=2)
    squeues = questions(site, "squeue")
    wait_until(
        lambda: site.poll([running.id, waiting.id, failing.id]) and questions(site, "squeue") >= squeues + 10,
        what="ten more questions to squeue",
    )
    assert {r.state for r in site.poll([running.id, waiting.id]).values()} == {State.RUNNING, State.QUEUED}
    site.queue(), site.estimate(waiting.id), site.explain_reason(waiting.id)
    assert questions(site, "sacct") == asked


def test_of_jobs_that_are_only_active_the_books_are_not_asked_at_all(bench: SlurmWorkshop, wrap: Wrap) -> None:
    site = wrap(**logged("sacct", "squeue"))
    bench.site = site
    _array, elements = bench.array("exec sleep 600", 5)
    site.submit(elements)
    held = bench.submit("true", site_options={"hold": "yes"})
    ids = [*(element.id for element in elements), held.id]
    wait_until(
        lambda: {State.RUNNING, State.QUEUED, State.HELD} <= {r.state for r in site.poll(ids).values()},
        what="jobs in all active states",
    )
    JobService(bench.settings.model_copy(update={"slurm": site._slurm})).jobs()
    fresh = SlurmSite(bench.settings.model_copy(update={"slurm": site._slurm}))
    assert len(fresh.poll(ids)) == 6
    assert questions(site, "sacct") == 0


@pytest.fixture
def patient(cluster: Cluster) -> Iterator[None]:
    """Nodes that nobody can speak to, as without munge, are not given up."""
    with cluster.configured(slurmd_timeout_s=300):
        yield
        cluster.mend()


def answers(site: SlurmSite, *jobs: JobFolder) -> bool:
    try:
        site.poll([job.id for job in jobs])
    except SiteUnreachableError:
        return False
    return True


def test_munge_down_while_a_job_runs_shows_the_age_of_what_is_known_and_loses_nothing(
    patient: None, bench: SlurmWorkshop, cluster: Cluster
) -> None:
    assert isinstance(bench.site, SlurmSite)
    job = bench.submit("until [ -e go ]; do sleep 0.1; done; seal completed", site="slurm")
    lost = bench.submit("until [ -e go ]; do sleep 0.1; done; exit 4", site="slurm")
    for each in (job, lost):
        bench.until_running(each)
    held = bench.submit("seal completed", site="slurm", site_options={"begin": "now+600"})
    assert bench.site.hold([held.id]) == []
    wait_until(lambda: bench.reported(held) is State.HELD, what="the hold")
    known = bench.site.poll([job.id])[job.id].as_of
    cluster.stop("munged")
    service = JobService(bench.settings)
    bench.site._poller.expire(place.base for place in bench.site._places.locate([job.id, lost.id]).values())
    with pytest.raises(SiteUnreachableError) as caught:
        bench.site.poll([job.id, lost.id])
    assert caught.value.known_at is not None
    assert caught.value.known_at >= known
    record = service.record(job.id)
    assert record.stale_since is not None
    assert record.state in (State.STARTING, State.RUNNING)
    waits = service.record(held.id)
    assert (waits.state, waits.attempt.reason) == (State.HELD, "It is held, by its owner.")
    assert waits.stale_since is not None
    assert "did not answer" in str(service.explain(held.id))
    (listed,) = (one for one in service.jobs() if one.id == held.id)
    assert re.fullmatch(r"As of [\d:]+, the site cannot be reached. It is held, by its owner\.", listed.message)
    for verb in (bench.site.cancel, bench.site.requeue):
        with pytest.raises(SiteUnreachableError, match=r"(?i)munge|authentication|did not answer"):
            verb([lost.id])
    (job.path / "go").touch()
    wait_until(lambda: service.record(job.id).state is State.COMPLETED, what="the end, by its folder")
    cluster.start("munged")
    (lost.path / "go").touch()
    assert isinstance(bench.site, SlurmSite)
    site = bench.site
    wait_until(lambda: answers(site, job, lost), what="an answer of Slurm's")
    done, failed = bench.until_final(job, lost, within_s=120)
    assert done.state is State.COMPLETED
    assert failed.state is State.FAILED
    assert "exit code 4" in failed.attempt.message
    assert (len(done.attempts), len(failed.attempts)) == (1, 1)


def test_a_job_of_another_process_is_told_by_its_folder_until_slurm_may_be_asked_again(
    bench: SlurmWorkshop, wrap: Wrap
) -> None:
    site = wrap(**logged("squeue"))
    site._poller._floor = site._poller._ceiling = 600.0
    mine = bench.submit("exec sleep 600")
    other = SlurmSite(bench.settings)  # with a poller of its own, as in another process
    theirs = bench.job("exec sleep 600")
    assert mine.id in site.poll([mine.id])
    before = questions(site, "squeue")
    other.submit([theirs])
    report = site.poll([theirs.id])[theirs.id]
    assert report.state is State.QUEUED
    queued_at = bench.record(theirs).attempt.queued_at
    assert queued_at is not None
    assert abs(report.as_of - queued_at) < 1, "it is as old as what the folder says"
    assert questions(site, "squeue") == before
    site._poller._floor = site._poller._ceiling = 0.1
    site._poller.expire([])
    wait_until(lambda: site.poll([theirs.id])[theirs.id].word != "", what="Slurm's own word")


def test_many_who_watch_a_slow_squeue_wait_for_one_answer_together(bench: SlurmWorkshop, wrap: Wrap) -> None:
    job = bench.submit("exec sleep 600")
    site = wrap(timeout_s=60, squeue='echo x >> "$0.log"; sleep 2; exec /usr/bin/squeue "$@"')
    site._poller._floor = site._poller._ceiling = 600.0  # a watcher that is late is served as well
    reports = []
    watchers = [threading.Thread(target=lambda: reports.append(site.poll([job.id]))) for _ in range(20)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    assert [set(found) for found in reports] == [{job.id}] * 20
    assert questions(site, "squeue") == 1


def test_a_sweep_of_the_service_is_one_array_of_slurm_and_each_element_has_its_result(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(**logged("sbatch"))
    service = JobService(bench.settings.model_copy(update={"slurm": site._slurm}))
    request = Request(tier="local", time_s=300, name="squares", sweeps=(Sweep("x", (2, 3, 5)), Sweep("y", ("a", "b"))))
    job = service.run(request, "z = x * x\nprint(y)", {"unrelated": 1})
    assert questions(site, "sbatch") == 1
    shown = cluster.ask("squeue", "-h", "-t", "all", "--array", "-o", "%K %j").splitlines()
    assert sorted(line.split()[0] for line in shown if line.endswith(job.id)) == list("012345")
    record = job.wait(300)
    assert record.state is State.COMPLETED, str(job)
    found = [(part["z"], part.logs().strip()) for part in job.elements]
    assert found == [(z, y) for z in (4, 9, 25) for y in "ab"]
    assert service.record(job.id).done == 6
