"""More memory than a job asked for, where the kernel holds it to that: Slurm says OUT_OF_MEMORY, and so do we."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.service import JobService
from tests.diagnosis.matrix import hand_over, heard
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.packages import Unavailable
from tests.waiting import wait_until

GROW = "exec /usr/bin/python3 -c 'x = bytearray(600 << 20); import time; time.sleep(600)'"
HOARD = "hoard = []\nwhile True:\n    hoard.append(bytearray(10_000_000))"


@pytest.fixture(scope="module")
def confined(slurm_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmWorkshop]:
    """A site whose one node holds jobs to their memory."""
    slurm_cluster.mend()
    try:
        with (
            slurm_cluster.confined("one01"),
            slurm_workshop(tmp_path_factory.mktemp("confined"), cpus=1) as workshop,
        ):
            assert isinstance(workshop, SlurmWorkshop)
            yield workshop
    except Unavailable as error:
        pytest.skip(str(error))


def books(cluster: Cluster, number: str) -> str:
    """What they say of its end."""

    def ended() -> str:
        told = cluster.ask("sacct", "-nPXj", number, "-o", "State").strip()
        return told if told not in ("", "PENDING", "RUNNING", "COMPLETING") else ""

    return wait_until(ended, what="the end in the books")


def test_a_job_that_needs_more_memory_than_it_asked_for_is_told_so_with_what_to_ask_for(
    confined: SlurmWorkshop, slurm_cluster: Cluster
) -> None:
    job = confined.submit(GROW, memory_mb=200)
    (record,) = confined.until_final(job, within_s=120)
    assert books(slurm_cluster, confined.site.find([job.id])[job.id]) == "OUT_OF_MEMORY"
    assert record.state is State.FAILED
    assert record.attempt.cause == Cause.RESOURCES
    assert record.attempt.word == "OUT_OF_MEMORY"
    assert "more memory" in record.attempt.message
    assert "--memory" in record.attempt.advice


def test_a_cell_that_the_kernel_ends_for_its_memory_is_explained_although_its_runner_lives(
    confined: SlurmWorkshop, slurm_cluster: Cluster, record_property: Callable[[str, Any], None]
) -> None:
    service = JobService(confined.settings)
    job = service.run(Request(tier="local", time_s=300, memory_mb=400), HOARD, {})
    assert job.wait(300).state is State.FAILED, str(job)
    told = job.explain()
    hand_over(record_property, [heard("more memory than its cgroup has", Cause.RESOURCES.value, told)])
    assert told.cause == Cause.RESOURCES, told
    assert "memory" in str(told)
    assert books(slurm_cluster, service.site().find([job.id])[job.id]) == "OUT_OF_MEMORY"
