"""The way of a newcomer: open JupyterLab, run a cell, watch it end, come back later."""

from __future__ import annotations

import json

import nbformat
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.lab import CARD
from tests.waiting import wait_until

LOAD = "%load_ext qhub_ext"
HELLO = """
%%qpu --tier local --name "first light"
print("hello from", "the job")
answer = 6 * 7
answer
"""


def run_first_cell(desk: Desk, path: str, *more: str) -> None:
    """In whichever application serves notebooks under `path`: a cell becomes a job, and its card is alive. `more` are cells below it."""
    lab = desk.lab
    lab.notebook("first.ipynb", LOAD, HELLO, *more)
    desk.page.goto(f"{lab.address}{path}/first.ipynb?token={lab.token}")
    desk.settled()
    desk.notebook_ready()
    desk.run_all()
    expect(desk.card).to_have_attribute("data-state", "completed")
    expect(desk.card).to_have_attribute("data-standing", "live")
    for plugin in ("jobs", "card", "sidebar"):
        assert desk.page.evaluate(f"window.jupyterapp.isPluginActivated('qhub-ext:{plugin}')")


def test_a_cell_becomes_a_job_and_its_card_lives_until_it_is_done_and_after_a_reload(desk: Desk) -> None:
    saved = desk.lab.notebook("first.ipynb", LOAD, HELLO)
    desk.open_notebook("first.ipynb")
    desk.run_all()
    expect(desk.card).to_have_count(1)
    expect(desk.card).to_have_attribute("data-state", "completed")
    expect(desk.card).to_contain_text("first light")
    expect(desk.card).to_have_attribute("data-standing", "live")

    desk.run("docmanager:save")
    outputs = wait_until(lambda: nbformat.read(saved, 4).cells[1].outputs, what="the saved notebook")
    [card] = [output for output in outputs if CARD in output.get("data", {})]
    assert json.dumps(card.data[CARD]).count("first light") >= 1
    assert "first light" in card.data["text/plain"]

    desk.reload()
    desk.notebook_ready()
    expect(desk.card).to_have_attribute("data-standing", "live")
    expect(desk.card).to_have_attribute("data-state", "completed")
