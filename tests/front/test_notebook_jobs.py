"""A notebook submitted whole: through the command and the service, on the real embedded site and runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from qhub_ext.capture.request import Request
from qhub_ext.errors import QhubError
from qhub_ext.service import Job
from tests.front.conftest import Notebook, Place
from tests.waiting import wait_until

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def write(place: Place, name: str, *cells: Any, metadata: dict[str, Any] | None = None) -> Path:
    """A notebook of these cells; text is code."""
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    path = place.path / name
    nbformat.write(new_notebook(cells=made, metadata={**PYTHON, **(metadata or {})}), path)
    return path


def run(place: Place, path: Path, *words: str, code: int = 0) -> tuple[Job, Any]:
    """The job of `qhub run PATH --wait`, and the executed copy that `qhub outputs --notebook` writes."""
    facts = json.loads(place.command("run", str(path), "--wait", "--json", *words, code=code))
    copy = path.with_name(f"executed {path.name}")
    place.command("outputs", facts["short_id"], "--notebook", str(copy))
    return place.service.job(facts["id"]), nbformat.read(copy, 4)


def text(cell: Any) -> str:
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell["outputs"])


STUDY = [
    new_markdown_cell("# A study\n\nof *something*"),
    "%load_ext qhub_ext",
    "%qpu use emulation --device fez",
    new_raw_cell("left alone"),
    "import asyncio\nx = 20\nprint('first')\nx",
    "",
    "%%qpu --tier emulation --shots 300 --as job\nfrom qhub_ext import Sampler, backend\n"
    "from qiskit import QuantumCircuit, transpile\n"
    "circuit = QuantumCircuit(2)\ncircuit.h(0); circuit.cx(0, 1); circuit.measure_all()\n"
    "isa = transpile(circuit, backend(), seed_transpiler=1)\n"
    "counts = Sampler().run([isa]).result()[0].data.meas.get_counts()\n"
    "await asyncio.sleep(0)\nsum(counts.values())",
    "job.wait().result()['counts'] == counts, job['x'], sum(Sampler().run([isa]).result()[0].data.meas.get_counts().values())",
    "%%qpu\n%%capture held\nprint('caught')",
    "held.stdout, backend().name",
]


@pytest.fixture(scope="module")
def study(place: Place) -> tuple[Path, bytes, Job, Any]:
    path = write(place, "study.ipynb", *STUDY, metadata={"qhub": {"tier": "local"}, "author": "somebody"})
    notebook = nbformat.read(path, 4)
    notebook.cells[4].outputs = [new_output("stream", text="of an earlier run")]
    nbformat.write(notebook, path)
    before = path.read_bytes()
    return path, before, *run(place, path, "--shots", "500")


def test_every_code_cell_has_run_in_order_and_the_rest_is_kept(study: tuple[Path, bytes, Job, Any]) -> None:
    path, before, job, copy = study
    assert (job.state, job.record.spec.kind, job.record.spec.name) == ("completed", "notebook", "study.ipynb")
    assert [c["cell_type"] for c in copy.cells] == [c["cell_type"] for c in nbformat.read(path, 4).cells]
    assert copy.cells[0]["source"].startswith("# A study")
    assert [c["execution_count"] for c in copy.cells if c["cell_type"] == "code"] == [1, 2, 3, None, 4, 5, 6, 7]
    assert text(copy.cells[4]) == "first\n20"
    assert copy.metadata["author"] == "somebody"
    assert copy.metadata["qhub"] == {"tier": "local", "job": job.id, "attempt": 1}
    assert path.read_bytes() == before
    nbformat.validate(copy)


def test_a_qpu_cell_runs_in_place_on_the_tier_of_the_job(study: tuple[Path, bytes, Job, Any]) -> None:
    *_, job, copy = study
    assert job.record.spec.tier == "local"  # as its metadata says, since the command said nothing
    shown = text(copy.cells[6])
    assert "runs in place" in shown
    assert "on local, kingston: --tier emulation changes nothing" in shown
    assert shown.endswith("300")  # --shots is obeyed, for this cell
    assert text(copy.cells[7]) == "(True, 20, 500)"
    assert "does nothing here: this runs inside job" in text(copy.cells[2])
    assert "caught" not in text(copy.cells[8])
    assert "caught" in text(copy.cells[9])
    assert "kingston" in text(copy.cells[9])


def test_what_the_cells_bind_comes_back(study: tuple[Path, bytes, Job, Any]) -> None:
    *_, job, _copy = study
    assert job["x"] == 20
    assert sum(job["counts"].values()) == 300
    assert "job" not in job.results()
    assert job.record.attempt.phase_text == "cell 7 of 7"


def test_it_runs_in_the_folder_of_the_notebook(place: Place) -> None:
    folder = place.path / "sub folder"
    folder.mkdir()
    (folder / "beside.py").write_text("value = 7")
    path = write(
        place, "sub folder/here.ipynb", "import beside, os\nprint(beside.value, os.path.basename(os.getcwd()))"
    )
    job, _ = run(place, path)
    assert job.logs() == "7 sub folder\n"


def test_it_stops_at_the_first_error_and_says_in_which_cell(place: Place) -> None:
    path = write(place, "broken.ipynb", "def f():\n    return 1 / 0", "kept = 1", "x = 2\nf()", "never = 1")
    job, copy = run(place, path, code=1)
    attempt = job.record.attempt
    assert attempt.message == "ZeroDivisionError: division by zero (line 2 of cell 3 of 4)."
    assert (job.state, attempt.cause, attempt.phase_text) == ("failed", "code", "cell 3 of 4")
    assert [c["execution_count"] for c in copy.cells] == [1, 2, 3, None]
    assert copy.cells[2]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert copy.cells[3]["outputs"] == []
    assert job["kept"] == 1


def test_a_cell_that_may_raise_stops_nothing(place: Place) -> None:
    may = {"metadata": {"tags": ["raises-exception"]}}
    skipped = new_code_cell("1 / 0", metadata={"tags": ["skip-execution"]})
    path = write(
        place, "raising.ipynb", new_code_cell("1 / 0", **may), skipped, "print('on')", new_code_cell("[][0]", **may)
    )
    job, copy = run(place, path)
    assert job.state == "completed"
    kinds = [o["output_type"] for c in copy.cells for o in c["outputs"]]
    assert kinds == ["error", "stream", "error"]
    assert [c["execution_count"] for c in copy.cells] == [1, None, 2, 3]


def test_leaving_early_is_an_end_and_no_error(place: Place) -> None:
    job, _ = run(place, write(place, "leaving.ipynb", "print('a')", "exit()", "print('b')"))
    assert (job.state, job.logs()) == ("completed", "a\n")
    job, _ = run(place, write(place, "leaving3.ipynb", "import sys; sys.exit(3)", "2"), code=1)
    assert job.record.attempt.message.startswith("The notebook exited with code 3 (line 1 of cell 1 of 2)")


def test_a_process_that_dies_keeps_what_came_before(place: Place) -> None:
    job, copy = run(place, write(place, "dying.ipynb", "print('a')", "import os\nos._exit(7)", "3"), code=1)
    assert job.record.attempt.message.startswith("The process of cell 2 of 3 exited with code 7.")
    assert text(copy.cells[0]) == "a\n"


def test_outputs_stay_with_their_cells(place: Place) -> None:
    path = write(
        place, "outputs.ipynb",
        "from IPython.display import display, clear_output, HTML\nprint('kept')\nhandle = display('old', display_id=True)",
        "print('cleared')\nclear_output()\nprint('left')",
        "handle.update('new')\nprint('here')",
        "import ipywidgets\nipywidgets.IntSlider(value=3)",
    )  # fmt: skip
    job, copy = run(place, path)
    assert [text(c) for c in copy.cells[:3]] == ["kept\n'new'", "left\n", "here\n"]
    assert "IntSliderModel" in json.dumps(copy.metadata["widgets"])
    kinds = [o["output_type"] for o in job.outputs]
    assert kinds == ["stream", "display_data", "stream", "stream", "execute_result"]
    assert job.logs().startswith("kept\n'new'\nleft\nhere\n")


def test_its_progress_is_in_the_record_and_cancel_stops_it_there(place: Place) -> None:
    path = write(
        place, "long.ipynb", "print('begun')", "import time\nfor _ in range(600): time.sleep(0.1)", "print('no')"
    )
    service = place.service
    job = service.submit(service.draft_notebook(path, Request()))
    wait_until(lambda: job.record.attempt.phase_text == "cell 2 of 3", what="the second cell")
    wait_until(lambda: "begun" in job.logs(), what="the output of the first cell")
    assert "cell 2 of 3" in str(job)
    job.cancel()
    record = job.wait(120)
    assert record.state == "cancelled"
    assert record.attempt.message == "The job was cancelled; cell 2 of 3 was interrupted."
    assert "no" not in job.logs()


def test_an_interrupt_that_meets_the_kernel_just_before_the_cell_ends_it_though_nothing_answers(place: Place) -> None:
    before_it = """import time
