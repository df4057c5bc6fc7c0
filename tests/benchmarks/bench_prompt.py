"""Time to the prompt for `%%qpu`, side by side with submitit.

Both hand the same work to a scheduler of this machine: a circuit of 20 qubits and some 750 operations, captured from the notebook. Ours goes
through IPython and includes the card under the cell. What was submitted is cancelled, and gone, before the next measurement.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from qiskit.circuit import QuantumCircuit

from tests.benchmarks.line import Line, seconds, take_turns

CELL = """\
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend
isa = generate_preset_pass_manager(3, backend=backend()).run(circuit)
counts = Sampler().run([isa]).result()[0].data.meas.get_counts()
"""


def wide_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(20)
    for layer in range(12):
        for qubit in range(20):
            circuit.ry(0.1 * (qubit + layer), qubit)
            circuit.rz(0.3 * qubit, qubit)
        for qubit in range(19):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def as_submitit_users_write_it(circuit: QuantumCircuit) -> dict[str, int]:
    from qiskit.transpiler import generate_preset_pass_manager

    from qhub_ext import Sampler, backend

    isa = generate_preset_pass_manager(3, backend=backend()).run(circuit)
    return dict(Sampler().run([isa]).result()[0].data.meas.get_counts())


@contextlib.contextmanager
def place_of_its_own() -> Iterator[Path]:
    """Shelf, queue and caches under one folder that is gone afterwards, with everything that was started there."""
    with tempfile.TemporaryDirectory(prefix="qhub-bench-", ignore_cleanup_errors=True) as name:
        path = Path(name)
        before = dict(os.environ)
        os.environ |= {
            "QHUB_SHELF": str(path / "jobs"),
            "QHUB_CACHE": str(path / "cache"),
            "QHUB_EMBEDDED_DIRECTORY": str(path / "site"),
            # a kernel kept ready would start beside every measurement of either side
            "QHUB_EMBEDDED_WARM_KERNELS": "0",
        }
        try:
            yield path
        finally:  # imported here: a first submission pays for its own imports
            from qhub_ext.service import JobService
            from qhub_ext.settings import load_settings
            from qhub_ext.sites.embedded.site import EmbeddedSite
            from tests.sites.workshop import Workshop, sweep_up

            settings = load_settings()
            service = JobService(settings)
            folders = [service.job(job_id).folder for job_id in service.shelf.ids()]
            sweep_up(Workshop(settings, EmbeddedSite(settings), folders))
            os.environ.clear()
            os.environ |= before


class Notebook:
    """An IPython shell with the magics; `submit` is what happens between Enter and the next prompt."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        self.shell = InteractiveShell.instance()
        self.shell.run_line_magic("load_ext", "qhub_ext")
        self.shell.user_ns["circuit"] = wide_circuit()
        self.job: Any = None

    def submit(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            ended = self.shell.run_cell(f"%%qpu --tier local --shots 1024 --as job\n{CELL}")
        ended.raise_error()
        self.job = self.shell.user_ns["job"]

    def clear(self) -> None:
        from qhub_ext.job.state import State
        from tests.waiting import wait_until

        self.job.cancel()
        wait_until(lambda: State(self.job.state).final, what="the end of a cancelled job")


class Submitit:
    def __init__(self, folder: Path, circuit: QuantumCircuit) -> None:
        import submitit

        self.executor = submitit.LocalExecutor(folder / "submitit")
        self.executor.update_parameters(timeout_min=5)
        self.executor._throttling = 0  # it would sleep 0.2 s before every submission but the first
        self.circuit = circuit
        self.job: Any = None

    def submit(self) -> None:
        self.job = self.executor.submit(as_submitit_users_write_it, self.circuit)

    def clear(self) -> None:
        controller = psutil.Process(self.job._process.pid)
        for process in (*controller.children(recursive=True), controller):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.job._process.wait()


def timed(side: Any) -> float:
    taken = seconds(side.submit)
    side.clear()
    return taken


def parts(circuit: QuantumCircuit, folder: Path, rounds: int) -> dict[str, float]:
    """Medians of what capture does of it, in s."""
    from qhub_ext.capture.command import parse_line
    from qhub_ext.capture.freeze import freeze
    from qhub_ext.capture.names import analyse
    from qhub_ext.capture.runtime import record_runtime
    from qhub_ext.settings import current_settings

    namespace = {"circuit": circuit}
    settings = current_settings()
    frozen = freeze(["circuit"], namespace, limit_mb=16)
    number = iter(range(10_000))
    steps = {
        "read the line": lambda: parse_line("--tier local --shots 1024 --as job", namespace),
        "read the cell": lambda: analyse(CELL, namespace),
        "freeze the circuit": lambda: freeze(["circuit"], namespace, limit_mb=16),
        "write its files": lambda: frozen.write(folder / f"frozen-{next(number)}"),
        "record the runtime": lambda: record_runtime(settings),
    }
    return {name: statistics.median(seconds(step) for _ in range(rounds)) for name, step in steps.items()}


FIRST = {
    "ours": """
from tests.benchmarks.bench_prompt import Notebook, timed, place_of_its_own
with place_of_its_own():
    print(timed(Notebook()))
""",
    "theirs": """
import tempfile; from pathlib import Path
from tests.benchmarks.bench_prompt import Submitit, timed, seconds, wide_circuit
circuit = wide_circuit()
with tempfile.TemporaryDirectory() as folder:
    made = []
    preparing = seconds(lambda: made.append(Submitit(Path(folder), circuit)))
    print(preparing + timed(made[0]))
""",
}


def first(side: str) -> float:
    """Seconds of the first submission of a process that has qiskit and ipykernel already, as a notebook has."""
    code = f"import ipykernel.kernelapp\n{FIRST[side]}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def lines(quick: bool) -> list[Line]:
    with place_of_its_own() as folder:
        circuit = wide_circuit()
        notebook, submitit = Notebook(), Submitit(folder, circuit)
        timed(notebook), timed(submitit)
        ours, theirs = take_turns(lambda: timed(notebook), lambda: timed(submitit), rounds=5 if quick else 31)
        found = parts(circuit, folder, 5 if quick else 31)
    first_ours, first_theirs = take_turns(lambda: first("ours"), lambda: first("theirs"), rounds=1 if quick else 5)
    told = ", ".join(f"{name} {1e3 * taken:.1f} ms" for name, taken in found.items())
    return [
        Line(
            f"`%%qpu` with a circuit of 20 qubits and {sum(circuit.count_ops().values())} operations",
            ours, "submitit", theirs, ratio_at_most=1.0, note=f"of which {told}",
        ),
        Line(
            "the first `%%qpu` of a notebook",
            first_ours, "submitit, import and first submission", first_theirs,
            note="modules are loaded and the daemon is started",
        ),
    ]  # fmt: skip
