"""`qhub explain JOB` in a shell of its own: the sentence of a waiting job, and the same as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from qhub_ext.job.identity import new_job_id, short_id
from qhub_ext.jobfolder.layout import JobFolder
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, surroundings
from tests.waiting import wait_until

HOLDER = new_job_id()


def held(bench: SlurmWorkshop) -> JobFolder:
    job = bench.submit("true", site="slurm", site_options={"begin": "now+600"})
    assert bench.site.hold([job.id]) == []
    return job


def over_the_qos(bench: SlurmWorkshop) -> JobFolder:
    bench.until_running(bench.submit("sleep 600", id=HOLDER, time_s=60, site_options={"qos": "tiny"}))
    return bench.submit("true", site="slurm", time_s=60, site_options={"qos": "tiny"})


def explain(bench: SlurmWorkshop, cluster: Cluster, *words: str) -> str:
    """What the command prints; it must end with 0 and keep standard error clean."""
    done = subprocess.run(
        [sys.executable, "-m", "qhub_ext.cli", "explain", *words],
        env=surroundings(cluster, bench.settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.parametrize(
    ("provoke", "word", "cause", "sentence"),
    [
        (held, "JobHeldUser", "user", "It is held, by its owner."),
        (
            over_the_qos,
            "QOSMaxJobsPerUserLimit",
            "queue policy",
            f"limit is 1 (MaxJobsPU). 1 of yours run, with 1 CPUs. Yours that hold it: {short_id(HOLDER)}.",
        ),
    ],
    ids=["held", "over the QOS"],  # the same in every process: the holder's id is made anew in each
)
def test_the_command_prints_why_a_job_waits_and_whose_move_it_is(
    provoke: Callable[[SlurmWorkshop], JobFolder],
    word: str,
    cause: str,
    sentence: str,
    bench: SlurmWorkshop,
    cluster: Cluster,
) -> None:
    job = provoke(bench)
    wait_until(lambda: bench.site.explain_reason(job.id).word == word, what=f"the reason {word}")
    text = explain(bench, cluster, job.id)
    assert sentence in text
    assert f"cause  {cause} ({word})" in text
    assert "move   you" in text
    assert "try    " in text
    facts: dict[str, Any] = json.loads(explain(bench, cluster, job.id, "--json"))
    assert sentence in facts["sentence"]
    assert (facts["cause"], facts["word"], facts["audience"], facts["job"]) == (cause, word, "you", job.id)
