"""For who sees little or uses no mouse."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.axe import violations
from tests.browser.desk import THEMES, Desk


@pytest.fixture
def jobs(desk: Desk) -> Desk:
    """One job that completed, one that failed, one that runs."""
    for cell, name in (("print(1)", "one done"), ("1/0", "one failed"), ("import time; time.sleep(60)", "one running")):
        desk.lab.submit(cell, name=name, tier="local")
    desk.open()
    desk.show_jobs()
    for name, state in (("one done", "completed"), ("one failed", "failed"), ("one running", "running")):
        expect(desk.row(name).first).to_contain_text(state, timeout=60_000)
    return desk


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_in_the_sidebar(jobs: Desk, theme: str) -> None:
    jobs.theme(theme)
    assert violations(jobs.sidebar) == []
