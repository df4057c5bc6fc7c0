"""The embedded site against submitit's local executor, side by side in one run.

    python -m tests.benchmarks.bench_site [--jobs 1000] [--submitit-jobs 200] [--cpus N]

submitit local has no queue: it starts all jobs at once, as processes that unpickle a function; here they wait for a CPU.
So that the difference of what a job is does not hide the cost of the queue, the second row runs submitit's own work,
a Python that imports submitit and unpickles a function, through our queue. Those two rows take fewer jobs by default:
submitit holds a Python in memory for each.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.job.state import State
from qhub_ext.sites.embedded.site import EmbeddedSite, usable_cpus
from tests.sites.workshop import Workshop, embedded_workshop


@dataclass(frozen=True)
class Row:
    what: str
    jobs: int
    submit_s: float
    total_s: float
    daemon_peak_mib: float
    processes_peak: int
    tree_peak_mib: float

    def __str__(self) -> str:
        return (
            f"| {self.what} | {self.jobs} | {self.submit_s * 1000 / self.jobs:.2f} | {self.jobs / self.total_s:.1f} "
            f"| {self.daemon_peak_mib:.1f} | {self.processes_peak} | {self.tree_peak_mib:.0f} |"
        )


HEAD = (
    "| what | jobs | submit, ms/job | jobs/s | daemon or client peak, MiB | processes at once | memory of all, peak, MiB |\n"
    "|---|---|---|---|---|---|---|"
)


class Watch:
    """Processes whose command line holds `mark`: how many at once, and their memory (private + shared once)."""

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._over = threading.Event()
        self.most = 0
        self.most_mib = 0.0

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            found = [pid for pid in os.listdir("/proc") if pid.isdigit() and self._mark in _read(pid, "cmdline")]
            memory = sum(_mib(_read(pid, "status"), b"VmRSS:") for pid in found)
            self.most, self.most_mib = max(self.most, len(found)), max(self.most_mib, memory)


def _read(pid: str | int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _mib(status: bytes, word: bytes) -> float:
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith(word)), 0.0)


@contextmanager
def _shop(cpus: int) -> Iterator[Workshop]:
    with tempfile.TemporaryDirectory(prefix="qhub-bench-") as root, embedded_workshop(Path(root), cpus=cpus) as shop:
        yield shop


def embedded(what: str, count: int, cpus: int, script: Callable[[int], str]) -> Row:
    with _shop(cpus) as shop:
        site = shop.site
        assert isinstance(site, EmbeddedSite)
        jobs = [shop.job(script(n)) for n in range(count)]
        ids = [job.id for job in jobs]
        with Watch(str(shop.settings.shelf)) as watch:
            begin = time.perf_counter()
            site.submit(jobs)
            submitted = time.perf_counter()
            peak = 0.0
            while site.poll(ids):
                time.sleep(0.1)
                daemon = site.daemon()
                if daemon is not None:
                    peak = max(peak, _mib(_read(daemon.pid, "status"), b"VmHWM:"))
            end = time.perf_counter()
        wrong = [job.id for job in jobs if shop.state(job) is not State.COMPLETED]
        assert not wrong, f"{len(wrong)} jobs did not complete, such as {wrong[0]}"
        return Row(what, count, submitted - begin, end - begin, peak, watch.most, watch.most_mib)


def short_work() -> int:
    return 42


def with_submitit(count: int) -> Row:
    import submitit

    with tempfile.TemporaryDirectory(prefix="qhub-bench-") as root:
        executor = submitit.LocalExecutor(folder=root)
        executor.update_parameters(timeout_min=60)
        with Watch(root) as watch:
            begin = time.perf_counter()
            jobs = [executor.submit(short_work) for _ in range(count)]
            submitted = time.perf_counter()
            assert {job.result() for job in jobs} == {42}
            end = time.perf_counter()
        client = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Row("submitit LocalExecutor", count, submitted - begin, end - begin, client, watch.most, watch.most_mib)


def the_same_function(n: int) -> str:
    """What submitit does for a job: a Python that imports submitit and unpickles a function."""
    code = "import submitit.core._submit, cloudpickle; cloudpickle.loads(cloudpickle.dumps(lambda: 42))()"
    return f"{sys.executable} -c '{code}' && seal completed"


def latencies(cpus: int, count: int = 20) -> list[float]:
    """From `submit` to the first line of the script, in s, with a daemon that lives."""
    found = []
    with _shop(cpus) as shop:
        shop.until_final(shop.submit("seal completed"))
        for _ in range(count):
            job = shop.job("date +%s.%N > first; seal completed")
            begin = time.time()
            shop.site.submit([job])
            shop.until_final(job)
            found.append(float((job.path / "first").read_text()) - begin)
    return found


def poll_cost(cpus: int, count: int) -> tuple[float, float]:
    """(first look, later looks) at that many waiting jobs in one call, in s."""
    with _shop(cpus) as shop:
        jobs = [shop.job("true") for _ in range(count)]
        blocker = shop.submit("sleep 600", cpus=cpus)
        shop.until_running(blocker)
        shop.site.submit(jobs)
        ids = [job.id for job in jobs]
        site = shop.site
        assert isinstance(site, EmbeddedSite)
        while len(site.jobs()) <= count:
            time.sleep(0.05)
        fresh = EmbeddedSite(shop.settings)
        begin = time.perf_counter()
        assert len(fresh.poll(ids)) == count
        first = time.perf_counter() - begin
        later = []
        for _ in range(20):
            begin = time.perf_counter()
            fresh.poll(ids)
            later.append(time.perf_counter() - begin)
        return first, statistics.median(later)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--submitit-jobs", type=int, default=200)
    parser.add_argument("--cpus", type=int, default=usable_cpus())
    options = parser.parse_args()
    print(f"{options.cpus} CPUs, load before: {os.getloadavg()[0]:.1f}\n\n{HEAD}", flush=True)
    print(
        embedded("embedded, a shell script that seals", options.jobs, options.cpus, lambda n: "seal completed"),
        flush=True,
    )
    print(embedded("embedded, submitit's own work", options.submitit_jobs, options.cpus, the_same_function), flush=True)
    print(with_submitit(options.submitit_jobs), flush=True)
    waits = latencies(options.cpus)
    print(f"\nsubmit to the script's first line: median {statistics.median(waits) * 1000:.0f} ms of {len(waits)}")
    first, later = poll_cost(options.cpus, options.jobs)
    print(f"poll of {options.jobs} waiting jobs: {first * 1000:.1f} ms the first time, {later * 1000:.1f} ms later")


if __name__ == "__main__":
    main()
