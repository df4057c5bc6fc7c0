"""kill -9 at random moments, of every process that takes part: nothing is lost, nothing runs twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.sites.embedded.processes import process_of
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.sites.embedded.table import STARTED
from tests.sites.workshop import Workshop, daemon_pids, embedded_workshop, launch_record
from tests.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

JOBS, KILLS = 200, 100

# The runner's part: one line in the ledger per run, a "kernel" in a process group of its own, a sealed outcome.
RUNNER = """set -m
echo "${PWD##*/} $QHUB_ATTEMPT" >> ../ledger
sleep 0.%d &
wait
seal completed"""


@dataclass
class Reaper:
    """Kills, and remembers which attempts it hit: only those may fail."""

    shop: Workshop
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    hit: set[tuple[str, int]] = field(default_factory=set)
    kernel_is_the_job: bool = False
    """Else it is a `sleep`, which the job can do without."""
    victims: tuple[str, ...] = ("daemon", "launcher", "runner", "kernel", "client")

    def strike(self, client: subprocess.Popen[bytes] | None) -> None:
        victim = self.dice.choice(self.victims)
        if victim == "daemon":
            pids = [pid for pid in daemon_pids(self.site.spool.directory) if _is_daemon(pid)]
            done = bool(pids) and _kill(pids[0])
        elif victim == "template":
            done = any(process.send(signal.SIGKILL) for process in self.site.daemon.kept().get("template", ()))
        elif victim == "client":
            done = client is not None and client.poll() is None
            if done and client is not None:
                client.kill()
                client.wait()
        else:
            done = self._strike_job(victim)
        self.kills[victim] += done

    def _strike_job(self, victim: str) -> bool:
        running = [job for job in self.site.jobs() if job.state == STARTED]
        if not running:
            return False
        job = self.dice.choice(running)
        launch = read_json_or_none(JobFolder(Path(job.path)).attempt(job.attempt).launch)
        launcher, script = process_of(launch), process_of((launch or {}).get("script"))
        if launch is None or launcher is None or script is None:
            return False
        if victim == "kernel":
            kernels = [n for n in _children(script.pid) if self.kernel_is_the_job or _command(n)[0] == b"sleep"]
            if kernels and self.kernel_is_the_job:
                self.hit.add((job.id, job.attempt))
            return bool(kernels) and launcher.lives() and _kill(kernels[0])
        # noted before it is done: the site may be quicker than this thread
        self.hit.add((job.id, job.attempt))
        return (launcher if victim == "launcher" else script).send(signal.SIGKILL)

    @property
    def site(self) -> EmbeddedSite:
        assert isinstance(self.shop.site, EmbeddedSite)
        return self.shop.site


@pytest.mark.timeout(900)
def test_a_hundred_random_kills_over_two_hundred_jobs_lose_and_double_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("QHUB_CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"QHUB_CHAOS_SEED={seed}")
    dice = random.Random(seed)
    with embedded_workshop(tmp_path, cpus=3) as shop:
        jobs = [shop.job(RUNNER % dice.randint(10, 40)) for _ in range(JOBS)]
        reaper = Reaper(shop, dice)
        client_command = _client_files(shop, jobs, tmp_path)
        client: subprocess.Popen[bytes] | None = None
        left, deadline = list(jobs), time.monotonic() + 500
        try:
            while left:
                assert time.monotonic() < deadline, f"seed {seed}: {len(left)} jobs never ended: {left[:3]}"
                if client is None or client.poll() is not None:
                    client = subprocess.Popen(client_command)
                left = [job for job in left if not _over(job)]
                share, kills = (JOBS - len(left)) / JOBS, sum(reaper.kills.values())
                # as the jobs get on: on a busy machine, what is killed again and again before it has begun would never begin
                if kills < KILLS * (1.6 * share + 0.1):
                    reaper.strike(client)
                time.sleep(dice.uniform(0.0, 0.02 if kills < KILLS * 1.2 * share else 0.15))
        finally:
            if client is not None:
                client.kill()
                client.wait()
        print(dict(reaper.kills))
        assert sum(reaper.kills.values()) >= KILLS
        assert min(reaper.kills[victim] for victim in ("daemon", "launcher", "runner", "kernel", "client")) >= 5

        shop.site.submit(jobs)  # all of them once more: the site knows them
        wait_until(lambda: not shop.site.poll([job.id for job in jobs]), what="an empty queue")
        _nothing_lost_or_doubled(jobs, reaper, seed)

        failed = [job for job in jobs if shop.state(job) is not State.COMPLETED]
        assert shop.site.requeue([job.id for job in failed]) == []
        shop.until_final(*failed, within_s=200)
        _all_completed(jobs, seed)
        _nothing_lost_or_doubled(jobs, reaper, seed)


def _all_completed(jobs: list[JobFolder], seed: int) -> None:
    for job in jobs:
        record = read_record(job)
        told = [(one.number, one.state.value, one.message) for one in record.attempts]
        assert record.state is State.COMPLETED, f"seed {seed}: {job.path}: {told}"


def _nothing_lost_or_doubled(jobs: list[JobFolder], reaper: Reaper, seed: int) -> None:
    runs = Counter(tuple(line.split()) for line in (jobs[0].path.parent / "ledger").read_text().splitlines())
    twice = {run for run, count in runs.items() if count != 1}
    assert not twice, f"seed {seed}: run more than once: {twice}"
    for job in jobs:
        for attempt in read_record(job).attempts:
            where = f"seed {seed}: {job.path}, attempt {attempt.number}: {attempt.message}"
            assert attempt.state.final, where
            if attempt.state is State.COMPLETED:
                assert runs[(job.id, str(attempt.number))] == 1, where
            else:
                assert (job.id, attempt.number) in reaper.hit, f"nobody killed it, and it did not complete. {where}"


def _over(job: JobFolder) -> bool:
    latest = job.latest_attempt()
    return latest is not None and read_record(job).state.final


def _client_files(shop: Workshop, jobs: list[JobFolder], tmp_path: Path) -> list[str]:
    settings, folders, progress = tmp_path / "settings.json", tmp_path / "folders.txt", tmp_path / "progress"
    settings.write_text(shop.settings.model_dump_json())
    folders.write_text("".join(f"{job.path}\n" for job in jobs))
    return [sys.executable, "-m", "tests.chaos.client", str(settings), str(folders), str(progress)]


def _is_daemon(pid: int) -> bool:
    return any(word.endswith(b"daemon.py") for word in _command(pid)[3:4])


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _command(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return [b""]


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.timeout(900)
def test_real_cells_in_real_kernels_survive_kills_of_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # also without an installation
    seed = int(os.environ.get("QHUB_CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    dice = random.Random(seed)
    with embedded_workshop(tmp_path, warm_kernels=1, warm_imports=("json",)) as shop:
        ledger = tmp_path / "ledger"
        cell = f"import os, time\ntime.sleep(0.2)\nopen({str(ledger)!r}, 'a').write('%d ' + os.environ['QHUB_ATTEMPT'] + '\\n')"
        site = shop.site
        assert isinstance(site, EmbeddedSite)
        jobs = [shop.cell(cell % n) for n in range(40)]
        site.submit(jobs[:1])
        # the first tells for which Python: from here on jobs are forked, until something is killed
        wait_until(lambda: site.daemon.kept().get("template"), what="a template")
        site.submit(jobs)
        wait_until(lambda: all(job.attempt(1).launch.exists() for job in jobs[1:3]), what="the next two")
        victims = ("daemon", "launcher", "runner", "kernel", "template", "template")
        reaper = Reaper(shop, dice, kernel_is_the_job=True, victims=victims)
        deadline = time.monotonic() + 500
        while not all(_over(job) for job in jobs):
            assert time.monotonic() < deadline, f"seed {seed}: {[job.path for job in jobs if not _over(job)]}"
            shop.site.poll([jobs[0].id])  # somebody looks, as a notebook's card does
            reaper.strike(None)
            time.sleep(dice.uniform(0.0, 0.3))
        wait_until(lambda: not shop.site.poll([job.id for job in jobs]), what="an empty queue")
        print(f"QHUB_CHAOS_SEED={seed}", dict(reaper.kills))
        runs = Counter(tuple(line.split()) for line in (ledger.read_text() if ledger.exists() else "").splitlines())
        assert set(runs.values()) <= {1}, f"seed {seed}: run more than once: {runs}"
        for n, job in enumerate(jobs):
            for one in read_record(job).attempts:
                where = f"seed {seed}: {job.path}, attempt {one.number}: {one.state.value} {one.message}"
                assert one.state is not State.COMPLETED or runs[(str(n), str(one.number))] == 1, where
                assert one.state is State.COMPLETED or (job.id, one.number) in reaper.hit, where
        starts = Counter(launch_record(job.attempt(1))["how"] for job in jobs)
        assert starts["forked"], f"seed {seed}: {starts}"
        failed = [job for job in jobs if shop.state(job) is not State.COMPLETED]
        assert shop.site.requeue([job.id for job in failed]) == []
        shop.until_final(*failed, within_s=200)
        _all_completed(jobs, seed)
