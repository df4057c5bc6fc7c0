"""Notebook 7: no status bar, no launcher, one notebook a page."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.desk import Desk
from tests.browser.lab import Lab
from tests.browser.test_first_run import run_first_cell


def test_a_cell_becomes_a_job_in_notebook_7(new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]) -> None:
    lab = new_lab(app="notebook")
    desk = desk_at(lab)
    desk.expect_errors(r"reading 'schema'\)(.|\n)*notebook_core")  # Notebook 7.6's own, with no extension at all too
    run_first_cell(desk, "notebooks")
