"""Widgets in a real kernel: what they tell a front end, and when they stop asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.front.conftest import Notebook, Place
from tests.waiting import wait_until

VIEW = "application/vnd.jupyter.widget-view+json"


class Screen:
    """A front end that shows one widget: the state of every widget that the kernel has told of."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.states: dict[str, dict[str, Any]] = {}
        self.shown: dict[str, Any] = {}

    def run(self, cell: str) -> dict[str, Any]:
        """Runs a cell to its end; the bundle that it showed."""
        self.shown = {}
        request = self.notebook.send(cell)
        while not self._hear(request):
            pass
        return self.shown

    def until(self, seen: Callable[[], bool], within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while not seen():
            assert time.monotonic() < deadline, self.values("HTMLModel")
            self._hear("")

    def _hear(self, request: str) -> bool:
        message = self.notebook.next_message()
        if message is None:
            return False
        kind, content = message["msg_type"], message["content"]
        if kind in ("comm_open", "comm_msg") and "state" in content["data"]:
            self.states.setdefault(content["comm_id"], {}).update(content["data"]["state"])
        elif kind == "comm_close":
            self.states.pop(content["comm_id"], None)
        elif kind == "error":
            raise AssertionError("\n".join(content["traceback"]))
        elif kind in ("execute_result", "display_data"):
            self.shown = content["data"]
        ours = message["parent_header"].get("msg_id") == request
        return ours and kind == "status" and content["execution_state"] == "idle"

    def values(self, model: str) -> list[Any]:
        return [s.get("value") for s in self.states.values() if s.get("_model_name") == model]

    def text(self) -> str:
        return "\n".join(map(str, self.values("HTMLModel")))

    def find(self, **wanted: Any) -> str:
        return next(i for i, s in self.states.items() if all(s.get(n) == v for n, v in wanted.items()))

    def buttons(self) -> list[str]:
        """Descriptions of the buttons that are shown."""
        rows = [s["children"] for s in self.states.values() if s.get("_model_name") == "HBoxModel"]
        return [self.states[i.removeprefix("IPY_MODEL_")]["description"] for i in rows[-1]]

    def press(self, description: str) -> None:
        comm = self.find(_model_name="ButtonModel", description=description)
        self.notebook.send_comm("comm_msg", comm_id=comm, data={"method": "custom", "content": {"event": "click"}})

    def set(self, comm: str, **state: Any) -> None:
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.notebook.send_comm("comm_msg", comm_id=comm, data=data)


@pytest.fixture
def screen(new_notebook: Callable[..., Notebook]) -> Screen:
    screen = Screen(new_notebook())
    screen.run("from qhub_ext.widgets import calibration_map, job_card, queue_table, tier_picker")
    return screen


REFRESHING = "__import__('qhub_ext.widgets.live', fromlist=['x']).refresher().running"


def test_a_card_lives_until_its_job_has_ended_and_then_nobody_asks_any_more(screen: Screen, place: Place) -> None:
    screen.run(f"%%qpu --name living --as living\n{place.until_told('lived')}print('done')")
    shown = screen.run("card = job_card(living)\ncard")
    assert set(shown) == {"text/plain", "text/html", VIEW}
    assert "living" in shown["text/plain"]
    assert "qhub-job-card" in shown["text/html"]
    screen.until(lambda: "▶ running" in screen.text())
    screen.until(lambda: screen.buttons() == ["Cancel", "Requeue"])
    place.tell("lived")
    screen.until(lambda: "✓ completed" in screen.text())
    screen.until(lambda: screen.buttons() == ["Requeue"])
    wait_until(lambda: screen.notebook.ask(REFRESHING) == "False", what="the end of the thread")


def test_a_button_acts_and_the_card_follows(screen: Screen) -> None:
    screen.run("%%qpu --name pressed --as pressed\nimport time\nfor _ in range(600): time.sleep(0.1)")
    screen.run("card = job_card('pressed')\ncard")
    screen.until(lambda: "▶ running" in screen.text())
    screen.press("Cancel")
    screen.until(lambda: "⊘ cancelled" in screen.text())
    screen.until(lambda: screen.buttons() == ["Requeue"])
    screen.press("Requeue")
    screen.until(lambda: "▶ running" in screen.text())
    screen.press("Cancel")
    screen.until(lambda: "⊘ cancelled" in screen.text() and "attempt" in screen.text())
    wait_until(lambda: screen.notebook.ask(REFRESHING) == "False", what="the end of the thread")


def test_what_a_button_was_refused_is_said_under_the_card(screen: Screen) -> None:
    screen.run("%%qpu --name done --as done\n1")
    screen.run("done.wait()\ncard = job_card(done)\ncard")
    screen.run("card._act('hold') and card._press('hold')")
    screen.until(lambda: 'role="status"' in screen.text())


def test_closing_a_widget_ends_the_asking(screen: Screen) -> None:
    screen.run("%%qpu --name long --as long\nimport time\nfor _ in range(600): time.sleep(0.1)")
    screen.run("card = job_card(long)\nqueue = queue_table()\nqueue")
    assert screen.notebook.ask(REFRESHING) == "True"
    screen.run("card.close(); queue.close()")
    assert not screen.values("ButtonModel")
    wait_until(lambda: screen.notebook.ask(REFRESHING) == "False", what="the end of the thread")
    screen.run("long.cancel()")


def test_one_thread_asks_for_all_widgets(screen: Screen) -> None:
    screen.run("%%qpu --name many --as many\nimport time\nfor _ in range(600): time.sleep(0.1)")
    screen.run("held = [job_card(many) for _ in range(5)] + [queue_table()]")
    threads = "[t.name for t in __import__('threading').enumerate()].count('qhub-refresher')"
    assert screen.notebook.ask(threads) == "1"
    screen.run("[one.close() for one in held]; many.cancel()")


def test_the_queue_follows_the_site(screen: Screen) -> None:
    shown = screen.run("queue = queue_table()\nqueue")
    assert VIEW in shown
    screen.run("%%qpu --name 'seen in the queue' --as seen\nimport time\nfor _ in range(600): time.sleep(0.1)")
    screen.until(lambda: "seen in the queue" in screen.text())
    assert "seen in the queue" in screen.run("queue")["text/plain"]
    screen.run("seen.cancel()")
    screen.until(lambda: "seen in the queue" not in screen.text())
    screen.run("queue.close()")


def test_the_picker_chooses_as_use_does_and_follows_it(screen: Screen) -> None:
    shown = screen.run("picker = tier_picker()\npicker")
    assert "[local]" in shown["text/plain"]
    assert "calibration snapshot" in shown["text/html"]
    tiers = screen.find(_model_name="ToggleButtonsModel")
    assert list(screen.states[tiers]["_options_labels"]) == ["Local", "Emulation", "QPU"]
    screen.set(tiers, index=1)
    screen.until(lambda: "Cells go to emulation, kingston" in screen.text())
    assert "tier emulation" in screen.run("%qpu")["text/plain"]
    screen.run("%qpu use local --device fez")
    screen.until(lambda: screen.states[tiers]["index"] == 0 and "Cells go to local, fez" in screen.text())
    screen.run("picker.close()")
    screen.run("%qpu use emulation")


def test_the_picker_keeps_what_was_chosen_when_something_is_refused(place: Place) -> None:
    notebook = Notebook(place, QHUB_QPU_VIRTUAL="never")
    try:
        screen = Screen(notebook)
        screen.run("from qhub_ext.widgets import tier_picker\npicker = tier_picker()\npicker")
        tiers = screen.find(_model_name="ToggleButtonsModel")
        screen.set(tiers, index=2)
        screen.until(lambda: "needs a quantum resource that stands for kingston" in screen.text())
        screen.until(lambda: screen.states[tiers]["index"] == 0)
        assert "[local]" in screen.run("picker")["text/plain"]
    finally:
        notebook.close()


def test_a_notebook_with_widgets_reads_well_without_a_kernel(screen: Screen, place: Place) -> None:
    """As nbconvert, GitHub and a person with the bare file see it."""
    screen.run("%%qpu --name '<b>kept</b>' --as kept\n1")
    screen.run("kept.wait()")
    wait_until(lambda: not place.service.queue(), what="an empty queue")
    cells = []
    for source in ("job_card(kept)", "queue_table()", "tier_picker()", "calibration_map('manila')"):
        bundle = screen.run(source)
        output = new_output("execute_result", data=bundle, execution_count=1)
        cells.append(new_code_cell(source, outputs=[output], execution_count=1))
    notebook = new_notebook(cells=cells)
    nbformat.validate(notebook)
    html, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
    for words in ("✓ completed", "The queue is empty.", "calibration snapshot", "two-qubit error", "<svg"):
        assert words in html, words
    assert "<b>kept</b>" not in html.replace("&lt;", "<!")
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    assert "completed" in text


def test_widgets_are_loaded_when_they_are_asked_for_and_not_before(new_notebook: Callable[..., Notebook]) -> None:
    notebook = new_notebook()
    notebook.run("%qpu")
    loaded = "[m for m in ('ipywidgets', 'plotly') if m in __import__('sys').modules]"
    assert notebook.ask(loaded) == "[]"
    notebook.run("%qpu calibration manila")
    assert notebook.ask(loaded) == "[]"
