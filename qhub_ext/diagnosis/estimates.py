"""How expectation values of two runs differ, and whether their standard errors explain it.

An estimated value is a mean over many shots, given with its standard error s. Where two runs measured one expectation value,

    z = (a - b) / sqrt(s_a^2 + s_b^2)

is standard normal (central limit theorem; the two-sample z test for unequal variances, Welch 1938), and so far apart by chance are two
runs in a share p = erfc(|z| / sqrt 2). Of n values the largest |z| is judged: all n stay below it by chance in at least (1 - p)^n of the
pairs, however they depend on one another (Sidak 1967). Beyond shot noise is what chance alone would show in fewer than one of a hundred
pairs. A value with the standard error 0 was computed and not sampled: such values must be equal, but for the last digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEVEL = 0.99
ROUNDING = 1e-10
"""Relative. Another processor or library adds in another order, and the last digits are others."""


@dataclass(frozen=True)
class Estimate:
    value: float
    error: float


@dataclass(frozen=True)
class Difference:
    """Of the pair of values that is farthest apart: `place` in the row, `by`, standard error of that difference, and `z`. `share`: how often
    chance alone has one of all the pairs so far apart.
    """

    place: int
    by: float
    error: float
    z: float
    share: float

    @property
    def explained(self) -> bool:
        return self.share >= 1 - LEVEL


def rounded(a: float, b: float) -> bool:
    """The same number, but for the last digits."""
    return math.isclose(a, b, rel_tol=ROUNDING, abs_tol=1e-300)


def compare(first: Sequence[Estimate], second: Sequence[Estimate]) -> Difference:
    """Of rows of one length, which is at least 1."""
    pairs = [_pair(a, b) for a, b in zip(first, second, strict=True)]
    place = max(range(len(pairs)), key=lambda n: pairs[n][2])
    by, error, z = pairs[place]
    single = math.erfc(z / math.sqrt(2))
    share = 1.0 if single >= 1 else -math.expm1(len(pairs) * math.log1p(-single))
    return Difference(place, by, error, z, share)


def _pair(a: Estimate, b: Estimate) -> tuple[float, float, float]:
    by = abs(a.value - b.value)
    error = math.hypot(a.error, b.error)
    if rounded(a.value, b.value):
        return by, error, 0.0
    return by, error, by / error if error else math.inf


def recorded(tasks: Iterable[Mapping[str, Any]]) -> list[Estimate]:
    """What the estimators of a job gave, in the order of its tasks' records (`evs` and `stds` of each PUB)."""
    return [
        Estimate(float(value), float(error))
        for task in tasks
        for pub in task.get("pubs") or ()
        for value, error in zip(pub.get("evs") or (), pub.get("stds") or (), strict=False)
    ]


def with_errors(
    first: float, second: float, known: tuple[Sequence[Estimate], Sequence[Estimate]]
) -> tuple[Estimate, Estimate] | None:
    """The standard errors of two numbers that cells brought back: each is a value that an estimator of its job gave, or both are the same
    constant away from the two jobs' values at one place, as an energy is with that of the nuclei added. None where neither holds.
    """
    given = [
        [one.error for one in those if one.value == number]
        for those, number in zip(known, (first, second), strict=True)
    ]
    if given[0] and given[1]:
        return Estimate(first, max(given[0])), Estimate(second, max(given[1]))
    for a, b in zip(*known, strict=False):
        scale = max(abs(first), abs(second), abs(a.value), abs(b.value))
        if abs((first - a.value) - (second - b.value)) <= ROUNDING * scale and a.value != b.value:
            return Estimate(first, a.error), Estimate(second, b.error)
    return None


def typical_error(known: tuple[Sequence[Estimate], Sequence[Estimate]]) -> float:
    """The median of the standard errors of both jobs; 0 where they estimated nothing."""
    errors = sorted(one.error for those in known for one in those)
    return errors[len(errors) // 2] if errors else 0.0
