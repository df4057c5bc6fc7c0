"""Several jobs of which one is refused; a job that is put back into the queue while its last attempt is still being cleaned up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.errors import Cause, SiteError, SiteUnreachableError
from qhub_ext.job.state import State
from qhub_ext.sites.slurm import ledger
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.test_exactly_once import queued
from tests.slurm.wrappers import Wrap
from tests.waiting import wait_until

SLOW_TO_END = """trap 'touch asked; until [ -e go ]; do sleep 0.1; done; exit 1' TERM
[ "$QHUB_ATTEMPT" = 2 ] && { seal completed; exit 0; }
while :; do sleep 0.1; done"""


@pytest.fixture
def patient(cluster: Cluster) -> Iterator[None]:
    """Nodes that give a job time to end."""
    with cluster.configured(kill_wait_s=120):
        yield


def states(cluster: Cluster, numbers: list[str]) -> set[str]:
    return set(cluster.ask("squeue", "-h", "-t", "all", "-j", ",".join([*numbers, *numbers]), "-o", "%T").split())


def test_what_was_queued_before_the_refused_one_has_left_the_queue_and_can_be_sent_again(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    waiting = bench.job("echo once >> ledger; seal completed", site_options={"begin": "now+600"})
    impossible = bench.job("true", site_options={"partition": "no-such"})
    with pytest.raises(SiteError, match="Nothing was queued"):
        bench.site.submit([waiting, impossible])
    assert states(cluster, queued(cluster, waiting)) == {"CANCELLED"}
    assert ledger.claims(waiting) == ledger.claims(impossible) == []
    assert bench.site.find([waiting.id, impossible.id]) == {}
    ids = bench.site.submit([waiting])
    assert ids[waiting.id] == max(queued(cluster, waiting), key=int)
    assert states(cluster, [ids[waiting.id]]) == {"PENDING"}
    assert type(bench.site)(bench.settings).find([waiting.id]) == ids


def test_one_that_ran_before_the_refusal_is_not_run_a_second_time(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    quick = bench.job("echo once >> ledger; sleep 600")
    # the second sbatch is late: the first job has begun when it is refused
    late = f"case \"$*\" in *no-such*) until [ -s '{quick.path}/ledger' ]; do sleep 0.05; done;; esac"
    site = wrap(timeout_s=60, sbatch=f'{late}\nexec /usr/bin/sbatch "$@"')
    with pytest.raises(SiteError):
        site.submit([quick, bench.job("true", site_options={"partition": "no-such"})])
    assert (quick.path / "ledger").read_text() == "once\n"
    assert site.submit([quick]) == {quick.id: queued(cluster, quick)[0]}
    (record,) = bench.until_final(quick)
    assert record.state is State.CANCELLED
    assert len(queued(cluster, quick)) == 1


def test_what_cannot_be_taken_back_is_said_and_stays_known(bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster) -> None:
    site = wrap(scancel="exit 1", settle_s=0.5)
    waiting = bench.job("true", site_options={"begin": "now+600"})
    with pytest.raises(SiteUnreachableError, match="has not let go"):
        site.submit([waiting, bench.job("true", site_options={"partition": "no-such"})])
    assert site.find([waiting.id]) == {waiting.id: queued(cluster, waiting)[0]}
    assert bench.site.cancel([waiting.id]) == []


def test_a_job_put_back_waits_again_while_its_last_attempt_is_cleaned_up(
    patient: None, bench: SlurmWorkshop, cluster: Cluster
) -> None:
    job = bench.submit(SLOW_TO_END)
    bench.until_running(job)
    assert bench.site.requeue([job.id]) == []
    wait_until(lambda: (job.path / "asked").exists(), what="the TERM")
    (number,) = queued(cluster, job)
    assert states(cluster, [number]) == {"COMPLETING"}
    report = bench.site.poll([job.id])[job.id]
    assert (report.state, report.attempt) == (State.QUEUED, 2)
    assert [r.why for r in bench.site.requeue([job.id])] == ["It is waiting already."]
    assert [r.why for r in bench.site.release([job.id])] == ["It is not held."]
    (job.path / "go").touch()
    (record,) = bench.until_final(job)
    assert [(a.state, a.cause) for a in record.attempts] == [(State.CANCELLED, Cause.USER), (State.COMPLETED, None)]
    assert "as asked" in record.attempts[0].message


def test_a_job_held_or_cancelled_in_that_time_is_held_or_cancelled(
    patient: None, bench: SlurmWorkshop, cluster: Cluster
) -> None:
    job = bench.submit(SLOW_TO_END)
    bench.until_running(job)
    cluster.ask("scontrol", "requeue", queued(cluster, job)[0])
    wait_until(lambda: (job.path / "asked").exists(), what="the TERM")
    assert bench.site.hold([job.id]) == []
    wait_until(lambda: bench.reported(job) is State.HELD, what="the hold")
    assert bench.site.cancel([job.id]) == []
    (job.path / "go").touch()
    (record,) = bench.until_final(job)
    assert record.state is State.CANCELLED
    assert record.attempt.cause == Cause.USER
    assert job.attempt_numbers() == [1]


def test_a_requeue_that_meets_the_end_of_the_job_gives_it_a_second_attempt(bench: SlurmWorkshop) -> None:
    jobs = []
    for _ in range(5):
        jobs.append(job := bench.submit('[ "$QHUB_ATTEMPT" = 1 ] && sleep 0.4; seal completed'))
        wait_until(lambda job=job: job.attempt(1).outcome.exists(), what="the outcome")  # type: ignore[misc]
        assert bench.site.requeue([job.id]) == []
    for record in bench.until_final(*jobs):
        assert [a.state for a in record.attempts] == [State.COMPLETED, State.COMPLETED]


def test_elements_of_an_array_in_two_parts_are_taken_back_together(cluster: Cluster, tmp_path: Path) -> None:
    with slurm_workshop(tmp_path, array_max=3) as bench:
        _, elements = bench.array("seal completed", 5, site_options={"begin": "now+600"})
        elements[4].script.unlink()
        with pytest.raises(SiteError):
            bench.site.submit(elements)
        assert queued(cluster, elements[0]) == []


def test_a_second_attempt_that_slurm_forgot_before_it_began_comes_to_an_end(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.configured(min_job_age_s=2), slurm_workshop(tmp_path) as bench:
        job = bench.submit("sleep 600")
        bench.until_running(job)
        (number,) = queued(cluster, job)
        cluster.ask("scontrol", "requeuehold", number)
        wait_until(lambda: states(cluster, [number]) in ({"PENDING"}, {"REQUEUE_HOLD"}), what="the second attempt")
        cluster.ask("scancel", number)
        wait_until(lambda: not queued(cluster, job), what="the purge")
        (record,) = bench.until_final(job)
        assert (record.attempt.number, record.state) in ((2, State.LOST), (2, State.CANCELLED)), record.attempts
        assert bench.site.requeue([job.id]) == []
        bench.until_running(job)
        assert job.attempt_numbers() == [1, 3]
