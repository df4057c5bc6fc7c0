"""Eleven reasons provoked on the real Slurm: `qhub explain` tells the word, the numbers, whose move it is and what to try."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qhub_ext.sites.scheduler import Reason
from qhub_ext.sites.slurm.limits import ASSOCIATION_COLUMNS, QOS_COLUMNS
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop
from tests.slurm.test_explain_command import explain
from tests.waiting import wait_until

Case = Callable[[SlurmWorkshop, Cluster], dict[str, Any]]


def resources(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    bench.until_running(bench.submit("sleep 600", cpus=2))
    return {}


def priority(bench: SlurmWorkshop, cluster: Cluster) -> dict[str, Any]:
    resources(bench, cluster)
    bench.submit("true", cpus=2)
    return {}


def dependency(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    first = bench.submit("sleep 600")
    return {"after": (first.id,)}


def licences(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    bench.until_running(bench.submit("sleep 600", site_options={"licenses": "qpu_cloud:2"}))
    return {"site_options": {"licenses": "qpu_cloud:1"}}


def begin(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    return {"site_options": {"begin": "now+600"}}


def jobs_per_user(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    bench.until_running(bench.submit("sleep 600", time_s=60, site_options={"qos": "tiny"}))
    return {"time_s": 60, "site_options": {"qos": "tiny"}}


def wall_per_job(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    return {"time_s": 3600, "site_options": {"qos": "tiny"}}


def cpus_per_job(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    return {"time_s": 60, "cpus": 2, "site_options": {"qos": "tiny"}}


def partition_time(bench: SlurmWorkshop, _: Cluster) -> dict[str, Any]:
    return {"time_s": 2 * 3600}


def node_down(bench: SlurmWorkshop, cluster: Cluster) -> dict[str, Any]:
    cluster.ask("scontrol", "update", "nodename=two01", "state=drain", "reason=test")
    return {}


def partition_down(bench: SlurmWorkshop, cluster: Cluster) -> dict[str, Any]:
    cluster.ask("scontrol", "update", "partition=wide", "state=down")
    return {}


CASES: dict[str, tuple[Case, tuple[str, ...]]] = {
    "Resources": (resources, ("2 of 2 CPUs", "asks for 1")),
    "Priority": (priority, ("1 job is ahead", "yours")),
    "Dependency": (dependency, ("which it waits for, is",)),
    "Licenses": (licences, ("qpu_cloud: 2 of 2", "Yours that hold it")),
    "BeginTime": (begin, ("earliest start", "(now+600)")),
    "QOSMaxJobsPerUserLimit": (jobs_per_user, ("'tiny'", "limit is 1 (MaxJobsPU)", "1 of yours run")),
    "QOSMaxWallDurationPerJobLimit": (wall_per_job, ("asks for 60 minutes", "allows 5: 55 too many")),
    "QOSMaxCpuPerJobLimit": (cpus_per_job, ("cpu=1", "asks for 2 CPUs")),
    "PartitionTimeLimit": (partition_time, ("asks for 120 minutes", "allows 60: 60 too many")),
    "ReqNodeNotAvail": (node_down, ("down, drained",)),
    "PartitionDown": (partition_down, ("closed", "is down")),
}


@pytest.fixture
def lenient(cluster: Cluster) -> Any:
    """What can never run waits instead of being refused, as on most clusters."""
    with cluster.configured(enforce="NO"):
        yield
    cluster.ask("scontrol", "update", "partition=wide", "state=up")


@pytest.mark.parametrize("word", CASES)
def test_a_provoked_reason_is_explained_with_its_numbers(
    word: str, bench: SlurmWorkshop, cluster: Cluster, lenient: None
) -> None:
    prepare, parts = CASES[word]
    job = bench.submit("sleep 600", site="slurm", **prepare(bench, cluster))

    def reason() -> Reason | None:
        found = bench.site.explain_reason(job.id)
        accepted = {word, "Resources"} if word == "ReqNodeNotAvail" else {word}
        return found if found.word in accepted else None

    found = wait_until(reason, what=f"the reason {word}")
    if word == "ReqNodeNotAvail" and found.word == "Resources":
        parts = ("out of service",)
    text = explain(bench, cluster, job.id)
    assert f" ({found.word})\n" in text
    for part in parts:
        assert part in text
    assert f"move   {found.audience}" in text
    assert f"try    {found.advice}" in text
    assert found.audience in ("you", "site")
    assert found.advice
    start = bench.site.estimate(job.id)
    assert start.why.startswith("Slurm") or (start.earliest, start.latest) == (None, None)
    assert word != "PartitionDown" or start.why == "The partition is closed at the moment."


def test_sacctmgr_has_every_column_that_a_limit_is_looked_up_in(cluster: Cluster) -> None:
    for what, columns in (("qos", QOS_COLUMNS), ("association", ASSOCIATION_COLUMNS)):
        wanted = ",".join(name for _, name, _ in columns)
        assert cluster.run("sacctmgr", "--noheader", "--parsable2", "show", what, f"format={wanted}").returncode == 0


def test_a_start_is_slurms_plan_or_a_range_and_says_which(bench: SlurmWorkshop) -> None:
    import time

    running = bench.submit("sleep 600", cpus=2, time_s=600)
    bench.until_running(running)
    job = bench.submit("true", cpus=2, time_s=600)
    first = wait_until(
        lambda: (e := bench.site.estimate(job.id)).why.startswith("Slurm's own plan") and e,
        what="a plan of Slurm's",
    )
    assert first.latest is not None
    assert time.time() + 400 < first.latest < time.time() + 1300
    assert first.earliest == first.latest
    bench.site.hold([job.id])
    assert "held" in bench.site.estimate(job.id).why
