"""Values of two jobs are held against each other by the test for their kind: counts, estimated values, numbers made of them."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult

from qhub_ext.diagnosis.estimates import Estimate, compare, recorded
from qhub_ext.diagnosis.results import ORDER, WORDS, Known, compare_values

NOTHING: Known = ((), ())


def estimated(*pairs: tuple[float, float]) -> PrimitiveResult[Any]:
    evs, stds = np.array([a for a, _ in pairs]), np.array([s for _, s in pairs])
    return PrimitiveResult([PubResult(DataBin(evs=evs, stds=stds, shape=evs.shape))])


def test_two_runs_of_one_value_differ_beyond_shot_noise_in_one_of_a_hundred_pairs_however_many_values_there_are() -> (
    None
):
    draw = random.Random(3)
    for values in (1, 20):
        beyond = 0
        for _ in range(1000):
            rows = [[Estimate(draw.gauss(-1.1, s), s) for s in [0.01, 0.03][run : run + 1] * values] for run in (0, 1)]
            beyond += not compare(*rows).explained
        assert 1 <= beyond <= 25, values


def test_the_formula_is_the_one_that_is_stated() -> None:
    found = compare([Estimate(1.0, 0.03)], [Estimate(1.1, 0.04)])
    assert (found.z, found.error) == (pytest.approx(2.0), pytest.approx(0.05))
    assert found.share == pytest.approx(math.erfc(2.0 / math.sqrt(2)))
    three = compare([Estimate(0.0, 0.03)] * 3, [Estimate(0.0, 0.04), Estimate(0.1, 0.04), Estimate(0.0, 0.04)])
    assert three.place == 1
    assert three.share == pytest.approx(1 - (1 - found.share) ** 3)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (-1.100, -1.105, "explained"),
        (-1.100, -1.200, "beyond"),
        (-1.100, -1.100, "identical"),
        (-1.100, -1.1000000000000003, "rounding"),
    ],
)
def test_results_of_an_estimator_are_held_to_their_standard_errors(first: float, second: float, verdict: str) -> None:
    found = compare_values("r", estimated((first, 0.01), (0.5, 0.01)), estimated((second, 0.01), (0.5, 0.01)), NOTHING)
    assert found.verdict == verdict
    data = [estimated((x, 0.01))[0].data for x in (first, second)]
    assert compare_values("r", *data, NOTHING).verdict == verdict


def test_a_number_that_an_estimator_gave_has_its_standard_error_wherever_the_cell_put_it() -> None:
    known = ([Estimate(-1.1, 0.01), Estimate(0.3, 0.02)], [Estimate(-1.105, 0.01), Estimate(0.31, 0.02)])
    assert compare_values("e", -1.1, -1.105, known).verdict == "explained"
    assert compare_values("e", np.array(-1.1), np.array(-1.105), known).verdict == "explained"
    assert compare_values("e", [-1.1, 0.3], [-1.105, 0.31], known).verdict == "explained"
    nuclei = 0.7199689944489797
    assert compare_values("e", -1.1 + nuclei, -1.105 + nuclei, known).verdict == "explained"
    far = (known[0], [Estimate(-1.2, 0.01), Estimate(0.31, 0.02)])
    found = compare_values("e", -1.1 + nuclei, -1.2 + nuclei, far)
    assert found.verdict == "beyond"
    assert "7.1 standard errors of the difference (0.014); chance alone has fewer than 0.1% of pairs" in found.said


def test_exact_values_must_be_equal() -> None:
    exact = compare_values("e", estimated((1.0, 0.0)), estimated((0.5, 0.0)), NOTHING)
    assert (exact.verdict, exact.z) == ("beyond", None)
    assert "both are exact" in exact.said
    assert compare_values("e", estimated((1.0, 0.0)), estimated((1.0, 0.0)), NOTHING).verdict == "identical"


def test_what_an_optimizer_made_of_noisy_values_is_held_to_a_tolerance_that_is_said_to_be_no_test() -> None:
    known = ([Estimate(-1.0 - n / 100, 0.01) for n in range(9)], [Estimate(-1.0 - n / 90, 0.01) for n in range(7)])
    near = compare_values("x", [0.1, 0.2], [0.12, 0.19], known)
    assert near.verdict == "near"
    assert "0.02 apart, 2.0 times the 0.01 by which this job's estimated values scatter" in near.said
    assert "rule of thumb" in near.said
    assert compare_values("x", [0.1, 0.2], [0.2, 0.2], known).verdict == "differs"
    assert compare_values("x", [0.1], [0.12], NOTHING).verdict == "differs"
    assert compare_values("x", [0.1], [0.1 + 1e-16], NOTHING).verdict in ("identical", "rounding")


def test_results_of_a_sampler_are_tested_register_by_register() -> None:
    def sampled(zeros: int) -> PrimitiveResult[Any]:
        data = {name: BitArray.from_counts({"0": n, "1": 1000 - n}) for name, n in (("a", 500), ("b", zeros))}
        return PrimitiveResult([PubResult(DataBin(**data))])

    assert compare_values("r", sampled(500), sampled(500), NOTHING).verdict == "identical"
    assert compare_values("r", sampled(500), sampled(510), NOTHING).verdict == "explained"
    assert compare_values("r", sampled(500), sampled(900), NOTHING).verdict == "beyond"


def test_whole_numbers_and_other_values_are_the_same_or_not() -> None:
    known = ([Estimate(1.0, 1.0)], [Estimate(2.0, 1.0)])
    assert compare_values("n", 7, 8, known).verdict == "differs"
    assert compare_values("n", "a", "b", known).verdict == "differs"
    assert compare_values("n", True, True, known).verdict == "identical"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
task = st.dictionaries(
    st.just("pubs"),
    st.lists(st.fixed_dictionaries({"evs": st.lists(st.floats(-2, 2)), "stds": st.lists(st.floats(0, 1))}), max_size=3),
)


@given(anything, anything, st.lists(task, max_size=2))
def test_any_two_values_have_a_verdict_and_a_sentence(first: Any, second: Any, tasks: list[dict[str, Any]]) -> None:
    found = compare_values("x", first, second, (recorded(tasks), recorded(tasks)))
    assert found.verdict in WORDS
    assert found.said
    assert set(ORDER) == set(WORDS)
