"""A notebook in the runner: its cells one after the other, in one kernel, until one fails or somebody asks for the end."""

from __future__ import annotations

import json
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from qhub_ext.jobfolder.layout import JobFolder
from tests.runner.conftest import Run, Workshop
from tests.waiting import wait_until

MAY = {"tags": ["raises-exception"]}


def folder(workshop: Workshop, *cells: Any, **spec: Any) -> JobFolder:
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    found = workshop.folder("# its code", kind="notebook", **spec)
    found.notebook.write_text(json.dumps(new_notebook(cells=made)))
    return found


def printed(run: Run) -> list[str]:
    """What each cell of the sealed copy printed."""
    sealed = nbformat.read(run.attempt.notebook, 4)
    return ["".join(o.get("text", "") for o in cell.outputs) for cell in sealed.cells]


def test_an_interrupt_is_the_end_even_of_a_notebook_whose_cells_may_raise(workshop: Workshop) -> None:
    slow = "import time\ntry:\n    print('begun', flush=True)\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    print('caught')"
    run = workshop.start(folder(workshop, "print('a')", new_code_cell(slow, metadata=MAY), "print('never')"))
    run.until_it_prints("begun")
    run.stop("cancel").wait()
    assert run.outcome["state"] == "cancelled"
    assert run.outcome["message"] == "The job was cancelled; cell 2 of 3 was interrupted."
    assert printed(run) == ["a\n", "begun\ncaught\n", ""]


def test_each_output_stays_with_its_cell_when_the_limit_cuts(workshop: Workshop) -> None:
    cells = ["print('x' * 40)", "for _ in range(400): print('y' * 10_000)", "print('the end')"]
    run = workshop.run(folder(workshop, *cells, output_limit_mb=1))
    first, second, last = printed(run)
    assert first == "x" * 40 + "\n"
    assert "of more than 1.0 MiB in all, the middle is cut" in second
    assert len(second) < 1_300_000
    assert last.endswith("the end\n")
    assert run.outcome["state"] == "completed"


def test_a_crash_in_a_function_of_an_earlier_cell_is_told_by_the_cell_that_called_it(workshop: Workshop) -> None:
    crash = "import ctypes\n\ndef crash():\n    ctypes.string_at(0)"
    run = workshop.run(folder(workshop, crash, "x = 1\ncrash()", "print('never')"))
    message = run.outcome["message"]
    assert "The process of cell 2 of 3 crashed with SIGSEGV" in message
    assert "called from line 2 of cell 2 of 3: `crash()`" in message


def test_what_a_thread_prints_later_goes_to_the_cell_that_started_it(workshop: Workshop) -> None:
    late = (
        "import threading, time\ngo = threading.Event()\n"
        "def later():\n    go.wait(600)\n    print('late', flush=True)\n"
        "thread = threading.Thread(target=later)\nthread.start()"
    )
    run = workshop.run(folder(workshop, late, "print('here')", "go.set(); thread.join(); import time; time.sleep(0.3)"))
    assert sum("late" in text for text in printed(run)) == 1
    assert printed(run)[1] == "here\n"


def test_where_it_is_stands_in_the_journal(workshop: Workshop) -> None:
    run = workshop.start(folder(workshop, "1", "import time\nprint('two', flush=True)\ntime.sleep(600)"))
    run.until_it_prints("two")
    wait_until(lambda: [e["text"] for e in run.events if e["kind"] == "phase"][1:] == ["cell 1 of 2", "cell 2 of 2"])
    run.stop("cancel").wait()


def test_a_syntax_error_is_told_with_its_cell(workshop: Workshop) -> None:
    run = workshop.run(folder(workshop, "a = 1", "b = (\nc"))
    assert run.outcome["state"] == "failed"
    assert "SyntaxError" in run.outcome["message"]
    assert "of cell 2 of 2" in run.outcome["message"]
