"""Two runs differ: by chance, or not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.diagnosis.counts import check_counts, compare, leading, share_of
from qhub_ext.errors import InvalidOptionError

COUNTS = st.dictionaries(st.text("01", min_size=3, max_size=3), st.integers(1, 5000), min_size=1)


def draw(p: list[float], shots: int, seed: int) -> dict[str, int]:
    numbers = np.random.default_rng(seed).multinomial(shots, p)
    return {format(k, "02b"): int(n) for k, n in enumerate(numbers) if n}


def test_the_distances_are_those_of_the_formulas() -> None:
    found = compare({"0": 75, "1": 25}, {"0": 50, "1": 50})
    assert found.total_variation == pytest.approx(0.25)
    overlap = math.sqrt(0.75 * 0.5) + math.sqrt(0.25 * 0.5)
    assert found.hellinger == pytest.approx(math.sqrt(1 - overlap))


def test_two_draws_of_one_distribution_are_explained_by_shots_in_99_of_100_pairs() -> None:
    p = [0.45, 0.05, 0.05, 0.45]
    explained = [compare(draw(p, 1000, 2 * k), draw(p, 1500, 2 * k + 1)).explained for k in range(300)]
    assert sum(explained) >= 290


def test_a_small_real_difference_is_seen_with_enough_shots_and_not_with_few() -> None:
    one, other = [0.48, 0.02, 0.02, 0.48], [0.45, 0.05, 0.05, 0.45]
    assert not compare(draw(one, 20_000, 1), draw(other, 20_000, 2)).explained
    assert compare(draw(one, 50, 1), draw(other, 50, 2)).explained


def test_what_rare_outcomes_do_is_not_hidden_by_the_noise_of_frequent_ones() -> None:
    device = {"00": 368, "11": 438, "10": 142, "01": 52}
    emulated = {"00": 398, "11": 431, "10": 88, "01": 83}
    found = compare(device, emulated)
    assert found.total_variation < found.noise
    assert not found.explained
    assert found.most == "10"
    assert compare(device, {**device, "10": 150, "00": 360}).explained


def test_very_many_shots_and_outcomes_that_never_came_are_compared_too() -> None:
    many = {"00": 10**9, "01": 10**9, "10": 0}
    assert compare(many, many).explained
    assert not compare(many, {"00": 10**9, "01": 10**9 + 10**6, "11": 0}).explained
    assert compare({"0": 5, "1": 0}, {"0": 7, "1": 0}).total_variation == 0


@pytest.mark.parametrize("outcomes", [2, 40, 3000])
def test_chance_is_called_chance_whatever_the_number_of_outcomes(outcomes: int) -> None:
    p = np.random.default_rng(3).dirichlet(np.ones(outcomes))
    explained = 0
    for k in range(12):
        random = np.random.default_rng(100 + k)
        a, b = ({format(n, "013b"): int(c) for n, c in enumerate(random.multinomial(1000, p)) if c} for _ in range(2))
        explained += compare(a, b).explained
    assert explained >= 11


@given(COUNTS, COUNTS)
def test_distances_are_symmetric_bounded_and_nought_for_the_same(a: dict[str, int], b: dict[str, int]) -> None:
    found, back = compare(a, b), compare(b, a)
    assert found.total_variation == pytest.approx(back.total_variation)
    assert 0 <= found.total_variation <= 1
    assert 0 <= found.hellinger <= 1
    assert found.hellinger**2 <= found.total_variation + 1e-12
    assert compare(a, a).total_variation == 0


@pytest.mark.parametrize("value", [None, {}, {"0": -1}, {"0": "many"}, {0: 1}, [1], {"0": 0}, {"0": 1, "11": 2}])
def test_what_is_no_counts_is_said(value: object) -> None:
    with pytest.raises(InvalidOptionError, match="`x`"):
        check_counts(value, "`x`")


def test_runs_of_different_circuits_are_not_compared() -> None:
    with pytest.raises(InvalidOptionError, match="widths"):
        compare({"0": 1}, {"00": 1})


def test_shares_have_the_error_of_their_shots() -> None:
    assert share_of({"0": 50, "1": 50}, "0") == (0.5, 0.05)
    assert leading({"a": {"0": 90, "1": 10}, "b": {"1": 95, "0": 5}}, 1) == ["1"]
