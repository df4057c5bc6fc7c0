"""The embedded site beside submitit's local executor.

submitit local has no queue: it starts all jobs at once, as processes that unpickle a function; here they wait for a CPU.
So that the difference of what a job is does not hide the cost of the queue, one line runs submitit's own work, a Python
that imports submitit and unpickles a function, through our queue; another runs real cells, in a real kernel each.
submitit gets fewer jobs than a thousand: it holds two Pythons in memory for each.
"""

from __future__ import annotations

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
from qhub_ext.sites.embedded.daemon_process import usable_cpus
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.benchmarks.line import Line
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

    @property
    def per_s(self) -> float:
        return self.jobs / self.total_s


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
                daemon = site.daemon.process()
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
        executor._throttling = 0  # it would sleep 0.2 s before every submission but the first
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


def real_cells(count: int, cpus: int) -> Row:
    with _shop(cpus) as shop:
        cells = [shop.cell("x = 42") for _ in range(count)]
        began = time.perf_counter()
        shop.site.submit(cells)
        submitted = time.perf_counter()
        records = shop.until_final(*cells, within_s=600)
        ended = time.perf_counter()
        assert {record.state for record in records} == {State.COMPLETED}
        return Row("cells", count, submitted - began, ended - began, 0.0, 0, 0.0)


def latencies(cpus: int, count: int) -> list[float]:
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


def lines(quick: bool) -> list[Line]:
    many, some = (50, 10) if quick else (1000, 100)
    cpus = usable_cpus()
    queue = embedded("a script that seals", many, cpus, lambda _: "seal completed")
    same = embedded("submitit's own work", some, cpus, the_same_function)
    theirs = with_submitit(some)
    cells = real_cells(5 if quick else 30, cpus)
    waits = latencies(cpus, 3 if quick else 20)
    first, later = poll_cost(cpus, many)
    peer = f"submitit, {some} jobs at once"
    return [
        Line(f"{some} short jobs that do what submitit's do", same.total_s, peer, theirs.total_s, note=_rate(same, theirs)),
        Line("memory of all processes, peak", same.tree_peak_mib, peer, theirs.tree_peak_mib, unit="MiB"),
        Line("processes at once, peak", same.processes_peak, peer, theirs.processes_peak, unit="processes"),
        Line(f"{many:,} queued short jobs, end to end", queue.total_s, note=f"{queue.per_s:.0f} jobs/s, scripts that seal an outcome"),
        Line(f"submitting {many:,} at once, per job", queue.submit_s / many, "submitit", theirs.submit_s / some),
        Line("memory of the daemon, peak", queue.daemon_peak_mib, "submitit's client", theirs.daemon_peak_mib, unit="MiB", note=f"{many:,} jobs"),
        Line("a cell in a kernel of its own, per job", cells.total_s / cells.jobs, "submitit", theirs.total_s / some, note=f"{cells.jobs} queued at once; submitit calls a function"),
        Line("submission to the first line of a job's script", statistics.median(waits)),
        Line(f"a look at {many:,} waiting jobs, first", first),
        Line(f"a look at {many:,} waiting jobs, later", later),
    ]  # fmt: skip


def _rate(ours: Row, theirs: Row) -> str:
    return f"{ours.per_s:.1f} jobs/s beside {theirs.per_s:.1f}"
