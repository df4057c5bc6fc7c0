"""From just before the submission to the clock that the user's first line reads, when it has imported what it needs.

The floor is `python -c` with the same imports, from just before the process is started. A cold start forks the runner from the
site's template; the very first job of a site finds neither that nor a daemon.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qhub_ext.sites.embedded.processes import memory_mb
from tests.benchmarks.bench_prompt import place_of_its_own
from tests.benchmarks.line import Line, take_turns
from tests.waiting import wait_until

IMPORTS = "import numpy, qiskit, qiskit_aer, qhub_ext.primitives"
NOTHING = "pass"


def cell(imports: str, answer: Path) -> str:
    """Writes the moment at which its first line runs."""
    return (
        f"{imports}\nimport os, time\nmoment = time.time()\n"
        f"open({str(answer)!r} + '~', 'w').write(repr(moment))\nos.replace({str(answer)!r} + '~', {str(answer)!r})\n"
    )


def run_cell(text: str) -> None:
    """What submitit unpickles."""
    exec(text, {})


class Bench:
    def __init__(self, folder: Path) -> None:
        import submitit

        from qhub_ext.service import JobService

        self.folder = folder
        self.service = JobService()
        self.executor = submitit.LocalExecutor(folder / "submitit")
        self.executor._throttling = 0  # it would sleep 0.2 s before every submission but the first
        self.answers = 0

    def _until_answer(self, answer: Path, began: float) -> float:
        return (
            float(wait_until(lambda: answer.exists() and answer.read_text(), within_s=120, what="first line")) - began
        )  # type: ignore[arg-type]

    def _next(self) -> Path:
        self.answers += 1
        return self.folder / f"answer-{self.answers}"

    def ours(self, imports: str, *, cold: bool) -> float:
        from qhub_ext.capture.request import Request

        answer = self._next()
        text = cell(imports, answer)
        self.until_warm()
        began = time.time()
        job = self.service.submit(self.service.draft(Request(cold=cold, shots=1024), text, {}))
        taken = self._until_answer(answer, began)
        job.wait(60)
        attempt = job.folder.latest_attempt()
        assert attempt is not None
        how = json.loads(attempt.launch.read_text())["how"]
        assert how == ("forked" if cold else "warm"), f"the job started {how}"
        return taken

    def first_of_a_site(self, imports: str) -> float:
        """Its daemon begins with it."""
        from qhub_ext.capture.request import Request
        from qhub_ext.service import JobService

        self.until_warm()
        answer = self._next()
        os.environ["QHUB_EMBEDDED_DIRECTORY"] = str(self.folder / f"site-{self.answers}")
        service = JobService()
        began = time.time()
        job = service.submit(service.draft(Request(shots=1024), cell(imports, answer), {}))
        taken = self._until_answer(answer, began)
        job.wait(60)
        daemon = service.site().daemon.process()  # type: ignore[attr-defined]
        daemon.send(signal.SIGTERM)
        wait_until(lambda: not daemon.lives(), what="the end of that daemon")
        return taken

    def template_mib(self) -> float:
        (template,) = self.service.site().daemon.kept()["template"]  # type: ignore[attr-defined]
        return memory_mb(template.pid)

    def until_warm(self) -> None:
        """No kernel is booting, and one is ready, beside whatever is measured."""
        log = self.service.site().spool.log  # type: ignore[attr-defined]

        def ready() -> bool:
            text = log.read_text() if log.exists() else ""
            return text.count("a warm kernel is ready") > self.warm_taken()

        wait_until(ready, within_s=120, what="a warm kernel")

    def warm_taken(self) -> int:
        found = 0
        for job_id in self.service.shelf.ids():
            attempt = self.service.shelf.folder(job_id).latest_attempt()
            with contextlib.suppress(AttributeError, FileNotFoundError):
                found += json.loads(attempt.launch.read_text())["how"] == "warm"  # type: ignore[union-attr]
        return found

    def warm_up(self) -> None:
        """The first job of a site is cold, and tells which kernel to keep ready."""
        from qhub_ext.capture.request import Request

        self.service.submit(self.service.draft(Request(shots=1024), "pass", {})).wait(120)

    def with_submitit(self, imports: str) -> float:
        answer = self._next()
        self.until_warm()
        began = time.time()
        job = self.executor.submit(run_cell, cell(imports, answer))
        taken = self._until_answer(answer, began)
        job.result()
        return taken

    def floor(self, imports: str) -> float:
        answer = self._next()
        self.until_warm()
        began = time.time()
        subprocess.run([sys.executable, "-c", cell(imports, answer)], check=True)
        return self._until_answer(answer, began)


def lines(quick: bool) -> list[Line]:
    with place_of_its_own() as folder:
        os.environ["QHUB_EMBEDDED_WARM_KERNELS"] = "1"
        bench = Bench(folder)
        bench.warm_up()

        def turns(imports: str, rounds: int) -> list[float]:
            sides: list[Callable[[], Any]] = [
                lambda: bench.ours(imports, cold=True),
                lambda: bench.floor(imports),
                lambda: bench.with_submitit(imports),
                lambda: bench.ours(imports, cold=False),
            ]
            return take_turns(*sides, rounds=1 if quick else rounds)

        cold, floor, submitit, warm = turns(IMPORTS, 11)
        bare_cold, bare_floor, bare_submitit, bare_warm = turns(NOTHING, 5)
        memory = bench.template_mib()
        first, first_floor = take_turns(
            lambda: bench.first_of_a_site(IMPORTS), lambda: bench.floor(IMPORTS), rounds=1 if quick else 5
        )
    same = "numpy, qiskit, qiskit_aer and qhub_ext.primitives imported"
    python = "`python -c` with the same imports"
    return [
        Line("cold start", cold, python, floor, ratio_at_most=1.2, note=same),
        Line("cold start", cold, "submitit", submitit, ratio_at_most=1.2, note=same),
        Line("memory of the template that cold starts fork from", memory, unit="MiB"),
        Line("the very first job of a site", first, python, first_floor, note=f"{same}; the daemon begins, nothing is kept ready"),
        Line("from a kernel kept ready", warm, python, floor, ratio_at_most=0.2, note=same),
        Line("from a kernel kept ready", warm, "submitit", submitit, note=same),
        Line("cold start of a cell that imports nothing", bare_cold, "`python -c pass`", bare_floor, note="a kernel boots"),
        Line("cold start of a cell that imports nothing", bare_cold, "submitit", bare_submitit),
        Line("from a kernel kept ready, a cell that imports nothing", bare_warm, "submitit", bare_submitit),
    ]  # fmt: skip
