"""How the counts of two runs differ, and whether the number of shots alone explains it.

Distances between the relative frequencies p and q of all outcomes x:

    total variation   1/2 sum |p(x) - q(x)|
    Hellinger         sqrt(1 - sum sqrt(p(x) q(x)))

Even two runs of one distribution differ. How much they would is drawn from the pooled counts (parametric bootstrap of the hypothesis
that both come from one distribution; Efron and Tibshirani 1993, chapter 16): a total variation beyond its 99 % quantile is not explained
by shots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qhub_ext.errors import InvalidOptionError

DRAWS = 2000
LEVEL = 0.99

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Difference:
    """`noise` is the total variation that shots alone would exceed in one of a hundred pairs; `share` that of drawn pairs beyond ours."""

    total_variation: float
    hellinger: float
    noise: float
    share: float

    @property
    def explained(self) -> bool:
        return self.total_variation <= self.noise


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
    outcomes = sorted({*first, *second})
    a = np.array([first.get(x, 0) for x in outcomes], dtype=np.int64)
    b = np.array([second.get(x, 0) for x in outcomes], dtype=np.int64)
    shots_a, shots_b = int(a.sum()), int(b.sum())
    p, q = a / shots_a, b / shots_b
    distance = float(np.abs(p - q).sum() / 2)
    overlap = float(np.sqrt(p * q).sum())
    pooled = (a + b) / (shots_a + shots_b)
    random = np.random.default_rng(len(outcomes))  # the same answer whenever it is asked
    drawn_a = random.multinomial(shots_a, pooled, size=DRAWS) / shots_a
    drawn_b = random.multinomial(shots_b, pooled, size=DRAWS) / shots_b
    drawn = np.abs(drawn_a - drawn_b).sum(axis=1) / 2
    return Difference(
        total_variation=distance,
        hellinger=math.sqrt(max(0.0, 1.0 - overlap)),
        noise=float(np.quantile(drawn, LEVEL)),
        share=float((drawn >= distance).mean()),
    )


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
