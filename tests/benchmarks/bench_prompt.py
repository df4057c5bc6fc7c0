"""Time to the prompt for `%%qpu`, side by side with submitit: python -m tests.benchmarks.bench_prompt [--json FILE]

Both hand the same work to a scheduler of this machine: a circuit of 20 qubits and some 750 operations, captured from the notebook. Each line
is a median of interleaved repeats in one process; what was submitted is cancelled, and gone, before the next measurement.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from qiskit.circuit import QuantumCircuit

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
    from qhub_ext.service import JobService
    from qhub_ext.settings import load_settings
    from qhub_ext.sites.embedded.site import EmbeddedSite
    from tests.sites.workshop import Workshop, sweep_up

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
        finally:
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
    began = time.perf_counter()
    side.submit()
    taken = time.perf_counter() - began
    side.clear()
    return taken


def parts(circuit: QuantumCircuit, folder: Path, repeats: int) -> dict[str, float]:
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
    found: dict[str, float] = {}
    for name, step in steps.items():
        step()
        taken = []
        for _ in range(repeats):
            began = time.perf_counter()
            step()
            taken.append(time.perf_counter() - began)
        found[name] = statistics.median(taken)
    return found


def measure(repeats: int) -> dict[str, Any]:
    with place_of_its_own() as folder:
        circuit = wide_circuit()
        notebook, submitit = Notebook(), Submitit(folder, circuit)
        first = {"ours_s": timed(notebook), "theirs_s": timed(submitit)}
        pairs = [(timed(notebook), timed(submitit)) for _ in range(repeats)]
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        return {
            "operations": sum(circuit.count_ops().values()),
            "repeats": repeats,
            "first": first,
            "ours_s": ours,
            "theirs_s": theirs,
            "ratio": theirs / ours,
            "parts_s": parts(circuit, folder, repeats),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = measure(given.repeats)
    print(
        f"Time to the prompt, circuit of 20 qubits and {found['operations']} operations, median of {found['repeats']}, in ms"
    )
    print(
        f"  first %%qpu of a notebook        {1e3 * found['first']['ours_s']:8.1f}   submitit, first {1e3 * found['first']['theirs_s']:8.1f}"
    )
    print(
        f"  %%qpu                            {1e3 * found['ours_s']:8.1f}   submitit        {1e3 * found['theirs_s']:8.1f}"
    )
    for name, seconds in found["parts_s"].items():
        print(f"    {name:<30} {1e3 * seconds:8.2f}")
    print(f"  submitit / %%qpu: {found['ratio']:.2f} (wanted: at least 1)")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if found["ratio"] >= 1 else 1


if __name__ == "__main__":
    raise SystemExit(main())
