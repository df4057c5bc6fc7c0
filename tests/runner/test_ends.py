"""However a cell ends, its outputs so far are kept and the outcome says in one sentence how and why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from qhub_ext.capture.freeze import thaw
from qhub_ext.sites.embedded.processes import start_time
from tests.runner.conftest import RUNNER, Run, Workshop
from tests.waiting import wait_until


def test_an_error_names_its_line_and_what_exists_by_then_comes_back(workshop: Workshop) -> None:
    run = workshop.run("x = 1\nprint('before')\ny = x / 0\nz = 3\n")
    assert run.process is not None
    assert run.process.returncode == 1
    assert run.outcome["state"] == "failed"
    assert run.outcome["cause"] == "code"
    assert run.outcome["message"] == "ZeroDivisionError: division by zero (line 3 of the cell)."
    assert run.outcome["error"]["ename"] == "ZeroDivisionError"
    assert run.outcome["variables"] == ["x"]
    assert [o["output_type"] for o in run.outputs] == ["stream", "error"]


def test_a_syntax_error_is_an_error_of_the_cell(workshop: Workshop) -> None:
    run = workshop.run("x = 1\nif x\n    pass\n")
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "code")
    assert run.outcome["message"].startswith("SyntaxError: expected ':'")
    assert "line 2 of the cell" in run.outcome["message"]


def test_input_fails_with_advice_instead_of_waiting(workshop: Workshop) -> None:
    run = workshop.run("name = input('who? ')\n")
    assert run.outcome["message"].startswith("StdinNotImplementedError")
    assert "no keyboard" in run.outcome["advice"]


def test_a_magic_that_only_the_notebook_has_loaded_is_told_so(workshop: Workshop) -> None:
    run = workshop.run("%nosuch_magic f()\n")
    assert run.outcome["message"].startswith("UsageError: Line magic function `%nosuch_magic` not found")
    assert "put the %load_ext of this one into the cell" in run.outcome["advice"]


@pytest.mark.parametrize(
    ("statement", "state", "message"),
    [
        ("raise SystemExit", "completed", ""),
        ("import sys; sys.exit(0)", "completed", ""),
        ("import sys; sys.exit(3)", "failed", "The cell exited with code 3 (line 2 of the cell)."),
        ("exit()", "completed", ""),
    ],
)
def test_an_exit_is_judged_by_its_code(workshop: Workshop, statement: str, state: str, message: str) -> None:
    run = workshop.run(f"x = 1\n{statement}\n")
    assert (run.outcome["state"], run.outcome["message"]) == (state, message)
    assert run.outcome["variables"] == ["x"]
    if state == "completed":
        assert run.outputs == []


def test_os_exit_keeps_what_was_printed(workshop: Workshop) -> None:
    run = workshop.run("print('kept')\nimport os\nos._exit(3)\n")
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "code")
    assert "exited with code 3" in run.outcome["message"]
    assert run.text == "kept\n"
    assert run.attempt.notebook.exists()


def test_a_segmentation_fault_names_the_signal_and_the_place(workshop: Workshop) -> None:
    run = workshop.run("import ctypes\nprint('kept', flush=True)\nctypes.string_at(0)\n")
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "code")
    assert "SIGSEGV" in run.outcome["message"]
    assert "in string_at (ctypes/__init__.py, line " in run.outcome["message"]
    assert ", called from line 3 of the cell: `ctypes.string_at(0)`. What it had" in run.outcome["message"]
    assert "`notes` in outcome.json" in run.outcome["advice"]
    assert any("Segmentation fault" in note for note in run.outcome["notes"])
    assert run.text == "kept\n"


def test_a_kernel_killed_from_outside_is_told_apart_from_the_cell_s_own_fault(workshop: Workshop) -> None:
    run = workshop.start("import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(600)\n")
    os.kill(run.printed_number("pid"), signal.SIGKILL)
    run.wait()
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "unknown")
    assert "SIGKILL" in run.outcome["message"]
    assert "pid" in run.text


ENDLESS = "hoard = []\nprint('kept')\nwhile True: hoard.append(bytearray(10_000_000))\n"


def test_memory_without_end_ends_in_a_memory_error_with_its_line(workshop: Workshop) -> None:
    run = workshop.run(ENDLESS, memory_mb=512)
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "resources"), run.outcome
    assert "MemoryError" in run.outcome["message"]
    assert "line 3 of the cell" in run.outcome["message"]
    assert "512 MiB" in run.outcome["message"]
    assert "kept" in run.text


def test_memory_of_child_processes_counts_too(workshop: Workshop) -> None:
    cell = """
        import os, time
        for _ in range(4):
            if os.fork() == 0:
                hoard = os.urandom(1) * 400_000_000
                time.sleep(600)
        time.sleep(600)
    """
    run = workshop.run(_dedent(cell), memory_mb=512)
    assert (run.outcome["state"], run.outcome["cause"]) == ("failed", "resources"), run.outcome
    assert "512 MiB" in run.outcome["message"]


QISKIT = """
        import numpy as np
        from qiskit import QuantumCircuit
        from qiskit_aer import AerSimulator
        circuit = QuantumCircuit(10)
        circuit.h(range(10))
        circuit.measure_all()
        total = sum(AerSimulator().run(circuit, shots=100).result().get_counts().values())
        norm = float(np.linalg.norm(np.random.default_rng(1).random((400, 400)) @ np.ones((400, 400))) > 0)
