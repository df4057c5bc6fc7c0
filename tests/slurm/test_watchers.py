"""Those who watch the same jobs are given the same answer, for as long as it is true and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.job.state import State
from qhub_ext.sites.slurm import site as site_module
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.test_exactly_once import queued
from tests.waiting import wait_until


@pytest.fixture
def rarely(cluster: Cluster, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A site that asks Slurm every ten minutes, so that whatever changes in a test is not Slurm's news."""
    with slurm_workshop(tmp_path, cpus=2, poll_s=600.0, poll_max_s=600.0) as workshop:
        yield workshop


def until_running(shop: SlurmWorkshop, *jobs: str) -> None:
    def begun() -> bool:
        shop.site._poller.expire(place.base for place in shop.site._places.locate(jobs).values())
        return {r.state for r in shop.site.poll(jobs).values()} == {State.RUNNING}

    wait_until(begun, what="the start")


def test_one_answer_serves_all_until_an_outcome_appears(rarely: SlurmWorkshop) -> None:
    first = rarely.submit("until [ -e go ]; do sleep 0.05; done; seal completed; sleep 30")
    second = rarely.submit("sleep 600")
    ids = [first.id, second.id]
    until_running(rarely, *ids)
    asked = rarely.site._poller.questions
    answers = [rarely.site.poll(ids) for _ in range(50)]
    assert all(answer == answers[0] and answer is not answers[0] for answer in answers[1:])
    answers[-1].clear()  # it is the watcher's own
    (first.path / "go").touch()
    wait_until(lambda: first.attempt(1).outcome.exists(), what="the outcome")
    assert set(rarely.site.poll(ids)) == {second.id}
    assert rarely.site._poller.questions == asked
    assert rarely.site.poll(ids)[second.id].as_of == answers[0][second.id].as_of, "knowledge does not grow younger"


def test_a_request_ends_the_answer_that_was_true_before_it(rarely: SlurmWorkshop) -> None:
    running, waiting = rarely.submit("sleep 600", cpus=2), rarely.submit("true", cpus=2)
    ids = [running.id, waiting.id]
    until_running(rarely, running.id)
    rarely.site.poll(ids), rarely.site.poll(ids)
    assert rarely.site.hold([waiting.id]) == []
    assert rarely.site.poll(ids)[waiting.id].state is State.HELD
    assert rarely.site.requeue([running.id]) == []
    assert rarely.site.poll(ids)[running.id].attempt == 2 or rarely.site.poll(ids)[running.id].state is State.RUNNING
    assert rarely.site.cancel([waiting.id]) == []
    assert waiting.id not in rarely.site.poll(ids)


def test_a_job_that_another_process_has_sent_anew_is_followed_to_its_new_place(
    cluster: Cluster, tmp_path: Path
) -> None:
    with cluster.configured(min_job_age_s=2), slurm_workshop(tmp_path) as shop:
        job = shop.submit("exit 3")
        verbs_only = SlurmSite(shop.settings)
        verbs_only.find([job.id])
        (record,) = shop.until_final(job)
        assert record.state is State.FAILED
        wait_until(lambda: not queued(cluster, job), what="the purge")
        mine = dict(site_module._pollers)
        site_module._pollers.clear()  # another process has a poller of its own
        other = SlurmSite(shop.settings)
        job.script.write_text(job.script.read_text().replace("exit 3", "exec sleep 60"))
        assert other.requeue([job.id]) == []
        site_module._pollers.update(mine)
        assert shop.site.poll([job.id])[job.id].attempt == 2
        assert shop.site.find([job.id]) == other.find([job.id])
        assert verbs_only.cancel([job.id]) == []
        (record,) = shop.until_final(job)
        assert [a.state for a in record.attempts] == [State.FAILED, State.CANCELLED]
        assert len(queued(cluster, job)) == 1
        assert len(list(job.sendings.iterdir())) == 2


def test_a_job_that_another_process_has_put_back_is_asked_about_again(rarely: SlurmWorkshop, cluster: Cluster) -> None:
    job = rarely.submit("[ $QHUB_ATTEMPT = 1 ] && exit 3; exec sleep 60")
    number = rarely.site.find([job.id])[job.id]
    wait_until(lambda: "FAILED" in cluster.ask("squeue", "-ht", "all", "-j", number, "-o", "%T"), what="its end")
    rarely.site._poller.expire([number])
    (record,) = rarely.until_final(job)
    assert record.state is State.FAILED
    mine = dict(site_module._pollers)
    site_module._pollers.clear()  # another process has a poller of its own
    assert SlurmSite(rarely.settings).requeue([job.id]) == []
    site_module._pollers.update(mine)
    asked = rarely.site._poller.questions
    assert rarely.site.poll([job.id])[job.id].attempt == 2
    assert [rarely.site.poll([job.id])[job.id].attempt for _ in range(5)] == [2] * 5
    assert rarely.site._poller.questions == asked + 1
