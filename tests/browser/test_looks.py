"""JupyterLab with the sidebar as people see it, in light and dark and at two widths: axe finds nothing in it."""

from __future__ import annotations

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


@pytest.mark.parametrize("theme", THEMES)
def test_the_sidebar(visit: Desk, picture: Picture, theme: str) -> None:
    visit.open()
    visit.theme(theme)
    visit.show_jobs()
    for name, state in STATES.items():
        expect(visit.row(name)).to_contain_text(state.replace("_", " "))
    expect(visit.sidebar.get_by_role("list", name="Devices")).to_be_visible()
    for name, width in WIDTHS.items():
        left_area_width(visit, width)
        picture(f"sidebar-{theme}-{name}", visit.sidebar)
    visit.row("vqe of LiH").click()
    picture(f"overview-{theme}", visit.page)
    assert violations(visit.sidebar) == []
