"""`qhub trace`: a job's time in a terminal, as JSON, as a page, inline, and beside another job's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qhub_ext.diagnosis.rows import Row
from qhub_ext.display.pages import PLOTLY
from qhub_ext.display.waterfall import bar
from qhub_ext.verbs.trace_view import view_of
from tests.front.conftest import Place

CELL = """
import qhub_ext
for k in range(12):
    with qhub_ext.span("step <b>"):
        print("step", k)
"""


@pytest.fixture(scope="module")
def jobs(place: Place) -> list[str]:
    (place.path / "steps.py").write_text(CELL)
    words = ("run", "steps.py", "--tier", "local", "--wait", "--json")
    return [json.loads(place.command(*words, *more))["id"] for more in ([], ["--profile-classical"])]


def test_the_terminal_shows_a_row_per_span_and_the_parts(place: Place, jobs: list[str]):
    told = place.command("trace", jobs[0])
    for words in ("waiting for the site", "start kernel", "cell", "step <b> × 12", "Where the time went", "site queue", "in all"):  # fmt: skip
        assert words in told


def test_json_has_parts_that_add_up(place: Place, jobs: list[str]):
    facts = json.loads(place.command("trace", jobs[0], "--json"))
    assert sum(facts["breakdown_s"].values()) == pytest.approx(facts["wall_s"], abs=1e-6)
    assert facts["breakdown_s"]["unaccounted"] < 0.3 * facts["wall_s"]
    assert len(facts["trace_id"]) == 32


def test_logs_stand_beside_the_moment_when_they_came(place: Place, jobs: list[str]):
    told = place.command("trace", jobs[0], "--logs").partition("Log\n")[2].splitlines()
    assert [line.split(" s  ")[1] for line in told] == [f"step {k}" for k in range(12)]


def test_a_page_holds_everything_it_needs(place: Place, jobs: list[str], tmp_path: Path):
    assert "Wrote" in place.command("trace", jobs[0], "--html", str(tmp_path / "t.html"))
    page = (tmp_path / "t.html").read_text()
    assert "step &lt;b&gt;" in page or r"step \u0026lt;b" in page
    assert 'src="http' not in page


def test_two_jobs_stand_side_by_side(place: Place, jobs: list[str]):
    told = place.command("trace", *jobs)
    assert "change" in told
    assert "Spans whose time changed most" in told
    assert place.command("trace", jobs[0], jobs[0], code=2)


def test_a_profile_that_was_asked_for_is_shown(place: Place, jobs: list[str]):
    assert "Functions that took most" in place.command("trace", jobs[1])
    assert "Functions that took most" not in place.command("trace", jobs[0])


def test_inline_it_is_a_figure_with_a_page_and_a_text_behind_it(place: Place, jobs: list[str]):
    view = view_of(place.service.job(jobs[0]))
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {PLOTLY, "text/html", "text/plain"}
    assert len(json.dumps(bundle)) < 60_000
    assert "<b>" not in bundle["text/html"].replace("<b></b>", "")
    assert view.figure.data


def test_a_bar_shows_even_what_is_too_short_to_see():
    row = Row("a", "quantum", 0, 1, 1, 5.0, 5.0, 0.0, 0.0, 5.0, ((5.0, 5.0),))
    assert bar(row, 10.0, 10).strip() == "▏"
    assert len(bar(row, 10.0, 10)) == 10
