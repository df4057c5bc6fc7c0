"""Notebook 7: no status bar, no launcher, one notebook a page."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.lab import Lab
from tests.browser.test_first_run import run_first_cell


def test_a_cell_becomes_a_job_in_notebook_7(new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]) -> None:
    lab = new_lab(app="notebook")
    desk = desk_at(lab)
    desk.expect_errors(r"reading 'schema'\)(.|\n)*notebook_core")  # Notebook 7.6's own, with no extension at all too
    run_first_cell(desk, "notebooks", "6 * 7")

    # the pickers of its toolbar, and the button of a cell
    page = desk.page
    page.get_by_role("combobox", name="Tier of the quantum cells").select_option("emulation")
    page.get_by_role("combobox", name="Device of the quantum cells").select_option("fez")
    cell = page.locator(".jp-Cell").last
    cell.click()
    cell.get_by_role("button", name="Run this cell as a job on emulation · fez").click()
    card = cell.locator(".qhub-Card")
    expect(card).to_have_attribute("data-state", "completed")
    expect(card).to_contain_text("fez")
    expect(cell).to_contain_text("42")
