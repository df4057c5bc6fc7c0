"""A slurmd that is killed under a job: Slurm's own word of it is what the history says, and nothing runs twice."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.sites.embedded.processes import start_time
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop
from tests.waiting import wait_until

# Its processes outlive their slurmd; `release` lets a run end well.
PATIENT = """echo "$QHUB_ATTEMPT $$" >> runs
[ "$QHUB_ATTEMPT" = 2 ] || for i in $(seq 1200); do [ -e release ] && break; sleep 0.1; done
seal completed"""


def runs(folder: Path) -> list[tuple[int, int]]:
    """Attempt and pid of everything that ran."""
    return [(int(n), int(pid)) for n, pid in (line.split() for line in (folder / "runs").read_text().splitlines())]


def test_a_slurmd_that_is_back_in_time_costs_the_job_nothing(bench: SlurmWorkshop, cluster: Cluster) -> None:
    job = bench.submit(PATIENT)
    bench.until_running(job)
    bench.until_written(job.path / "runs")
    cluster.kill("two01")
    assert bench.reported(job) is State.RUNNING
    (job.path / "release").touch()
    wait_until(lambda: job.attempt(1).outcome.exists(), what="the outcome that a step leaves without its slurmd")
    cluster.start("two01")
    (record,) = bench.until_final(job)
    assert record.state is State.COMPLETED
    assert len(record.attempts) == 1
    assert [n for n, _ in runs(job.path)] == [1]


def test_a_slurmd_that_stays_away_begins_a_second_attempt_and_the_first_run_is_ended(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    with cluster.configured(slurmd_timeout_s=4):
        gives_up_a_silent_node(bench, cluster)


def gives_up_a_silent_node(bench: SlurmWorkshop, cluster: Cluster) -> None:
    job = bench.submit(PATIENT)
    ids = bench.site.find([job.id])
    bench.until_running(job)
    bench.until_written(job.path / "runs")
    cluster.kill("two01")
    seen = {State.RUNNING}

    def given_up() -> bool:
        report = bench.site.poll([job.id])[job.id]
        if report.attempt == 1:
            seen.add(report.state)
        return report.attempt == 2

    # slurmctld looks at it once in a third of SlurmdTimeout and pings in between
    wait_until(given_up, what="the second attempt", every_s=0.2)
    assert seen <= {State.RUNNING, State.FINISHING, State.QUEUED}
    assert bench.site.find([job.id]) == ids, "it is the same job of Slurm"
    cluster.start("two01")
    (record,) = bench.until_final(job)
    assert [a.state for a in record.attempts] == [State.FAILED, State.COMPLETED]
    assert "node" in record.attempts[0].message
    assert record.attempts[0].cause == Cause.INTEGRATION
    (first, pid), (second, _) = runs(job.path)
    assert (first, second) == (1, 2)
    wait_until(lambda: start_time(pid) is None, what="the end of the first run")
    assert not job.attempt(1).outcome.exists(), "the first run had nothing to say after Slurm had given it up"
