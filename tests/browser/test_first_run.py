"""The way of a newcomer: open JupyterLab, run a cell, watch it end, come back later."""

from __future__ import annotations

from tests.browser.desk import Desk


def test_the_page_opens_without_errors_and_knows_the_extension(desk: Desk) -> None:
    page = desk.open()
    assert page.evaluate("window.jupyterapp.hasPlugin('qhub-ext:jobs')")
    assert page.evaluate("window.jupyterapp.isPluginActivated('qhub-ext:jobs')")
