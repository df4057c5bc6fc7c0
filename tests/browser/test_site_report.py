"""The report of `qhub site check` as an operator reads and prints it: in both schemes, on a narrow window, on paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from qhub_ext.acceptance.page import report_page
from qhub_ext.acceptance.report import UNFINISHED
from tests.acceptance.test_report import ABSENT, BAD, GOOD, report
from tests.browser.axe import violations
from tests.browser.desk import Picture, Witness

LONG = replace(
    GOOD, title="a Bell pair on the tier qpu", came="completed; 200 shots, 98% of them 00 or 11 on " + "x" * 90
)
LATE = replace(GOOD, name="cancel", title="a cancel while it runs", came="interrupted", verdict=UNFINISHED)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_reads_well_in_either_scheme_and_a_narrow_window_scrolls_its_table_alone(
    scheme: str, page: Page, picture: Picture, front: None, tmp_path: Path
) -> None:
    witness = Witness(page)
    page.emulate_media(color_scheme=scheme)
    (tmp_path / "report.html").write_text(report_page(report(GOOD, LONG, BAD, ABSENT, LATE)))
    page.goto((tmp_path / "report.html").as_uri())
    for words in ("✓ passed", "✗ failed", "– not allowed here", "… not finished", "did not pass"):
        expect(page.get_by_text(words).first).to_be_visible()
    assert violations(page.locator("body")) == []
    picture(f"site-check-{scheme}", page)
    page.set_viewport_size({"width": 420, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    picture(f"site-check-{scheme}-narrow", page)
    witness.verdict()


def test_the_printed_report_has_the_place_to_sign_in_one_piece(page: Page, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(report_page(report(*[GOOD] * 40)))
    page.goto((tmp_path / "report.html").as_uri())
    page.emulate_media(media="print")
    expect(page.get_by_text("Signature")).to_be_visible()
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
