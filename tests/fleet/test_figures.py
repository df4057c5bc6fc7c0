"""Like failures as a picture and as frames: the share of runs where they stand out, and their numbers over time."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from qhub_ext.diagnosis.fleet.answers import overview
from qhub_ext.diagnosis.fleet.table import fleet_of
from qhub_ext.diagnosis.fleet.viewer import Viewer
from qhub_ext.display.fleet import fleet_plotly
from qhub_ext.display.pages import figure_of, write_figure
from qhub_ext.verbs.fleet import fleet_page
from tests.fleet.planted import DAY_S, END, FAULT, T0, Site

OPERATOR = Viewer("root", names=True)


@pytest.fixture(scope="module")
def found() -> dict:
    fleet = Site().fleet(600, 1, lambda row: row["node"] == "n3" and int(row["job"][3:]) % 3 > 0)
    return overview(fleet, OPERATOR, "signature", T0, END)


def test_every_failure_is_in_one_window_of_its_time(found: dict) -> None:
    told = found["over_time"]
    by_cluster = {one["id"]: one["failed"] for one in found["clusters"]}
    assert {key: sum(counts) for key, counts in told["clusters"].items()} == {key: by_cluster[key] for key in told["clusters"]}  # fmt: skip
    assert sum(map(sum, told["clusters"].values())) + sum(told["others"]) == found["failed"]
    assert told["begins"][0] == T0
    assert told["length_s"] == pytest.approx(8 * DAY_S / 28)
    assert T0 + 6 * DAY_S < told["begins"][-1] <= T0 + 7 * DAY_S, "up to the last end, not into the future"


def test_what_happens_on_one_day_is_drawn_on_that_day() -> None:
    rows = Site().rows(300, 5, lambda row: T0 + 2 * DAY_S <= row["ended_at"] < T0 + 3 * DAY_S)
    told = overview(fleet_of(rows), OPERATOR, "signature", T0, END)
    planted = next(one["id"] for one in told["clusters"] if one["signature"] == FAULT)
    page = fleet_page(told, "8d")
    counts = page.over_time[planted]
    assert counts.sum() == sum(row["signature"] == FAULT for row in rows)
    day = (counts.index >= pd.Timestamp(T0 + 1.5 * DAY_S, unit="s", tz="UTC")) & (counts.index < pd.Timestamp(T0 + 3 * DAY_S, unit="s", tz="UTC"))  # fmt: skip
    assert counts[~day].sum() == 0


def test_the_verdicts_are_a_frame_with_the_numbers_of_the_sentence(found: dict) -> None:
    frame = fleet_page(found, "8d").verdicts
    row = frame[frame["signature"] == FAULT].iloc[0]
    assert (row["kind"], row["dimension"], row["value"]) == ("systemic", "node", "n3")
    sentence = next(one["sentence"] for one in found["clusters"] if one["signature"] == FAULT)
    assert f"{row['failed']} of {row['runs']} runs on node n3" in sentence
    assert f"elsewhere {row['failed_elsewhere']} of {row['runs_elsewhere']}" in sentence
    assert 0 <= row["p"] < 0.01


def test_the_picture_has_the_same_numbers(found: dict) -> None:
    figure = figure_of(fleet_plotly(found))
    there, elsewhere, *bars = figure.data
    place = [one["signature"] for one in found["clusters"] if one["kind"]].index(FAULT)
    best = next(one for one in found["clusters"] if one["signature"] == FAULT)["verdict"]["standing_out"][0]
    assert there.x[place] == pytest.approx(100 * best["failed"] / best["runs"])
    assert elsewhere.x[place] == 0.0
    assert sum(sum(bar.y) for bar in bars) == found["failed"]
    top = [b + y for b, y in zip(bars[-1].base, bars[-1].y, strict=True)]
    assert max(top) == max(sum(counts) for counts in zip(*found["over_time"]["clusters"].values(), found["over_time"]["others"], strict=True))  # fmt: skip
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_words_of_a_failure_are_no_html_and_a_page_needs_no_network(found: dict, tmp_path: Path) -> None:
    hostile = json.loads(json.dumps(found).replace(FAULT, "<img src=x onerror=alert(1)>"))
    assert "<img" not in json.dumps(fleet_plotly(hostile))
    write_figure(tmp_path / "fleet.html", figure_of(fleet_plotly(hostile)))
    assert 'src="http' not in (tmp_path / "fleet.html").read_text()


def test_a_site_where_nothing_happened_and_a_broker_of_an_older_version_are_drawn_too(found: dict) -> None:
    nothing = overview(fleet_of(()), OPERATOR, "signature", T0, END)
    assert nothing["over_time"]["others"] == [0]
    assert fleet_plotly(nothing)["layout"]
    older = {name: value for name, value in found.items() if name != "over_time"}
    page = fleet_page(older, "8d")
    assert "application/vnd.plotly.v1+json" in page._repr_mimebundle_()
    assert len(page.over_time) == 0
