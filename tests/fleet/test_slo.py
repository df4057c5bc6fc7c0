"""Waits are held against what was promised, by profile; what failed is lost time by its cause; the picture draws the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qhub_ext.diagnosis.fleet.slo import service_levels
from qhub_ext.diagnosis.fleet.table import fleet_of
from qhub_ext.display.pages import figure_of
from qhub_ext.display.slo import levels_page, levels_plotly
from tests.broker.house import ALICE, Ask
from tests.fleet.planted import DAY_S, T0, Site
from tests.fleet.test_store import bring, summary


def levels(waits_s: list[int], target_s: float = 60.0) -> dict:
    rows = Site().rows(len(waits_s), 1)
    for row, wait_s in zip(rows, waits_s, strict=True):
        row |= {
            "profile": "test",
            "parts_ns": json.dumps({"site queue": wait_s * 10**9 - 1, "broker queue": 1}),
            "wall_ns": (wait_s + 100) * 10**9,
        }
        row |= {"state": "completed", "cause": "", "signature": ""}
    rows[0] |= {"state": "failed", "cause": "device", "signature": "Error: x"}
    return service_levels(
        fleet_of(rows), {"test": target_s, "production": 5.0}, 0.9, {"kingston": 0.7 * DAY_S}, T0, T0 + 7 * DAY_S
    )


def test_a_profile_meets_its_target_when_enough_of_its_jobs_begin_within_it() -> None:
    kept, missed = levels([60] * 9 + [61]), levels([60] * 8 + [61] * 2)
    for found, met, within in ((kept, True, 0.9), (missed, False, 0.8)):
        one = next(p for p in found["profiles"] if p["profile"] == "test")
        assert (one["met"], one["within"], one["jobs"]) == (met, pytest.approx(within), 10)
    unused = next(p for p in kept["profiles"] if p["profile"] == "production")
    assert (unused["met"], unused["jobs"]) == (None, 0)
    assert "test waited longer than promised." in str(levels_page(missed, "7d"))


def test_lost_is_what_ran_for_nothing_without_its_waiting_and_use_is_a_share_of_the_time() -> None:
    found = levels([50] * 5)
    assert found["lost"] == [{"cause": "device", "seconds": 100.0, "jobs": 1}]
    assert found["devices"] == [{"device": "kingston", "used_s": 0.7 * DAY_S, "share": pytest.approx(0.1)}]


def test_the_picture_has_the_numbers_and_no_colour_of_its_own_for_the_page(tmp_path: Path) -> None:
    figure = figure_of(levels_plotly(levels([60] * 8 + [61] * 2)))
    assert [list(bar.x) for bar in figure.data] == [[80.0], pytest.approx([10.0]), pytest.approx([100 / 3600])]
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    nothing = levels_page(service_levels(fleet_of([]), {}, 0.9, {}, 0.0, 1.0), "7d")
    assert "Nothing ended in that time." in str(nothing)
    assert nothing._repr_mimebundle_()["application/vnd.plotly.v1+json"]["layout"]


def test_any_user_may_see_the_levels_and_they_name_nobody(ask: Ask) -> None:
    bring(ask, ALICE, summary(1, running_at=1_790_000_000.0), summary(2, running_at=1_790_000_000.0))
    found = ask(ALICE, "GET", "/v1/fleet-levels").json()
    assert {p["profile"]: p["jobs"] for p in found["profiles"]} == {"production": 0, "test": 2, "development": 0}
    assert found["devices"] == [{"device": "kingston", "used_s": 0.0, "share": 0.0}]
    assert str(ALICE) not in json.dumps(found)
