"""On a real Slurm: a %%qpu cell beside bare sbatch and submitit; questions of many watchers; a sweep as one array.

Every side submits to the same partition, in turns. Skipped, with the reason, where no cluster can be had.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_first_line import IMPORTS
from tests.benchmarks.line import Line, seconds, take_turns
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import end_cluster, running_cluster
from tests.waiting import wait_until

SLACK_S = 0.03
FEW_IMPORTS = "import numpy, qiskit"
PARTITION = "emulation"


def nothing() -> None:
    """What submitit pickles."""


class Bench:
    def __init__(self, cluster: Cluster, folder: Path) -> None:
        from qhub_ext.service import JobService
        from qhub_ext.settings import Settings, SlurmSettings

        self.cluster, self.folder = cluster, folder
        self.settings = Settings(
            shelf=folder / "jobs", cache=folder / "cache", site="slurm", slurm=SlurmSettings(poll_s=2.0)
        )
        self.service = JobService(self.settings)
        self.count = 0

    def submit(self, cell: str = "pass") -> Any:
        from qhub_ext.capture.request import Request

        return self.service.run(Request(time_s=60), cell, {})

    def sbatch(self, text: str) -> str:
        done = subprocess.run(
            ["sbatch", "--parsable", "--output=/dev/null", "--time=3"],
            input=text,
            text=True,
            capture_output=True,
            check=True,
        )
        return done.stdout.strip()

    def sweep(self, points: int, **options: Any) -> Callable[[], Any]:
        """Submits one array with so many elements."""
        from qhub_ext.capture.request import Request
        from qhub_ext.capture.sweep import parse_sweep

        values = ",".join(str(n) for n in range(points))
        request = Request(time_s=60, sweeps=(parse_sweep(f"x={values}", {}),), **options)
        draft = self.service.draft(request, "y = x", {})
        return lambda: self.service.submit(draft)

    def bare(self) -> float:
        """An equal script: the one that ours has just sent."""
        return seconds(lambda: self.sbatch(self.script))

    def ours(self) -> float:
        took = seconds(lambda: setattr(self, "job", self.submit()))
        self.script = self.job.folder.script.read_text().replace(str(self.folder), "/nowhere")
        return took

    @contextlib.contextmanager
    def closed(self, partition: str) -> Iterator[None]:
        """It takes jobs in and starts none."""
        self.cluster.ask("scontrol", "update", f"partition={partition}", "state=down")
        try:
            yield
        finally:
            self.cluster.ask("scontrol", "update", f"partition={partition}", "state=up")

    def empty(self) -> None:
        self.cluster.cancel_all()
        self.rest()

    def rest(self) -> None:
        wait_until(lambda: not self.cluster.ask("squeue", "-h", "-o", "%i").strip(), within_s=60, what="an empty queue")

    def _first_line(self, start: Callable[[Path], object]) -> float:
        self.count += 1
        answer = self.folder / f"answer-{self.count}"
        self.rest()  # when Slurm looks at its queue depends on how the job before left its node: let it be an equal one for both
        self.sbatch("#!/bin/sh\n")
        self.rest()
        began = time.time()
        start(answer)
        moment = wait_until(lambda: answer.exists() and answer.read_text(), within_s=60, what="the first line")
        return float(str(moment)) - began

    def our_first_line(self, imports: str) -> float:
        return self._first_line(lambda answer: self.submit(cell(imports, answer)))

    def bare_first_line(self, imports: str) -> float:
        python = shlex.quote(sys.executable)
        return self._first_line(
            lambda a: self.sbatch(f"#!/bin/bash\nexec {python} -c {shlex.quote(cell(imports, a))}\n")
        )


def cell(imports: str, answer: Path) -> str:
    """Writes the moment at which its first line runs."""
    draft = f"{answer}~"
    return f"{imports}\nimport os, time\nopen({draft!r}, 'w').write(repr(time.time()))\nos.replace({draft!r}, {str(answer)!r})\n"


def prompts(bench: Bench, rounds: int) -> list[Line]:
    import submitit

    executor = submitit.AutoExecutor(bench.folder / "submitit", cluster="slurm")
    executor.update_parameters(timeout_min=3, slurm_partition=PARTITION)
    executor._executor._throttling = 0  # it would sleep 0.2 s before every submission but the first
    # no job starts meanwhile: the start of the one that a side has just sent would be in the way of the next side
    with bench.closed(PARTITION):
        bench.ours()
        ours, bare, theirs = take_turns(
            bench.ours, bench.bare, lambda: seconds(lambda: executor.submit(nothing)), rounds=rounds
        )
        bench.empty()
    allowed = 1.3 * bare + SLACK_S
    return [
        Line("prompt of a cell", ours, "bare sbatch", bare, at_most=allowed, note="target: 1.3 x plus 30 ms"),
        Line("prompt of a cell", ours, "submitit's AutoExecutor", theirs, ratio_at_most=1.0),
    ]


def first_lines(bench: Bench, rounds: int) -> list[Line]:
    """Of the cell that the embedded site is measured with, and of one that imports less: a kernel's own boot weighs more in it."""
    made = []
    for imports, at_most in ((IMPORTS, 1.2), (FEW_IMPORTS, None)):
        ours, bare = take_turns(
            functools.partial(bench.our_first_line, imports),
            functools.partial(bench.bare_first_line, imports),
            rounds=rounds,
        )
        what = f"submission to the user's first line ({imports.removeprefix('import ')} imported)"
        made.append(Line(what, ours, "bare sbatch of the same Python", bare, ratio_at_most=at_most))
    return made


