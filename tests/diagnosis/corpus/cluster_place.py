"""What the cases on a real Slurm share: the tests' cluster, jobs that stand in the way of others, and what puts all of it right again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from qhub_ext.capture.request import Request
from qhub_ext.errors import QhubError
from qhub_ext.service import Job, JobService
from qhub_ext.settings import Settings, SlurmSettings, SlurmTierSettings
from qhub_ext.sites.slurm import site as site_module
from tests.diagnosis.corpus.case import Case
from tests.diagnosis.corpus.limits import LIMITS, SUBMITS, made, unmade
from tests.diagnosis.corpus.place import until
from tests.diagnosis.matrix import Heard, heard
from tests.slurm.cluster import Cluster
from tests.waiting import wait_until

WITHIN_S = 120.0


class ClusterPlace:
    def __init__(self, root: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        self.jobs: dict[str, Job] = {}
        self.refused: dict[str, QhubError] = {}
        self.in_place = ExitStack()
        """What a case has put in the way of its job, and what takes it away again."""
        self.service = JobService(
            Settings(
                shelf=root / "shelf",
                cache=root / "cache",
                site="slurm",
                slurm=SlurmSettings(poll_s=0.1, poll_max_s=0.5, tiers={"local": SlurmTierSettings(partition="emulation")}),
            )
        )  # fmt: skip

    def ask(self, *words: str) -> str:
        return self.cluster.ask(*words)

    def number(self, job: Job) -> str:
        return self.service.site("slurm").find([job.id])[job.id]

    def hold(self, *words: str, runs: bool = True) -> str:
        """A job of nobody's interest, until the end of all cases; its number."""
        said = self.cluster.run("sbatch", "--parsable", "--output=/dev/null", "--time=5", *words, "--wrap", "sleep 300")
        number = said.stdout.strip()
        assert number.isdigit(), said.stdout
        if runs:
            wait_until(lambda: self.ask("squeue", "-h", "-j", number, "-o", "%T").strip() == "RUNNING", what=f"job {number} {words}")  # fmt: skip
        return number

    def submit(self, case: Case) -> Job | None:
        """None where it was refused."""
        if case.prepare is not None:
            case.prepare(self)  # type: ignore[arg-type]
        options = {"tier": "local", "time_s": 240, **case.options}
        options["after"] = tuple(self.jobs[name].id for name in options.get("after", ()))
        draft = self.service.draft(Request(name=case.name, **options), case.cell, dict(case.values))
        if case.shape is not None:
            draft = case.shape(draft)
        try:
            job = self.service.submit(draft)
        except QhubError as error:
            self.refused[case.name] = error
            return None
        self.jobs[case.name] = job
        if case.act is not None:
            case.act(job, self)  # type: ignore[arg-type]
        return job

    def look(self, case: Case, job: Job | None, within_s: float) -> Heard:
        if job is None:
            error = self.refused[case.name]
            return Heard(case.name, case.cause, error.cause.value, "refused", "sure", str(error), 1)
        if not until(lambda: case.until(job), within_s, case.name):
            said = self.ask("squeue", "-h", "-t", "all", "-j", self.number(job), "-o", "%T %r").strip()
            return Heard(case.name, case.cause, "unknown", "it never came", "", f"{job.state}, Slurm says {said}", 0)
        try:
            return heard(case.name, case.cause, job.explain())
        except QhubError as error:
            return Heard(case.name, case.cause, "unknown", type(error).__name__, "", str(error), 0)

    def free(self) -> None:
        self.in_place.close()
        self.cluster.start("slurmctld")  # of one that is away each question below would wait for nine seconds
        for line in self.ask("scontrol", "--oneliner", "show", "reservation").splitlines():
            if line.startswith("ReservationName="):
                self.ask("scontrol", "delete", f"reservation={line.split()[0].partition('=')[2]}")
        self.cluster.cancel_all()  # before the partitions are open again: what waits for one would begin
        for partition in ("wide", "narrow"):
            self.ask("scontrol", "update", f"partition={partition}", "state=up")
        self.cluster.mend()
        self.cluster.rest()


def run_on(
    cluster: Cluster,
    root: Path,
    together: Sequence[Case],
    rounds: Sequence[Sequence[Case]],
    tell: Callable[[str], None] = lambda _: None,
) -> list[Heard]:
    """Those that disturb nobody first, side by side; then those that take parts of the cluster down, which is mended after each round."""
    with place_on(cluster, root) as place:
        began, said = time.monotonic(), []
        for cases in (together, *rounds):
            jobs = [(case, place.submit(case)) for case in cases]
            tell(f"{time.monotonic() - began:5.1f} s: {len(jobs)} submitted")
            for case, job in jobs:
                if case.meanwhile is not None and job is not None:
                    case.meanwhile(job, place)  # type: ignore[arg-type]
                said.append(place.look(case, job, WITHIN_S))
                tell(f"{time.monotonic() - began:5.1f} s: {case.name}: {said[-1].told or 'nothing'}")
            place.free()
        return said


@contextmanager
def place_on(cluster: Cluster, root: Path) -> Iterator[ClusterPlace]:
    """Lenient, as most clusters are: what the partition never runs waits."""
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = cluster.environment["SLURM_CONF"]
    site_module._pollers.clear()
    limits = (*LIMITS, *SUBMITS)
    try:
        with cluster.configured(enforce="NO"):
            for text in made(limits):
                _account(cluster, text)
            wait_until(lambda: limits[-1].key in cluster.ask("scontrol", "show", "assoc_mgr", "flags=assoc"), what="the new accounts")  # fmt: skip
            place = ClusterPlace(root, cluster)
            try:
                yield place
            finally:
                place.free()
                wait_until(lambda: not cluster.ask("squeue", "-h", "-o", "%i").strip(), what="an empty queue")  # fmt: skip
                for text in unmade(limits):
                    _account(cluster, text)
    finally:
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def _account(cluster: Cluster, text: str) -> Any:
    said = cluster.run("sacctmgr", "-i", "-Q", stdin=text)
    assert "error" not in said.stdout.lower(), said.stdout
