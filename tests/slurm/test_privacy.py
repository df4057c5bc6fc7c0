"""A cluster that shows everybody only their own jobs: what alice, bob, the operator and root see, cancel and are told then."""

from __future__ import annotations

import pwd
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.test_many_users import answer, readable
from tests.waiting import wait_until

__all__ = ["readable"]

QUEUE = "print(json.dumps([[e.site_id, e.owner] for e in site.queue()]))"
SUBMIT = 'folder, key = submit("sleep 600"); print(json.dumps([folder.id, key]))'


@dataclass(frozen=True)
class Jobs:
    """One of alice's and one of bob's, both running; `ids` and `keys` by user, `homes` their shelves."""

    ids: dict[str, str]
    keys: dict[str, str]
    homes: dict[str, str]


@pytest.fixture(scope="module")
def jobs(slurm_cluster: Cluster) -> Iterator[Jobs]:
    cluster = slurm_cluster
    cluster.mend()
    with cluster.configured(private=("jobs", "usage", "users", "accounts")):
        wait_until(lambda: "jobs" in private_data(cluster), what="the privacy of jobs")
        users = ("qhub-alice", "qhub-bob")
        homes = {user: f"{pwd.getpwnam(user).pw_dir}/jobs-{time.time_ns()}" for user in users}
        sent = {user: answer(cluster, user, SUBMIT, homes[user]) for user in users}
        keys = {user: key for user, (_, key) in sent.items()}

        def running() -> bool:
            shown = cluster.ask("squeue", "-h", "-t", "running", "-o", "%A").split()
            return set(keys.values()) <= set(shown)

        wait_until(running, what="the start of both")
        yield Jobs({user: job_id for user, (job_id, _) in sent.items()}, keys, homes)
        cluster.cancel_all()
    wait_until(lambda: "none" in private_data(cluster), what="the end of the privacy")


def private_data(cluster: Cluster) -> str:
    lines = cluster.ask("scontrol", "show", "config").splitlines()
    return next((line for line in lines if line.startswith("PrivateData")), "")


def test_users_see_their_own_queue_and_root_and_the_operator_that_of_all(slurm_cluster: Cluster, jobs: Jobs) -> None:
    mine = {user: [[jobs.keys[user], user]] for user in jobs.keys}
    for user in jobs.keys:
        assert answer(slurm_cluster, user, QUEUE, jobs.homes[user]) == mine[user]
    everybody = sorted(mine["qhub-alice"] + mine["qhub-bob"])
    elsewhere = f"{pwd.getpwnam('qhub-operator').pw_dir}/jobs"
    assert sorted(answer(slurm_cluster, "qhub-operator", QUEUE, elsewhere)) == everybody
    assert sorted(answer(slurm_cluster, "root", QUEUE, "/tmp/no-shelf-of-root")) == everybody


def test_a_place_in_the_queue_counts_what_slurm_shows_and_no_number_of_another_s_job_is_told(
    slurm_cluster: Cluster, jobs: Jobs
) -> None:
    """Of alice's job bob is told nothing, by any verb, even under its own id."""
    alice = jobs.ids["qhub-alice"]
    code = f"""
from qhub_ext.job.identity import short_id
said = [r.why for verb in (site.cancel, site.hold, site.requeue) for r in verb(["{alice}"])]
print(json.dumps([said, site.poll(["{alice}"]), site.find(["{alice}"]), site.explain_reason("{alice}").sentence]))
"""
    unknown = "The site does not know this job."
    for home in (jobs.homes["qhub-bob"], jobs.homes["qhub-alice"]):  # his own shelf, and hers, which is closed to him
        assert answer(slurm_cluster, "qhub-bob", code, home) == [[unknown] * 3, {}, {}, unknown]
    shown = slurm_cluster.ask("squeue", "-h", "-t", "all", "-j", jobs.keys["qhub-alice"], "-o", "%T", user="qhub-bob")
    assert "RUNNING" not in shown
    assert "denied" in slurm_cluster.ask("scancel", jobs.keys["qhub-alice"], user="qhub-bob").lower()


def test_the_owner_is_told_of_her_job_as_ever_and_the_operator_may_end_it(slurm_cluster: Cluster, jobs: Jobs) -> None:
    alice, key, home = jobs.ids["qhub-alice"], jobs.keys["qhub-alice"], jobs.homes["qhub-alice"]
    look = f'print(json.dumps(site.poll(["{alice}"])["{alice}"].state.value))'
    assert answer(slurm_cluster, "qhub-alice", look, home) == "running"
    slurm_cluster.ask("scancel", key, user="qhub-operator")
    told = f'''
from qhub_ext.jobfolder.outcome import read_record
site.poll(["{alice}"])
print(json.dumps(read_record(folder_of(shelf, "{alice}")).attempt.message))'''
    message = wait_until(lambda: answer(slurm_cluster, "qhub-alice", told, home), what="the verdict")
    assert "qhub-operator" in message
