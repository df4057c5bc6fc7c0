"""The broker asks the cluster whose job it is and what it was given, before it opens a session."""

from __future__ import annotations

import pwd

import pytest

from qhub_ext.broker.membership import SlurmJobs
from qhub_ext.broker.profiles import DEFAULTS, Rule
from qhub_ext.broker.refusals import NotAllowedError
from tests.slurm.cluster import Cluster
from tests.waiting import wait_until

ALICE, BOB = "qhub-alice", "qhub-bob"
JOBS = SlurmJobs({p.name: p for p in DEFAULTS}, (Rule("production", qos="production"), Rule("test", partition="wide")))


def uid(user: str) -> int:
    return pwd.getpwnam(user).pw_uid


def submit(cluster: Cluster, user: str, *options: str) -> str:
    done = cluster.run(
        "sbatch", "--parsable", "--chdir=/tmp", "--output=/dev/null", *options, "--wrap=sleep 300", user=user
    )
    assert done.returncode == 0, done.stdout
    job = done.stdout.strip().splitlines()[-1]
    if "--hold" not in options:
        wait_until(
            lambda: cluster.ask("squeue", "-h", "-j", job, "-o", "%t").strip() == "R",
            what=f"job {job} running",
        )
    return job


def test_the_profile_is_the_clusters_word_and_not_the_users(cluster: Cluster) -> None:
    plain = submit(cluster, ALICE, "--partition=wide")
    urgent = submit(cluster, ALICE, "--partition=wide", "--qos=production")
    assert JOBS.find(uid(ALICE), plain, "production", "").profile == "test"
    assert JOBS.find(uid(ALICE), urgent, "development", "").profile == "production"
    assert JOBS.find(uid(ALICE), plain, "", "not-this-one").account != "not-this-one"


def test_a_forged_foreign_or_waiting_job_opens_no_session(cluster: Cluster) -> None:
    hers = submit(cluster, ALICE, "--partition=wide")
    held = submit(cluster, ALICE, "--partition=wide", "--hold")
    with pytest.raises(NotAllowedError, match=f"The job {hers} is not one of {BOB}'s"):
        JOBS.find(uid(BOB), hers, "", "")
    with pytest.raises(NotAllowedError, match="is not running"):
        JOBS.find(uid(ALICE), held, "", "")
    for forged in ("999999", "1; id", "--help", "", f"{hers}_1"):
        with pytest.raises(NotAllowedError):
            JOBS.find(uid(ALICE), forged, "", "")


def test_each_element_of_an_array_opens_a_session_of_its_own_whatever_its_neighbours_do(cluster: Cluster) -> None:
    done = cluster.run("sbatch", "--parsable", "--chdir=/tmp", "--output=/dev/null", "--partition=wide", "--array=0-1", "--wrap=sleep 300", user=ALICE)  # fmt: skip
    array = done.stdout.strip().splitlines()[-1]

    def states() -> dict[str, str]:
        lines = cluster.ask("squeue", "-h", "-j", array, "-O", "JobID:40,StateCompact:20").splitlines()
        return dict(line.split() for line in lines if line.strip())

    wait_until(lambda: sorted(states().values()) == ["R"] * 2, what="both elements")
    assert array in states(), "the last to start has the array's number"
    first = next(job for job in states() if job != array)
    cluster.ask("scontrol", "requeuehold", first)
    wait_until(lambda: states().get(first) == "PD", what="one that is put back, which squeue lists first")
    assert JOBS.find(uid(ALICE), array, "", "").profile == "test"
    with pytest.raises(NotAllowedError, match="is not running"):
        JOBS.find(uid(ALICE), first, "", "")


def test_a_job_that_has_ended_is_told_from_one_that_runs_or_waits(cluster: Cluster) -> None:
    runs, held, ends = (submit(cluster, ALICE, "--partition=wide", *more) for more in ((), ("--hold",), ()))
    me = uid(ALICE)
    assert JOBS.gone([(me, runs), (me, held), (me, ends)]) == set()
    cluster.ask("scancel", ends)
    wait_until(lambda: JOBS.gone([(me, runs), (me, held), (me, ends)]) == {ends}, what="the end of the job")
    assert JOBS.gone([(me, "99999999")]) == {"99999999"}, "one that the cluster has forgotten has ended"
    assert JOBS.gone([]) == set()