"""


@pytest.mark.parametrize("memory_mb", [512, 800, 1000])
def test_qiskit_and_aer_work_under_a_memory_limit(workshop: Workshop, memory_mb: int) -> None:
    run = workshop.run(_dedent(QISKIT), memory_mb=memory_mb)
    assert run.outcome["state"] == "completed", (run.outcome, run.console)
    assert {"circuit", "norm", "total"} == set(run.outcome["variables"])


def test_a_kernel_that_has_qiskit_already_keeps_to_the_limit_of_its_job(workshop: Workshop) -> None:
    jobs = [workshop.folder(_dedent(QISKIT), memory_mb=512), workshop.folder(ENDLESS, memory_mb=512)]
    for folder in jobs:
        folder.attempt(1).path.mkdir(parents=True)
        words = ["--warm", "--like", str(folder.path), "--imports", "numpy,qiskit,qiskit_aer,qhub_ext.primitives"]
        order = json.dumps({"folder": str(folder.path), "attempt": 1}) + "\n"
        subprocess.run([*RUNNER, *words], input=order, capture_output=True, text=True, timeout=120, check=False)
    works, hoards = (Run(folder).outcome for folder in jobs)
    assert works["state"] == "completed", works
    assert (hoards["state"], hoards["cause"]) == ("failed", "resources")
    assert "MemoryError (line 3 of the cell). The job was given 512 MiB." in hoards["message"]


def test_a_fork_that_runs_on_to_the_end_of_the_cell_does_no_harm(workshop: Workshop) -> None:
    run = workshop.run("import os\npid = os.fork()\nprint('child' if pid == 0 else 'parent', flush=True)\nx = 1\n")
    assert run.outcome["state"] == "completed", run.outcome
    # since Python 3.12 a fork beside threads is warned of, as in every kernel
    assert sorted(line for line in run.text.split() if line in ("child", "parent")) == ["child", "parent"]


def test_background_children_do_not_outlive_the_job(workshop: Workshop) -> None:
    run = workshop.run("import subprocess\npid = subprocess.Popen(['sleep', '600']).pid\nprint(pid)\n")
    assert run.outcome["state"] == "completed", run.outcome
    pid = int(run.text.split()[0])
    wait_until(lambda: start_time(pid) is None, what="the end of the child")


def test_exit_handlers_run_and_open_files_are_flushed(workshop: Workshop) -> None:
    cell = "import atexit\natexit.register(print, 'at the very end')\natexit.register(display, 'and a picture')\nhandle = open('left-open', 'w')\nhandle.write('data')\n0\n"
    run = workshop.run(cell)
    assert "at the very end" in run.text
    assert "and a picture" in run.text
    assert (workshop.root / "left-open").read_text() == "data"


def test_a_killed_runner_takes_its_kernel_with_it_and_the_next_attempt_runs(workshop: Workshop) -> None:
    run = workshop.start(
        "import os, time\nprint('pid', os.getpid(), flush=True)\nif os.environ['QHUB_ATTEMPT'] == '1':\n    time.sleep(600)\n"
    )
    kernel = run.printed_number("pid")
    assert run.process is not None
    run.process.kill()
    run.process.wait()
    wait_until(lambda: start_time(kernel) is None, what="the end of the orphaned kernel")
    assert not run.attempt.outcome.exists()
    assert run.text.startswith("pid")
    again = workshop.start(run.folder, number=2).wait()
    assert again.outcome["state"] == "completed"


def test_a_torn_line_of_outputs_costs_that_line_only(workshop: Workshop) -> None:
    run = workshop.run("print('first')\n")
    with run.attempt.outputs.open("ab") as file:
        file.write(b'{"seq": 2, "kind": "str')
    assert run.text == "first\n"


def _dedent(cell: str) -> str:
    import textwrap

    return textwrap.dedent(cell)


def variables_of(run: Run) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    thaw(run.attempt.variables, namespace)
    return namespace
