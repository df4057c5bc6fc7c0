"""What the server extension costs JupyterLab: start and memory, beside it without and beside its peers; and how quick it answers.

All servers run the same Python with the same packages; only the list of enabled extensions differs. The peers are installed
into a temporary folder; where that cannot be done, their columns stay empty.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qhub_ext.job.identity import new_job_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import append_once
from qhub_ext.jobfolder.layout import JobFolder
from tests.benchmarks.bench_listing import finished_job
from tests.benchmarks.line import Line, quantity
from tests.server.process import TOKEN, Server, server

ROOT = Path(__file__).parents[2]
PEERS = {"jupyter_scheduler": "jupyter-scheduler", "jupyterlab_slurm": "jupyterlab-slurm"}
QUIET = ("jupyter_lsp", "notebook_shim", "jupyter_server_terminals", "qhub_ext", *PEERS)
PAGES = {
    None: ("api/status",),
    "qhub_ext": ("qhub_ext/status", "qhub_ext/jobs", "qhub_ext/devices", "qhub_ext/queue"),
    "jupyter_scheduler": ("scheduler/jobs", "scheduler/job_definitions"),
    "jupyterlab_slurm": (),  # its first request runs squeue, which is not its memory
}
COMMON = ("api/kernelspecs", "api/contents", "lab/api/settings")
"""What every page of JupyterLab asks, and SETTLE_S for what a server still does after its start: neither is the extension's."""
SETTLE_S = 2.0
START_S, MEMORY_MB, HINT_S, PAGE_S = 0.050, 15.0, 0.100, 0.100


@dataclass
class Cost:
    """Of each round: s to the first answer, s of CPU until then, MiB (PSS) then and after a round of requests."""

    start_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    idle_mb: list[float] = field(default_factory=list)
    used_mb: list[float] = field(default_factory=list)


def measure_once(extension: str | None, cost: Cost, place: Path) -> None:
    only = {name: name == extension for name in QUIET}
    (place / "config").mkdir(parents=True, exist_ok=True)
    settings = json.dumps({"ServerApp": {"jpserver_extensions": only}})
    (place / "config" / "jupyter_server_config.json").write_text(settings)
    began = time.perf_counter()
    with server(place, ["--no-browser"], module="jupyterlab", every_s=0.002) as one:
        cost.start_s.append(time.perf_counter() - began)
        cost.cpu_s.append(cpu_s(one.process.pid))
        for page in COMMON:
            one.get(page)
        time.sleep(SETTLE_S)
        cost.idle_mb.append(pss_mb(one.process.pid))
        for page in PAGES[extension]:
            one.get(page)
        cost.used_mb.append(pss_mb(one.process.pid))


# a server with JupyterLab loaded takes one more extension: import, settings, handlers
LOAD = """
import sys, time, warnings
from jupyter_server.serverapp import ServerApp
warnings.simplefilter("ignore")
app = ServerApp()
app.initialize(["--ServerApp.port=0", "--ServerApp.log_level=ERROR"], find_extensions=False, new_httpserver=False)
def load(name):
    began = time.perf_counter()
    app.extension_manager.add_extension(name, enabled=True)
    app.extension_manager.link_extension(name)
    app.extension_manager.load_extension(name)
    took = time.perf_counter() - began
    assert app.extension_manager.extensions[name].enabled
    return took
load("jupyterlab")
print(load(sys.argv[1]))
"""


