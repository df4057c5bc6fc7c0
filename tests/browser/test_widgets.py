"""The widgets where people meet them: in Notebook 7 and in JupyterLab, with nothing loaded from outside."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.desk import THEMES, Desk, Picture
from tests.browser.lab import Lab
from tests.browser.test_first_run import LOAD
from tests.waiting import wait_until

WIDTHS = {"wide": 1280, "narrow": 720}
CELLS = [
    LOAD,
    "from qhub_ext.widgets import job_card, queue_table, tier_picker",
    "%%qpu --name 'watched <b>' --as watched\nimport time\ntime.sleep(600)",
    "tier_picker()",
    "job_card(watched)",
    "queue_table()",
    "%qpu calibration kingston",
]


BEYOND = """() => {
  const plot = document.querySelector('.js-plotly-plot');
  const cell = plot.closest('.jp-OutputArea-output').getBoundingClientRect();
  const parts = [...plot.querySelectorAll('.infolayer .colorbar, .cartesianlayer .points, .gtitle, .updatemenu-button')];
  const bars = [...plot.querySelectorAll('.infolayer .colorbar')].map(bar => bar.getBoundingClientRect());
  return bars.length !== 2 || bars[0].bottom > bars[1].top && bars[1].bottom > bars[0].top
    || parts.map(part => part.getBoundingClientRect()).some(box => box.left < cell.left || box.right > cell.right);
}"""
"""Whether a part of the map is cut off, or its two colour bars lie on each other."""


def use_them(page: Page) -> None:
    """Picker, card, queue and map answer to clicks."""
    picker = page.locator(".widget-toggle-buttons")
    expect(picker).to_be_visible()
    picker.get_by_role("button", name="Emulation").click()
    expect(page.get_by_text("Cells go to emulation, kingston")).to_be_visible()
    card = page.locator(".widget-html .qhub-job-card")
    expect(card).to_contain_text("▶ running")
    expect(card).to_contain_text("watched <b>")
    expect(page.locator(".widget-html table").filter(has_text="place")).to_contain_text("watched <b>")
    page.get_by_role("button", name="Cancel", exact=True).last.click()
    expect(card).to_contain_text("⊘ cancelled")
    plot = page.locator(".js-plotly-plot")
    plot.scroll_into_view_if_needed()
    expect(plot.locator(".updatemenu-button")).to_have_count(4)
    colours = "plot => JSON.stringify(plot.data.at(-1).marker.color)"
    before = plot.evaluate(colours)
    plot.locator(".updatemenu-button", has_text="T1").click()
    wait_until(lambda: plot.evaluate(colours) != before, what="other colours")
    assert plot.evaluate("plot => plot.clientHeight") > 500
    at = plot.evaluate("p => [p._fullLayout.xaxis.d2p(1), p._fullLayout.yaxis.d2p(1)]")
    plot.locator(".nsewdrag").hover(position={"x": at[0], "y": at[1]})
    expect(plot.locator(".hovertext")).to_contain_text("T1 384 µs")


def test_widgets_live_in_notebook_7(new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]) -> None:
    lab = new_lab(app="notebook")
    desk = desk_at(lab)
    desk.expect_errors(r"reading 'schema'\)(.|\n)*notebook_core")  # Notebook 7.6's own, with no extension at all too
    lab.notebook("widgets.ipynb", *CELLS)
    desk.page.goto(f"{lab.address}notebooks/widgets.ipynb?token={lab.token}")
    desk.settled()
    desk.notebook_ready()
    desk.run_all()
    use_them(desk.page)


def test_widgets_live_in_jupyterlab(desk: Desk, picture: Picture) -> None:
    desk.page.set_viewport_size({"width": 1280, "height": 1900})
    desk.lab.notebook("widgets.ipynb", *CELLS)
    desk.open_notebook("widgets.ipynb")
    desk.run("application:toggle-left-area")
    desk.run_all()
    use_them(desk.page)
    for theme in THEMES:
        desk.theme(theme)
        outputs = desk.page.locator(".jp-OutputArea-child:has(.widget-toggle-buttons, .widget-html, .js-plotly-plot)")
        assert [line for output in outputs.all() for line in violations(output, of_a_cell=True)] == []
        for name, width in WIDTHS.items():
            desk.page.set_viewport_size({"width": width, "height": 1900})
            wait_until(lambda: not desk.page.evaluate(BEYOND), what=f"a map within {width} pixels")
            picture(f"widgets-{theme}-{name}", desk.page)
