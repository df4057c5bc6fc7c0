"""What people see, in light and dark and at two widths: axe finds nothing in it, and pictures of it are left for eyes.

The pictures lie in .screenshots/ (or where `--screenshots` says); `make screenshots` renews those of the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from qhub_ext.service import Job
from tests.browser.axe import violations
from tests.browser.desk import THEMES, Desk
from tests.browser.gallery import CARDS, hang, take_down
from tests.browser.lab import Lab, running

WIDTHS = {"wide": 1440, "narrow": 900}
SIDEBAR_WIDTHS = {"narrow": 250, "wide": 420}


@pytest.fixture(scope="module")
def shown(front: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, dict[str, Job]]]:
    with running(Lab(tmp_path_factory.mktemp("gallery"), quiet=True)) as lab:
        jobs = hang(lab)
        yield lab, jobs
        take_down(lab, jobs)


@pytest.fixture
def visit(shown: tuple[Lab, dict[str, Job]], desk_at: Callable[[Lab], Desk]) -> Desk:
    return desk_at(shown[0])


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[str, Page | Locator], None]:
    place = Path(request.config.getoption("screenshots"))
    place.mkdir(parents=True, exist_ok=True)

    def take(name: str, of: Page | Locator) -> None:
        of.screenshot(path=place / f"{name}.png", animations="disabled", caret="hide")

    return take


Picture = Callable[[str, Page | Locator], None]


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
    for name, state in CARDS.items():
        expect(visit.row(name)).to_contain_text(state.replace("_", " "))
    expect(visit.sidebar.get_by_role("list", name="Devices")).to_be_visible()
    for name, width in SIDEBAR_WIDTHS.items():
        left_area_width(visit, width)
        picture(f"sidebar-{theme}-{name}", visit.sidebar)
    visit.row("vqe of LiH").click()
    picture(f"overview-{theme}", visit.page)
    assert violations(visit.sidebar) == []


@pytest.mark.parametrize("theme", THEMES)
def test_cards_in_each_state(visit: Desk, shown: tuple[Lab, dict[str, Job]], picture: Picture, theme: str) -> None:
    lab, jobs = shown
    lab.notebook("cards.ipynb", *CARDS, outputs={n: [lab.card(jobs[name])] for n, name in enumerate(CARDS)})
    visit.page.set_viewport_size({"width": 1440, "height": 2400})
    visit.open_notebook("cards.ipynb")
    visit.theme(theme)
    visit.run("application:toggle-left-area")
    cards = visit.card
    for state in CARDS.values():
        expect(visit.page.locator(f".qhub-Card[data-state={state}][data-standing=live]").first).to_be_visible()
    expect(cards.filter(has_text="vqe of LiH")).to_contain_text("energy")
    notebook = visit.page.locator(".jp-NotebookPanel-notebook")
    for name, width in WIDTHS.items():
        visit.page.set_viewport_size({"width": width, "height": 2400})
        picture(f"cards-{theme}-{name}", notebook)
    assert [violations(card) for card in cards.all()] == [[]] * cards.count()


@pytest.mark.parametrize("theme", THEMES)
def test_the_job_view(visit: Desk, shown: tuple[Lab, dict[str, Job]], picture: Picture, theme: str) -> None:
    _, jobs = shown
    visit.open()
    visit.theme(theme)
    visit.run("application:toggle-left-area")
    visit.run("qhub-ext:open-job", id=jobs["bell pair"].id)
    view = visit.page.locator(".qhub-Job")
    expect(view.get_by_role("heading", name="bell pair")).to_be_visible()
    parts = view.get_by_role("tab").all_inner_texts()
    assert len(parts) >= 9
    for part in parts:
        view.get_by_role("tab", name=part).click()
        panel = view.get_by_role("tabpanel")
        expect(panel.get_by_text("Loading…")).to_have_count(0)
        expect(panel).not_to_be_empty()
        for name, width in WIDTHS.items():
            visit.page.set_viewport_size({"width": width, "height": 800})
            picture(f"job-{part.lower()}-{theme}-{name}", view)
        assert violations(view) == [], part
