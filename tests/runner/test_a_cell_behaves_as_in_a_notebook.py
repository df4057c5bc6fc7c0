"""One rich cell is run once; each test looks at one thing in what came back."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from qhub_ext.capture.freeze import thaw
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.outputs import OutputReader, read_notebook, text_of_message
from tests.runner.conftest import Run, Workshop

CELL = """
import os, subprocess, sys, threading, time
import asyncio
from math import pi
from IPython.display import HTML, display, update_display, clear_output
import ipywidgets as widgets
print("gone")
clear_output()
print("first line")

async def later():
    await asyncio.sleep(0)
    return 41
awaited = await later() + 1

!echo from the shell
os.write(1, b"from descriptor one\\n")
os.write(2, b"from descriptor two\\n")
subprocess.run(["echo", "from a child"], check=True)
subprocess.run(["echo", "from a child with stdout named"], stdout=sys.stdout, check=True)
threads = [threading.Thread(target=print, args=(f"from thread {n}",)) for n in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
del thread, threads

child = os.fork()
if child == 0:
    print("from a fork", flush=True)
    os._exit(0)
os.waitpid(child, 0)

handle = display(HTML("<b>before</b>"), display_id=True)
handle.update(HTML("<b>after</b>"))

slider = widgets.IntSlider(value=3)
slider.value = 7
display(slider)
box = widgets.Output()
with box:
    print("inside the box")
    display(HTML("<i>boxed</i>"))
display(box)

get_ipython().run_cell_magic("capture", "captured", "print('into the bag')")
get_ipython().run_line_magic("timeit", "-n1 -r1 sum(range(10))")
print("unicode \\u2135 \\U0001f4a1 and a lone \\ud800 surrogate")
class Point:
    def __init__(self, x): self.x = x
point = Point(pi)
generator = (n for n in range(3))
_private = 1
print("name", __name__)

import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
awaited
"""


@pytest.fixture(scope="module")
def run(shared_workshop: Workshop) -> Run:
    return shared_workshop.run(CELL, extra={"JPY_SESSION_NAME": "elsewhere", "PYTHONSTARTUP": "/nonexistent"})


def test_a_cell_with_all_of_this_completes(run: Run) -> None:
    assert run.outcome["state"] == "completed", (run.outcome, run.console)
    assert run.process is not None
    assert run.process.returncode == 0
    assert run.outcome["error"] is None


@pytest.mark.parametrize(
    "line",
    [
        "first line",
        "from the shell",
        "from descriptor one",
        "from descriptor two",
        "from a child",
        "from a child with stdout named",
        "from thread 0",
        "from thread 2",
        "from a fork",
        "unicode \u2135 \U0001f4a1",
        "name __main__",
        "per loop",
    ],
)
def test_what_is_printed_comes_back_from_everywhere(run: Run, line: str) -> None:
    assert line in run.text


def test_a_cleared_output_is_gone(run: Run) -> None:
    assert "gone" not in run.text


def test_an_updated_display_shows_its_last_state(run: Run) -> None:
    pages = [o["data"]["text/html"] for o in run.outputs if "text/html" in o.get("data", {})]
    assert pages == ["<b>after</b>"]


def test_a_figure_is_shown_without_asking(run: Run) -> None:
    assert any("image/png" in o.get("data", {}) for o in run.outputs)


def test_the_last_expression_is_the_result(run: Run) -> None:
    results = [o for o in run.outputs if o["output_type"] == "execute_result"]
    assert [r["data"]["text/plain"] for r in results] == ["42"]


def test_what_an_output_widget_took_is_in_its_state_and_not_in_the_cell(run: Run) -> None:
    assert "inside the box" not in run.text
    widget = next(w for w in _widgets(run).values() if w["model_name"] == "OutputModel")
    shown = widget["state"]["outputs"]
    assert shown[0] == {"output_type": "stream", "name": "stdout", "text": "inside the box\n"}
    assert shown[1]["data"]["text/html"] == "<i>boxed</i>"


def test_the_notebook_keeps_the_last_state_of_widgets(run: Run) -> None:
    sliders = [w for w in _widgets(run).values() if w["model_name"] == "IntSliderModel"]
    assert [s["state"]["value"] for s in sliders] == [7]


def test_the_sealed_notebook_is_valid_and_has_the_cell(run: Run) -> None:
    notebook = nbformat.read(run.attempt.notebook, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source == CELL
    assert notebook.cells[0].execution_count == 1
    assert [dict(o) for o in notebook.cells[0].outputs] == run.outputs


def test_names_that_the_cell_bound_come_back_and_imports_do_not(run: Run) -> None:
    back = set(run.outcome["variables"])
    assert {"awaited", "point"} <= back
    assert not back & {"os", "plt", "pi", "HTML", "display", "_private", "clear_output"}
    namespace: dict[str, Any] = {}
    thaw(run.attempt.variables, namespace, ["awaited"])
    assert namespace["awaited"] == 42


def test_a_value_that_cannot_travel_is_a_note_and_not_a_failure(run: Run) -> None:
    assert "generator" not in run.outcome["variables"]
    assert any("generator" in note for note in run.outcome["notes"])


def test_the_journal_tells_the_states_in_order(run: Run) -> None:
    states = [e["state"] for e in run.events if e["kind"] == "state"]
    assert states == ["running", "finishing"]
    assert [e["phase"] for e in run.events if e["kind"] == "phase"] == ["node"]


def test_each_phase_is_timed(run: Run) -> None:
    assert {"boot_s", "environment_s", "execute_s", "seal_s", "total_s"} <= set(run.outcome["timings_s"])


def test_a_reader_that_follows_sees_every_message_once(run: Run) -> None:
    reader = OutputReader(run.attempt)
    messages = reader.read_new()
    assert [m["seq"] for m in messages] == list(range(1, len(messages) + 1))
    assert "first line" in "".join(map(text_of_message, messages))
    assert reader.read_new() == []


def test_the_folder_is_closed_to_others_and_keeps_no_scratch(run: Run) -> None:
    assert run.attempt.path.stat().st_mode & 0o077 == 0
    assert not run.attempt.reserve.exists()
    assert not [p for p in run.attempt.path.iterdir() if p.name.startswith(".")]


def _widgets(run: Run) -> dict[str, Any]:
    notebook = read_notebook(run.attempt)
    assert notebook is not None
    return dict(
        read_json(run.attempt.notebook)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    )