def queries(bench: Bench, jobs: int, watchers: int) -> list[Line]:
    from submitit.slurm.slurm import SlurmInfoWatcher

    from qhub_ext.sites.slurm.poller import AFTER_A_REQUEST_S
    from qhub_ext.sites.slurm.site import SlurmSite

    job = bench.sweep(jobs, site_options={"hold": "yes"})()
    ids = [element.id for element in job.elements]
    site = bench.service.site()
    assert isinstance(site, SlurmSite)
    poller = site._poller
    base = site.find(ids[:1])[ids[0]].partition("_")[0]
    site.poll(ids)  # writes into each folder that it is held

    def look() -> float:
        time.sleep(
            AFTER_A_REQUEST_S
        )  # rounds are seconds apart in life; the poller holds back whoever asks twice in a row
        poller.expire([base])
        return seconds(lambda: [site.poll(ids) for _ in range(watchers)])

    def submitits() -> float:
        watcher = SlurmInfoWatcher(delay_s=600)
        for n in range(jobs):
            watcher.register_job(f"{base}_{n}")
        return seconds(lambda: [watcher.get_state(f"{base}_{n}", "standard") for n in range(jobs)])

    def naive() -> float:
        some = 20
        step = seconds(
            lambda: [subprocess.run(["squeue", "-h", "-j", f"{base}_{n}"], capture_output=True) for n in range(some)]
        )
        return step / some * jobs

    ours, theirs, loop = take_turns(look, submitits, naive, rounds=3)
    before = poller.questions
    poller.expire([base])
    look()
    questions = poller.questions - before
    bench.empty()
    what = f"{watchers} watchers of {jobs:,} jobs, one round"
    note = f"{questions} squeue for all of them"
    return [
        Line(what, ours, "submitit's watcher", theirs, ratio_at_most=1.0, note=note),
        Line(what, ours, "squeue in a loop", loop, ratio_at_most=1.0, note="20 measured, times the number of jobs"),
    ]


def sweep(bench: Bench, points: int) -> list[Line]:
    ours = seconds(bench.sweep(points))
    some = min(points, 100)
    bare = seconds(lambda: [bench.sbatch("#!/bin/bash\ntrue\n") for _ in range(some)]) / some * points
    bench.empty()
    note = "one array; the folders of its elements included"
    return [Line(f"a sweep of {points} points", ours, f"{points} times sbatch", bare, ratio_at_most=1.0, note=note)]


def lines(quick: bool) -> list[Line]:
    cluster = running_cluster()
    if isinstance(cluster, str):
        print(f"no Slurm: {cluster}", file=sys.stderr)
        return []
    os.environ["SLURM_CONF"] = cluster.environment["SLURM_CONF"]
    os.environ["PATH"] = f"{os.environ['PATH']}:/usr/bin"
    try:
        with tempfile.TemporaryDirectory(prefix="qhub-bench-", ignore_cleanup_errors=True) as name:
            bench = Bench(cluster, Path(name))
            rounds = 5 if quick else 15
            return [
                *prompts(bench, rounds),
                *first_lines(bench, 3 if quick else 21),
                *queries(bench, 1000, 50),
                *sweep(bench, 500),
            ]
    finally:
        end_cluster()
