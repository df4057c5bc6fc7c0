"""The timeline of a job as a figure to zoom into, and beside that of another job."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from qhub_ext.job.identity import short_id
from tests.browser.axe import violations
from tests.browser.desk import THEMES, Desk, Picture
from tests.waiting import wait_until

BEYOND = """plot => {
  const view = plot.closest('.qhub-Job-part').getBoundingClientRect();
  const parts = [...plot.querySelectorAll('.cartesianlayer .point, .gtitle, .ytick text')].map(part => part.getBoundingClientRect());
  return parts.length === 0 || parts.some(box => box.left < view.left - 1 || box.right > view.right + 1);
}"""
"""Whether a part of the figure is cut off."""


def test_a_timeline_zooms_as_a_figure_and_stands_beside_another_one(desk: Desk, picture: Picture) -> None:
    short = desk.lab.submit("x = 1", name="short <b>")
    long = desk.lab.submit("import time\ntime.sleep(4)", name="slept for some seconds")
    for job in (short, long):
        job.wait(240)
    page = desk.open()
    page.set_viewport_size({"width": 1280, "height": 1400})
    desk.run("application:toggle-left-area")
    desk.run("qhub-ext:open-job", id=short.id)
    view = page.locator(".qhub-Job")
    view.get_by_role("tab", name="Timeline", exact=True).click()
    assert view.locator(".js-plotly-plot").count() == 0
    view.get_by_text("As a figure to zoom into").click()
    plot = view.locator(".js-plotly-plot")
    expect(plot.locator(".cartesianlayer .point").first).to_be_visible()
    expect(plot).to_contain_text(short_id(short.id))
    wait_until(lambda: not plot.evaluate(BEYOND), what="a figure within the view")
    beside = view.get_by_role("region", name="Beside another job")
    chosen = beside.get_by_role("combobox")
    expect(chosen.locator("option", has_text="slept for some seconds")).to_have_count(1)
    chosen.select_option(long.id)
    cell = beside.get_by_role("row").filter(has=page.get_by_role("rowheader", name="classical", exact=True))
    expect(cell).to_contain_text(re.compile(r"\+\d"))
    for theme in THEMES:
        desk.theme(theme)
        picture(f"trace-beside-{theme}", view)
        assert violations(beside) == []
