"""The operators' view of the whole site: the same in light and dark, and useful where there is nothing to see."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from qhub_ext.diagnosis.fleet.answers import overview
from qhub_ext.diagnosis.fleet.slo import service_levels
from qhub_ext.diagnosis.fleet.table import fleet_of
from qhub_ext.diagnosis.fleet.viewer import Viewer
from qhub_ext.display.fleet import fleet_plotly
from tests.browser.axe import violations
from tests.browser.desk import THEMES, Desk, Picture
from tests.fleet.planted import DAY_S, T0, Site

WAITS_S = {"production": 120, "test": 300, "development": 6000}


def a_bad_week(by: str) -> dict[str, Any]:
    """What a broker would tell of a site whose node n3 is broken."""
    chance = random.Random(2)
    rows = Site(chance=0.1).rows(1500, 1, lambda row: row["node"] == "n3" and int(row["job"][3:]) % 3 > 0)
    for row in rows:
        profile = chance.choice(list(WAITS_S))
        waited = int(chance.expovariate(1 / WAITS_S[profile]) * 1e9)
        row |= {
            "profile": profile,
            "parts_ns": json.dumps({"site queue": waited}),
            "wall_ns": waited + int(chance.expovariate(1 / 600) * 1e9),
        }
        if row["cause"] == "code" and chance.random() < 0.3:
            row["cause"] = chance.choice(["resources", "device", "calibration"])
    fleet, until = fleet_of(rows), T0 + 7 * DAY_S
    used_s = {"kingston": 400_000.0, "fez": 250_000.0, "marrakesh": 90_000.0}
    levels = service_levels(
        fleet, {"production": 300.0, "test": 1800.0, "development": 14_400.0}, 0.95, used_s, T0, until
    )
    found = overview(fleet, Viewer("root", names=True), by, T0, until)
    return {"broker": True, "overview": found, "levels": levels, "figure": fleet_plotly(found)}


def shown(desk: Desk) -> Locator:
    desk.run("qhub-ext:open-fleet")
    view = desk.page.locator(".qhub-Fleet")
    expect(view).to_be_visible()
    return view


def tell(desk: Desk) -> None:
    def answer(route: Any) -> None:
        by = "node" if "by=node" in route.request.url else "device"
        route.fulfill(json=a_bad_week(by))

    desk.page.route("**/qhub_ext/fleet*", answer)


@pytest.mark.parametrize("theme", THEMES)
def test_a_bad_week_is_told_with_its_common_cause(desk: Desk, picture: Picture, theme: str) -> None:
    tell(desk)
    desk.page.set_viewport_size({"width": 1280, "height": 1500})
    desk.open()
    desk.theme(theme)
    view = shown(desk)
    expect(view).to_contain_text("runs on node n3 failed so")
    view.get_by_label("by").focus()
    desk.page.keyboard.press("n")
    desk.page.keyboard.press("Enter")
    expect(view.get_by_role("rowheader", name="n3", exact=True)).to_be_visible()
    expect(view.get_by_role("row").filter(has_text="production")).to_contain_text("✗ no")
    view.get_by_text("As a figure to zoom into").click()
    expect(view.locator(".js-plotly-plot .cartesianlayer .point").first).to_be_visible()
    picture(f"fleet-{theme}", view)
    assert violations(view) == []


def test_without_a_broker_it_teaches_and_without_leave_it_says_whose_is_missing(desk: Desk, picture: Picture) -> None:
    desk.open()
    view = shown(desk)
    expect(view.get_by_role("heading", name="No broker is configured")).to_be_visible()
    picture("fleet-no-broker", view)
    assert violations(view) == []
    desk.expect_errors("403")
    desk.page.route("**/qhub_ext/fleet*", lambda route: route.fulfill(status=403, json={"message": "Forbidden."}))
    desk.reload()
    view = shown(desk)
    expect(view.get_by_role("alert")).to_contain_text("read on qhub_ext:fleet")
    picture("fleet-forbidden", view)
    assert violations(view) == []
