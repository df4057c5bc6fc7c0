"""JupyterLab with the sidebar as people see it, in light and dark and at two widths: axe finds nothing in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from qhub_ext.service import Job
from tests.browser.axe import violations
from tests.browser.desk import THEMES, Desk, Picture
from tests.browser.gallery import STATES, hang, take_down
from tests.browser.lab import Lab, running

WIDTHS = {"narrow": 250, "wide": 420}


@pytest.fixture(scope="module")
def shown(front: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, dict[str, Job]]]:
    with running(Lab(tmp_path_factory.mktemp("gallery"), quiet=True)) as lab:
        jobs = hang(lab)
        yield lab, jobs
        take_down(lab, jobs)


@pytest.fixture
def visit(shown: tuple[Lab, dict[str, Job]], desk_at: Callable[[Lab], Desk]) -> Desk:
    return desk_at(shown[0])


def left_area_width(desk: Desk, width: int) -> None:
    """As if its border was dragged there."""
    handle = desk.page.locator("#jp-main-split-panel > .lm-SplitPanel-handle:not(.lm-mod-hidden)").first
    box, area = handle.bounding_box(), desk.sidebar.bounding_box()
    assert box is not None
    assert area is not None
    desk.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 200)
    desk.page.mouse.down()
    desk.page.mouse.move(area["x"] + width, box["y"] + 200)
    desk.page.mouse.up()


TASKS = (
    {"user": "bob", "profile": "production", "state": "running", "done": 12_000, "of": 20_000},
    {"id": "t2", "mine": True, "user": "ada", "profile": "development", "done": 1000, "of": 4000, "why": "A task of profile production runs on kingston."},
    {"user": "carol", "profile": "development", "of": 100_000, "why": "The calibration of kingston begins in 240 s, and its next piece needs 300 s."},
)  # fmt: skip


def tell_tasks(desk: Desk, job: Job) -> None:
    """As at a site with a broker, at which a task of this job waits."""
    blank = {"id": "", "job_id": "", "mine": False, "device": "kingston", "state": "queued", "started_at": None, "done": 0, "why": ""}  # fmt: skip
    tasks = [blank | {"place": n, "submitted_at": time.time() - 70 * n} | task for n, task in enumerate(TASKS, 1)]
    tasks[1]["job_id"] = job.id
    at_broker = {"total": len(tasks), "as_of": time.time(), "tasks": tasks}
    desk.page.route("**/qhub_ext/tasks*", lambda route: route.fulfill(json=at_broker))
    desk.page.route("**/qhub_ext/status*", lambda route: route.fulfill(json=route.fetch().json() | {"broker": True}))


@pytest.mark.parametrize("theme", THEMES)
def test_the_sidebar(visit: Desk, picture: Picture, theme: str) -> None:
    visit.open()
    visit.theme(theme)
    visit.show_jobs()
    for name, state in STATES.items():
        expect(visit.row(name)).to_contain_text(state.replace("_", " "))
    expect(visit.sidebar.get_by_role("list", name="Devices")).to_be_visible()
    visit.row("wrong by one").click()
    about = visit.sidebar.get_by_role("region", name="About wrong by one")
    expect(about).to_contain_text("your move")
    expect(about).to_contain_text("cause: code")
    expect(visit.row("wrong by one").get_by_text("failed")).to_be_in_viewport()  # what explains it does not cover it
    for name, width in WIDTHS.items():
        left_area_width(visit, width)
        picture(f"sidebar-{theme}-{name}", visit.sidebar)
    assert violations(visit.sidebar) == []
    visit.row("vqe of LiH").click()
    picture(f"overview-{theme}", visit.page)
    assert violations(visit.sidebar) == []


@pytest.mark.parametrize("theme", THEMES)
def test_what_waits_says_when_it_starts_and_tasks_at_the_broker_why_they_do_not(
    visit: Desk, shown: tuple[Lab, dict[str, Job]], picture: Picture, theme: str
) -> None:
    tell_tasks(visit, shown[1]["vqe of LiH"])
    visit.page.set_viewport_size({"width": 1280, "height": 1000})
    visit.open()
    visit.theme(theme)
    visit.show_jobs()
    tasks = visit.sidebar.get_by_role("list", name="Tasks at the broker")
    expect(tasks.get_by_role("button", name="vqe of LiH")).to_be_visible()
    waiting = visit.row("ghz on 12 qubits")
    expect(waiting).to_contain_text("by ")
    waiting.click()
    about = visit.sidebar.get_by_role("region", name="About ghz on 12 qubits")
    expect(about).to_contain_text("at the latest")
    expect(about.get_by_role("button", name="Ask again")).to_be_visible()
    for name, width in WIDTHS.items():
        left_area_width(visit, width)
        picture(f"waiting-{theme}-{name}", visit.sidebar)
    assert violations(visit.sidebar) == []
