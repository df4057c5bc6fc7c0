"""Those who watch the same jobs are given the same answer, for as long as it is true and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.job.state import State
from qhub_ext.sites.slurm import site as site_module
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
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
    second = rarely.submit("sleep 60")
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
    running, waiting = rarely.submit("sleep 60", cpus=2), rarely.submit("true", cpus=2)
    ids = [running.id, waiting.id]
    until_running(rarely, running.id)
    rarely.site.poll(ids), rarely.site.poll(ids)
    assert rarely.site.hold([waiting.id]) == []
    assert rarely.site.poll(ids)[waiting.id].state is State.HELD
    assert rarely.site.requeue([running.id]) == []
    assert rarely.site.poll(ids)[running.id].attempt == 2 or rarely.site.poll(ids)[running.id].state is State.RUNNING
    assert rarely.site.cancel([waiting.id]) == []
    assert waiting.id not in rarely.site.poll(ids)


def test_a_job_that_another_process_has_sent_anew_is_followed_to_its_new_place(bench: SlurmWorkshop) -> None:
    job = bench.submit("true", site_options={"begin": "now+600"})
    assert bench.reported(job) is State.QUEUED
    site_module._pollers.clear()  # another process has a poller of its own
    other = SlurmSite(bench.settings)
    assert other.cancel([job.id]) == []
    (record,) = bench.until_final(job)
    assert record.state is State.CANCELLED
    assert other.requeue([job.id]) == []  # it never ran, so it is sent once more
    there = other.find([job.id])
    assert bench.site.poll([job.id])[job.id].attempt == 2
    assert bench.site.find([job.id]) == there
    assert [a.state for a in bench.record(job).attempts] == [State.CANCELLED, State.QUEUED]


@pytest.mark.parametrize("verb", ["requeue", "cancel"])
def test_a_verb_acts_on_the_place_that_another_process_gave_it(bench: SlurmWorkshop, verb: str) -> None:
    job = bench.submit("true", site_options={"begin": "now+600"})
    other = SlurmSite(bench.settings)
    other.cancel([job.id])
    bench.until_final(job)
    other.requeue([job.id])
    refusals = getattr(bench.site, verb)([job.id])
    if verb == "requeue":
        assert [r.why for r in refusals] == ["It is waiting already."]
        assert bench.site.explain_reason(job.id).word == "BeginTime"
    else:
        assert refusals == []
        assert [r.state for r in bench.until_final(job)] == [State.CANCELLED]
    assert len(list(job.sendings.iterdir())) == 2
