"""How the counts of two runs differ, and whether the number of shots alone explains it.

Distances between the relative frequencies p and q of all outcomes x:

    total variation   1/2 sum |p(x) - q(x)|
    Hellinger         sqrt(1 - sum sqrt(p(x) q(x)))

Even two runs of one distribution differ. How much they would is seen by dealing the shots of both out anew (the permutation test of the hypothesis
that both come from one distribution, exact for any number of outcomes; Efron and Tibshirani 1993, chapter 15). A total variation that few of the drawn pairs reach is not explained by
shots. Nor is a chi-squared of homogeneity that few reach, which weighs each outcome by its own noise: where two outcomes are frequent, theirs
hides in the total variation what the rare ones do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhub_ext.errors import InvalidOptionError

DRAWS, FEWER = 2000, 400
MANY = 500
"""With more outcomes fewer pairs are drawn: that takes long, and with so many the quantiles lie close together."""
LEVEL = 0.99

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Difference:
    """`noise` is the total variation that shots alone would exceed in one of a hundred pairs; `share` that of drawn pairs beyond ours, twice the one of
    the test that fewer reach, as there are two. `most` is the outcome that differs most beyond its noise.
    """

    total_variation: float
    hellinger: float
    noise: float
    share: float
    most: str

    @property
    def explained(self) -> bool:
        return self.share >= 1 - LEVEL - _ROUNDING


def check_counts(value: object, name: str) -> dict[str, int]:
    """Raises InvalidOptionError for what is no counts: outcome -> how often."""
    if (
        not isinstance(value, Mapping)
        or not value
        or not all(isinstance(k, str) and isinstance(v, int | np.integer) and v >= 0 for k, v in value.items())
        or sum(value.values()) == 0
    ):
        raise InvalidOptionError(f"{name} holds no counts.", advice="Counts are a dict such as {'00': 510, '11': 490}.")
    widths = {len(key.replace(" ", "")) for key in value}
    if len(widths) > 1:
        raise InvalidOptionError(f"{name} has outcomes of {len(widths)} widths.", advice="They must be of one circuit.")
    return {str(key): int(number) for key, number in value.items()}


def compare(first: Counts, second: Counts) -> Difference:
    """Raises InvalidOptionError for outcomes of different widths."""
    if len(next(iter(first)).replace(" ", "")) != len(next(iter(second)).replace(" ", "")):
        raise InvalidOptionError("The outcomes have different widths.", advice="Compare runs of one circuit.")
    outcomes = sorted({x for each in (first, second) for x, number in each.items() if number})
    a = np.array([first.get(x, 0) for x in outcomes], dtype=np.int64)
    b = np.array([second.get(x, 0) for x in outcomes], dtype=np.int64)
    shots_a, shots_b = int(a.sum()), int(b.sum())
    p, q = a / shots_a, b / shots_b
    distance = float(np.abs(p - q).sum() / 2)
    overlap = float(np.sqrt(p * q).sum())
    pooled = (a + b) / (shots_a + shots_b)
    random = np.random.default_rng(len(outcomes))  # the same answer whenever it is asked
    draws = DRAWS if len(outcomes) <= MANY else FEWER
    if shots_a + shots_b < _MOST_DEALT:
        dealt = random.multivariate_hypergeometric(a + b, shots_a, size=draws, method="marginals")
        drawn_a, drawn_b = dealt / shots_a, (a + b - dealt) / shots_b
    else:
        drawn_a, drawn_b = (random.multinomial(n, pooled, size=draws) / n for n in (shots_a, shots_b))
    drawn = np.abs(drawn_a - drawn_b).sum(axis=1) / 2
    weight = shots_a * shots_b / (shots_a + shots_b)
    deviations = _deviations(p, q, pooled, weight)
    together = _deviations(drawn_a, drawn_b, pooled, weight)
    share = (drawn >= distance - _ROUNDING).mean()
    share_squared = (together.sum(axis=1) >= deviations.sum() - _ROUNDING).mean()
    return Difference(
        total_variation=distance,
        hellinger=math.sqrt(max(0.0, 1.0 - overlap)),
        noise=float(np.quantile(drawn, LEVEL)),
        share=float(min(1.0, 2 * share, 2 * share_squared)),
        most=outcomes[int(deviations.argmax())],
    )


_ROUNDING = 1e-12
_MOST_DEALT = 10**9
"""numpy deals no more; of so many, drawing from the pooled frequencies is the same."""


def _deviations(p: NDArray[Any], q: NDArray[Any], pooled: NDArray[Any], weight: float) -> NDArray[Any]:
    """What each outcome adds to the chi-squared of homogeneity."""
    squares = weight * (p - q) ** 2
    found: NDArray[Any] = squares / pooled
    return found


def share_of(counts: Counts, outcome: str) -> tuple[float, float]:
    """The relative frequency of an outcome and its standard error, sqrt(p (1 - p) / shots)."""
    shots = sum(counts.values())
    p = counts.get(outcome, 0) / shots
    return p, math.sqrt(p * (1 - p) / shots)


def leading(several: Mapping[str, Counts], most: int) -> list[str]:
    """The outcomes that are frequent in any of them, the most frequent first."""
    highest: dict[str, float] = {}
    for counts in several.values():
        shots = sum(counts.values())
        for outcome, number in counts.items():
            highest[outcome] = max(highest.get(outcome, 0.0), number / shots)
    return sorted(highest, key=lambda x: (-highest[x], x))[:most]