kernel = get_ipython().kernel
told = kernel._publish_execute_input
def late(code, *more):
    told(code, *more)
    if code == 'print("no")':
        time.sleep(600)  # in the kernel's own code, where it catches an interrupt and forgets the request
kernel._publish_execute_input = late"""
    service = place.service
    job = service.submit(service.draft_notebook(write(place, "just before.ipynb", before_it, 'print("no")'), Request()))
    wait_until(lambda: job.record.attempt.phase_text == "cell 2 of 2", what="the second cell")
    job.cancel()
    record = job.wait(120)
    assert record.attempt.message == "The job was cancelled; cell 2 of 2 was interrupted."
    assert "no" not in job.logs()


def test_a_dry_run_tells_what_would_run(place: Place) -> None:
    told = place.command("run", str(write(place, "dry.ipynb", "1", "", "2")), "--dry-run")
    assert "The notebook goes along: 2 cells that run." in told
    assert "comes back: the executed notebook, and all that its cells bind" in told


def test_what_cannot_run_in_place_fails_where_it_stands(place: Place) -> None:
    cells = ["%load_ext qhub_ext", "%%qpu --tier local,qpu --as both\ny = 1", "len(both), both[0]['y']"]
    job, copy = run(place, write(place, "sweeping.ipynb", *cells, "%%qpu --sweep x=1,2\nx", "2"), code=1)
    assert "--sweep makes an array of jobs, and this cell runs in place" in job.record.attempt.message
    assert "(line 1 of cell 4 of 5)" in job.record.attempt.message
    assert text(copy.cells[2]) == "(1, 1)"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "bad.ipynb is not a notebook: it is not JSON."),
        ("[1]", "bad.ipynb is not a notebook: it names no notebook format."),
        ('{"nbformat": 4}', "bad.ipynb is not a notebook: it has no list of cells."),
        ('{"nbformat": 3, "worksheets": []}', "bad.ipynb is in notebook format 3, which is too old: jobs run format 4."),
        ('{"nbformat": 5, "cells": []}', "bad.ipynb is in notebook format 5, newer than this version knows (4)."),
        (
            '{"nbformat": 4, "cells": [], "metadata": {"kernelspec": {"language": "R", "name": "ir"}}}',
            "bad.ipynb is a notebook of r; jobs run notebooks of Python.",
        ),
        (
            '{"nbformat": 4, "cells": [], "metadata": {"language_info": {"name": "julia"}}}',
            "bad.ipynb is a notebook of julia; jobs run notebooks of Python.",
        ),
        ('{"nbformat": 4, "cells": [], "metadata": {}}', "bad.ipynb has no code cell to run: nothing was submitted."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_run_is_one_sentence(place: Place, content: str, said: str) -> None:
    path = place.path / "bad.ipynb"
    path.write_text(content)
    before = place.service.shelf.ids()
    told = place.command("run", str(path), code=2)
    assert said in told
    assert "Traceback" not in told
    assert place.service.shelf.ids() == before


def test_what_a_notebook_does_not_take_is_said(place: Place) -> None:
    path = write(place, "plain.ipynb", "1")
    service = place.service
    assert "takes no arguments" in place.command("run", str(path), "--", "--alpha", code=2)
    assert "--sweep sets a variable of a cell" in place.command("run", str(path), "--sweep", "x=1,2", code=2)
    assert "takes in one run" in place.command("run", str(path), "--shots", "10000000", code=2)
    with pytest.raises(QhubError, match="There is no file"):
        service.draft_notebook(place.path / "absent.ipynb", Request())
    chosen = write(place, "chosen.ipynb", "1", metadata={"qhub": {"tier": "moon"}})
    with pytest.raises(QhubError, match="There is no tier 'moon'"):
        service.draft_notebook(chosen, Request())
    assert service.draft_notebook(chosen, Request(tier="local")).spec.tier == "local"


def test_the_front_door_submits_a_notebook(notebook: Notebook, place: Place) -> None:
    path = write(place, "door.ipynb", "answer = 42", metadata={"qhub": {"device": "fez", "job": "of an executed copy"}})
    notebook.run(f"import qhub_ext\nsubmitted = qhub_ext.submit_notebook({str(path)!r}, shots=100)")
    assert notebook.ask("submitted.result()['answer'], submitted.record.spec.device") == "(42, 'fez')"
