"""Many tabs of one user: the site scheduler must not notice how many."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.browser.lab import Lab
from tests.waiting import wait_until

TABS = 8
WINDOW_S = 4.0
BY_ONE_POLLER = 25
"""Questions, at most, however unevenly a busy machine runs: about ten are usual, and eight tabs on their own would ask eighty."""

# what an operator would see in the site's own log: every question that the server asks
COUNTING = """
from qhub_ext.sites.embedded.site import EmbeddedSite

def counted(name):
    ask = getattr(EmbeddedSite, name)

    def asking(*arguments, **options):
        with open(LOG, "a") as log:
            log.write(name + "\\n")
        return ask(*arguments, **options)

    return asking

for name in ("poll", "queue", "estimate", "explain_reason"):
    setattr(EmbeddedSite, name, counted(name))
"""


def questions(lab: Lab, log: Path, name: str) -> int:
    """Asked of the site while a job begins and runs: the time when a page has most to learn."""
    before = len(log.read_text()) if log.exists() else 0
    job = lab.submit("import time; time.sleep(600)", name=name, tier="local", cpus=1)
    wait_until(lambda: lab.service.record(job.id).state == "running", every_s=0.1, what=f"{name} to run")
    time.sleep(WINDOW_S)  # a span of time is what is measured here
    return log.read_text()[before:].count("\n")


def test_many_tabs_cost_the_site_what_one_does(
    new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk], tmp_path: Path
) -> None:
    config, log = tmp_path / "counting.py", tmp_path / "questions"
    config.write_text(COUNTING.replace("LOG", repr(str(log))))
    lab = new_lab(options=(f"--config={config}",), quiet=True)
    desk = desk_at(lab)
    desk.open()
    desk.show_jobs()
    expect(desk.sidebar.get_by_text("No jobs yet")).to_be_visible()
    alone = questions(lab, log, "seen by one")

    others: list[Desk] = [Desk(desk.page.context.new_page(), lab) for _ in range(TABS - 1)]
    for other in others:
        other.expect_errors("Window name candidate")  # JupyterLab's own, where many tabs open at once
        other.page.goto(f"{lab.address}lab/workspaces/{id(other)}")
    for other in others:
        other.settled()
        other.show_jobs()
    together = questions(lab, log, "seen by all")
    for tab in (desk, *others):
        expect(tab.row("seen by all")).to_contain_text("running")
    assert alone > 0
    assert together <= max(alone * 1.5, BY_ONE_POLLER)
    for other in others:
        other.verdict()
        other.page.close()
    print(f"{alone} questions in {WINDOW_S:g} s with one tab, {together} with {TABS}")