def load_s(extension: str, place: Path) -> float:
    (place / "data").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **{f"JUPYTER_{n}_DIR": str(place / n.lower()) for n in ("CONFIG", "DATA", "RUNTIME")}}
    command = [sys.executable, "-c", LOAD, extension]
    done = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def cpu_s(pid: int) -> float:
    """Of all its threads that live, to the nanosecond; threads that have ended are few at a start."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def pss_mb(pid: int) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


@contextmanager
def peers_installed() -> Iterator[list[str]]:
    """Names of the peers that can be imported within."""
    with tempfile.TemporaryDirectory(prefix="peers") as folder:
        uv = Path(sys.executable).with_name("uv")
        command = [str(uv), "pip", "install", "-q", "--python", sys.executable, "--target", folder]
        done = subprocess.run(
            [*command, "-c", str(ROOT / "constraints.txt"), *PEERS.values()],
            capture_output=True,
            text=True,
            check=False,
        )
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), folder])
        compile_all = [sys.executable, "-m", "compileall", "-q", folder]
        subprocess.run(compile_all, capture_output=True, check=False)
        try:
            yield list(PEERS) if done.returncode == 0 else []
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before


def added(cost: Cost, base: Cost, what: str) -> float:
    """The median over rounds of what one costs more than none, in the same round."""
    return statistics.median(a - b for a, b in zip(getattr(cost, what), getattr(base, what), strict=True))


def costs(rounds: int) -> list[Line]:
    with peers_installed() as peers, tempfile.TemporaryDirectory(prefix="server") as folder:
        kinds: list[str | None] = [None, "qhub_ext", *peers]
        found = {kind: Cost() for kind in kinds}
        for kind in kinds:  # bytecode, caches
            measure_once(kind, Cost(), Path(folder) / str(kind))
        loaded: dict[str, list[float]] = {kind: [] for kind in kinds if kind}
        for _ in range(rounds):
            for kind, times in loaded.items():
                times.append(load_s(kind, Path(folder) / f"load {kind}"))
        for number in range(rounds):
            first = number % len(kinds)  # whoever comes first in a round is quicker or slower for that alone
            for kind in kinds[first:] + kinds[:first]:
                measure_once(kind, found[kind], Path(folder) / str(kind))
    base = found[None]
    note = f"JupyterLab alone: {quantity(statistics.median(base.cpu_s), 's')} and {statistics.median(base.idle_mb):.0f} MiB"
    times = {kind: statistics.median(taken) for kind, taken in loaded.items()}
    lines = [Line("the extension is loaded by a server that has JupyterLab", times["qhub_ext"], at_most=START_S)]
    lines += [Line(lines[0].what, times["qhub_ext"], PEERS[peer], times[peer]) for peer in peers]
    for what, title, unit, bound in (
        # differences of seconds, that a busy machine drowns: the load above is what they consist of
        ("cpu_s", "added to the start of JupyterLab, CPU time", "s", None),
        ("start_s", "added to the start of JupyterLab, by the clock", "s", None),
        ("idle_mb", "added to its memory when it has started", "MiB", MEMORY_MB),
        ("used_mb", "added to its memory after the first requests", "MiB", MEMORY_MB),
    ):
        ours = added(found["qhub_ext"], base, what)
        lines.append(Line(title, ours, unit=unit, at_most=bound, note=note if what == "cpu_s" else ""))
        beside = [peer for peer in peers if what != "used_mb" or PAGES[peer]]
        lines += [Line(title, ours, PEERS[peer], added(found[peer], base, what), unit=unit) for peer in beside]
    return lines


def quickness(count: int, rounds: int) -> list[Line]:
    """A shelf with many finished jobs: pages, and from a state in a journal to the hint at a subscriber."""
    with tempfile.TemporaryDirectory(prefix="server") as folder:
        place = Path(folder)
        now = time.time()
        for number in range(count):
            finished_job(place / "jobs", number, now)
        (place / "config").mkdir()
        only = {"ServerApp": {"jpserver_extensions": {name: name == "qhub_ext" for name in QUIET}}}
        (place / "config" / "jupyter_server_config.json").write_text(json.dumps(only))
        with server(place) as one:
            began = time.perf_counter()
            one.get("qhub_ext/jobs")
            cold = time.perf_counter() - began
        with server(place) as one:
            first = timed(lambda: one.get("qhub_ext/status"))
            page = statistics.median(timed(lambda: one.get("qhub_ext/jobs")) for _ in range(rounds))
            search = statistics.median(timed(lambda: one.get("qhub_ext/jobs", text="job 77")) for _ in range(rounds))
            last = statistics.median(timed(lambda: one.get("qhub_ext/jobs", offset=count - 100)) for _ in range(rounds))
            hints = statistics.median(hint_times(one, place / "jobs", rounds))
    what = f"{count:,} finished jobs"
    return [
        Line("a state written into a job folder, to the hint at a subscriber", hints, at_most=HINT_S, note=what),
        Line("first page of jobs", page, at_most=PAGE_S, note=what),
        Line("last page of jobs", last, at_most=PAGE_S, note=what),
        Line("search among jobs", search, at_most=PAGE_S, note=what),
        Line("very first request to a server", first, note=f"{what}, modules are loaded and the index is read"),
        Line("the same before there is an index", cold, note=what),
    ]


def timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def hint_times(one: Server, shelf: Path, rounds: int) -> list[float]:
    """Each of a job of its own, which waits until its runner writes that it runs."""
    import websocket

    address = one.url.replace("http", "ws", 1) + "api/events/subscribe"
    found = []
    header = [f"Authorization: token {TOKEN}"]
    with closing(websocket.create_connection(address, timeout=30, header=header)) as socket:
        for _ in range(rounds):
            folder = waiting_job(shelf)
            wait_for_hint(socket, folder.id)
            time.sleep(0.3)  # a pause that no look is in step with
            began = time.perf_counter()
            append_once(folder.journal("runner"), "state", state="running", attempt=1)
            wait_for_hint(socket, folder.id, "running")
            found.append(time.perf_counter() - began)
    return found


def wait_for_hint(socket: Any, job_id: str, state: str = "") -> None:
    while True:
        hint = json.loads(socket.recv())
        if hint["id"] == job_id and (not state or hint["state"] == state):
            return


def waiting_job(shelf: Path) -> JobFolder:
    """As the service leaves it, renamed into place when it is whole."""
    job_id = new_job_id()
    draft = JobFolder(shelf / f".new-{job_id}")
    draft.journals.mkdir(parents=True)
    spec = JobSpec(id=job_id, name="a job", tier="local", device="kingston", created_at=time.time(), owner="me")
    draft.spec.write_text(json.dumps(spec.to_json()))
    append_once(draft.journal("client"), "state", state=State.SUBMITTED.value, attempt=1)
    draft.path.rename(shelf / job_id)
    return JobFolder(shelf / job_id)


def lines(quick: bool) -> Sequence[Line]:
    count, rounds = (500, 2) if quick else (10_000, 12)
    return [*costs(rounds), *quickness(count, 3 * rounds)]
