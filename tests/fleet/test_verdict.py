"""A planted common cause is found and named, one user's own fault is told from it, and chance is seldom taken for either."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from qhub_ext.diagnosis.fleet.answers import of_job, overview
from qhub_ext.diagnosis.fleet.table import fleet_of
from qhub_ext.diagnosis.fleet.verdict import benjamini_hochberg, binomial_tail, tail_within
from qhub_ext.diagnosis.fleet.viewer import Viewer
from tests.fleet.planted import DAY_S, END, FAULT, T0, Fault, Site

OPERATOR = Viewer("root", names=True)


def judged(site: Site, number: int, seed: int, fault: Fault, viewer: Viewer = OPERATOR) -> dict:
    clusters = overview(site.fleet(number, seed, fault), viewer, "signature", T0 - DAY_S, END)["clusters"]
    return next(c for c in clusters if c["signature"] == FAULT)


def test_a_bad_node_is_found_by_its_name_and_the_sentence_has_the_numbers() -> None:
    found = judged(Site(), 400, 1, lambda row: row["node"] == "n3" and int(row["job"][3:]) % 3 > 0)
    best = found["verdict"]["standing_out"][0]
    assert (found["kind"], best["dimension"], best["value"]) == ("systemic", "node", "n3")
    assert best["failed_elsewhere"] == 0
    assert f"{best['failed']} of {best['runs']} runs on node n3 failed so" in found["sentence"]
    assert "elsewhere 0 of" in found["sentence"]


def test_a_bad_calibration_is_found_and_not_taken_for_its_device_or_its_hours() -> None:
    found = judged(Site(), 600, 2, lambda row: row["snapshot"] == "sha256:fez-4")
    best = found["verdict"]["standing_out"][0]
    assert (found["kind"], best["dimension"], best["value"]) == ("systemic", "snapshot", "sha256:fez-4")


def test_one_users_code_is_isolated_wherever_it_ran() -> None:
    found = judged(Site(), 400, 3, lambda row: row["user"] == "user4")
    assert found["kind"] == "one user"
    assert found["sentence"].startswith("Isolated: it is user4's alone")


def test_what_one_user_meets_most_and_others_as_well_is_not_said_to_be_theirs() -> None:
    def often(row: dict) -> bool:
        number = int(row["job"][3:])
        return number % 3 == 0 if row["user"] == "user4" else number % 20 == 0

    found = judged(Site(), 900, 8, often)
    assert found["kind"] == "spread"
    assert "It is met most by user4 (" in found["sentence"]


def test_one_users_code_that_broke_on_a_day_on_one_node_accuses_neither_day_nor_node() -> None:
    def broke(row: dict) -> bool:
        late = row["user"] == "user4" and row["ended_at"] > T0 + 5 * DAY_S
        if late:
            row["node"] = "n1"
        return late

    found = judged(Site(), 600, 4, broke)
    assert found["kind"] in ("one user", "spread")
    assert "node n1" not in found["sentence"]


def test_an_outage_that_everybody_meets_is_systemic_everywhere() -> None:
    found = judged(Site(), 60, 5, lambda row: True)
    assert found["kind"] == "systemic"
    assert "it is met everywhere. 12 of 12 users" in found["sentence"]


def test_few_failures_are_said_to_be_too_few() -> None:
    fleet = Site().fleet(300, 6, lambda row: row["job"] in ("job1", "job2", "job3"))
    found = of_job(fleet, OPERATOR, "job2", T0, END)
    assert found["kind"] == "too few"
    assert found["sentence"].startswith("Too few to say whether it is systemic: 3 such failures of")


def test_a_sweep_that_fails_whole_counts_once() -> None:
    rows = Site().rows(200, 7)
    rows += [
        {**rows[0], "job": f"sweep.{n}", "state": "failed", "cause": "code", "signature": FAULT} for n in range(50)
    ]
    found = of_job(fleet_of(rows), OPERATOR, "sweep.7", T0, END)
    assert (found["kind"], found["verdict"]["failed"]) == ("too few", 1)


def test_users_see_counts_and_their_own_failures_but_nobody_elses_words_or_names() -> None:
    fleet = Site().fleet(400, 3, lambda row: row["user"] == "user4")
    told = overview(fleet, Viewer("user1"), "signature", T0 - DAY_S, END)
    assert "user4" not in str(told)
    assert FAULT not in str(told)
    assert any(
        c["signature"] == "failures of other users" and "one other user's alone" in c["sentence"]
        for c in told["clusters"]
    )
    mine = overview(fleet, Viewer("user4"), "signature", T0 - DAY_S, END)
    assert any(c["signature"] == FAULT and "yours alone" in c["sentence"] for c in mine["clusters"])


@pytest.mark.parametrize(
    "site",
    [Site(), Site(burst=8), Site(users=3, nodes=3), Site(users=30, chance=0.2)],
    ids=["even", "bursts", "small", "large"],
)
def test_chance_is_called_systemic_in_less_than_one_of_fifty_clusters(site: Site, record_property) -> None:
    """The level is 1 % over all values of one cluster; each of these has at least two clusters."""
    judged, wrong = 0, 0
    for seed in range(40):
        fleet = site.fleet(300, 1000 + seed)
        for cluster in overview(fleet, OPERATOR, "signature", T0 - DAY_S, END)["clusters"]:
            judged += cluster["kind"] in ("systemic", "one user", "spread")
            wrong += cluster["kind"] == "systemic"
    record_property("false_positives", f"{wrong} of {judged}")
    assert judged > 40
    assert wrong <= judged / 50, f"{wrong} of {judged}"


sizes = st.integers(0, 60)


@given(n=st.integers(1, 60), k=sizes, m=sizes, x=st.integers(0, 61))
def test_with_one_user_the_tail_is_fishers(n: int, k: int, m: int, x: int) -> None:
    k, m = min(k, n), min(m, n)
    ours = tail_within(np.array([n]), np.array([k]), np.array([m]), x)
    assert ours == pytest.approx(stats.hypergeom.sf(x - 1, n, k, m), abs=1e-9)


def test_over_users_the_tail_is_that_of_drawing_again() -> None:
    n, k, m = np.array([20, 9, 30]), np.array([5, 8, 2]), np.array([7, 3, 10])
    drawn = np.random.default_rng(1).hypergeometric(k, n - k, m, size=(40_000, 3)).sum(1)
    for x in (4, 6, 8):
        assert tail_within(n, k, m, x) == pytest.approx((drawn >= x).mean(), abs=0.01)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjusting_is_that_of_scipy(p: list[float]) -> None:
    ours = benjamini_hochberg(p, len(p))
    assert ours == pytest.approx(list(stats.false_discovery_control(p)) if p else [])


def test_the_binomial_tail_is_scipys() -> None:
    assert binomial_tail(3, 12, 0.05) == pytest.approx(stats.binom.sf(2, 12, 0.05))
