"""Notebook 7: no status bar, no launcher, one notebook a page."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.lab import Lab
from tests.browser.test_first_run import HELLO, LOAD


def test_a_cell_becomes_a_job_in_notebook_7(new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]) -> None:
    lab = new_lab(app="notebook")
    desk = desk_at(lab)
    desk.expect_errors(r"reading 'schema'\)(.|\n)*notebook_core")  # Notebook 7.6's own, with no extension at all too
    lab.notebook("first.ipynb", LOAD, HELLO)
    desk.page.goto(f"{lab.address}notebooks/first.ipynb?token={lab.token}")
    desk.page.wait_for_function("window.jupyterapp !== undefined", timeout=60_000)
    desk.page.evaluate("window.jupyterapp.restored")
    desk.notebook_ready()
    desk.run_all()
    expect(desk.card).to_have_attribute("data-state", "completed", timeout=60_000)
    expect(desk.card).to_have_attribute("data-standing", "live")
    for plugin in ("jobs", "card", "sidebar"):
        assert desk.page.evaluate(f"window.jupyterapp.isPluginActivated('qhub-ext:{plugin}')")
