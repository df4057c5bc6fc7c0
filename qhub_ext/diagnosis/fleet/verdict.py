"""Whether failures that are alike have a common cause that can be named, by exact tests; pure, on arrays.

**What is counted.** A *run* is what one user tried within ten minutes in one place (device, node, versions, snapshot) with one end: repeats,
such as the elements of a sweep, count once, because they are no evidence of their own.

**The test of a value** of device, node, versions, snapshot or time window: that failures fall there more often than chance would bring, given
how often each user fails and runs there. Within each user it is Fisher's exact test; over users the counts are added up, whose distribution is
the convolution of the users' hypergeometric ones (Birch, J. R. Stat. Soc. B 26 (1964) 313; Mehta, Patel, Gray, J. Am. Stat. Assoc. 80 (1985) 969):

    P(X >= x),  X = sum_u X_u,  P(X_u = j) = C(k_u, j) C(n_u - k_u, m_u - j) / C(n_u, m_u)

with n_u runs of user u, k_u of them failures of this kind, m_u runs at that value. So one user's broken code, which fails wherever it runs, is no
evidence against a node. **A user** is tested against all others with Fisher's exact test (R. A. Fisher, J. R. Stat. Soc. 98 (1935) 39).

**Many values.** All values of all six dimensions are compared at once, so that p is adjusted after Benjamini and Hochberg (J. R. Stat. Soc. B 57
(1995) 289) and held against 1 %. A value is called systemic only where at least two users met it, and where the evidence does not rest on one of them:
without the user who adds most, p is still under 5 %.

**Everywhere.** Where most runs fail nothing stands out. Then users are counted: had each a chance of 5 % to fail so in half of their runs, that so many do
is a binomial tail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

LEVEL = 0.01
WITHOUT_ONE = 0.05
LEAST = 5
"""Fewer failures than these say nothing."""
BASE_USER = 0.05
SCREEN = 2.0
"""Standard deviations above what is expected, from which on the exact test is worth its time: below it, p is over 1 %."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Dimension:
    """`codes` of each run point into `values`; those of -1 are not known."""

    name: str
    codes: Ints
    values: Sequence[str]


@dataclass(frozen=True)
class Outstanding:
    """A value with more failures than chance brings: `failed` of `runs` there, `failed_elsewhere` of `runs_elsewhere`. `p` is adjusted."""

    dimension: str
    value: str
    failed: int
    runs: int
    failed_elsewhere: int
    runs_elsewhere: int
    users: int
    p: float


@dataclass(frozen=True)
class Verdict:
    """`kind` is systemic, one user (who has most of them), spread or too few. `compared` is how many values were."""

    kind: str
    failed: int
    runs: int
    users: int
    compared: int = 0
    p: float | None = None
    standing_out: tuple[Outstanding, ...] = ()
    everywhere: tuple[int, int] | None = None
    """Users who fail so in half of their runs or more, and users who ran at all."""
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(failed: NDArray[np.bool_], users: Dimension, places: Sequence[Dimension]) -> Verdict:
    """`failed` says of each run whether it ended so."""
    total, runs = int(failed.sum()), len(failed)
    number = len(users.values)
    runs_of = np.bincount(users.codes, minlength=number)
    failed_of = np.bincount(users.codes[failed], minlength=number)
    met = int((failed_of > 0).sum())
    if total < LEAST:
        return Verdict("too few", total, runs, met)
    found: list[tuple[float, Outstanding, Ints]] = []
    compared = 0
    for place in places:
        known = place.codes >= 0
        pairs = users.codes[known], place.codes[known]
        here = _crossed(*pairs, (number, len(place.values)))
        failed_here = _crossed(pairs[0][failed[known]], pairs[1][failed[known]], (number, len(place.values)))
        all_runs, all_failed = here.sum(1), failed_here.sum(1)
        compared += int((here.sum(0) > 0).sum())
        for value in _worth_it(all_runs, all_failed, here, failed_here):
            m, x = here[:, value], failed_here[:, value]
            p = tail_within(all_runs, all_failed, m, int(x.sum()))
            one = Outstanding(
                place.name, place.values[value], int(x.sum()), int(m.sum()),
                int(all_failed.sum() - x.sum()), int(all_runs.sum() - m.sum()), int((x > 0).sum()), p,
            )  # fmt: skip
            found.append((p, one, np.stack([all_runs, all_failed, m, x])))
    of_user = [
        (tail_within(np.array([runs]), np.array([total]), np.array([runs_of[u]]), int(failed_of[u])), int(u))
        for u in np.flatnonzero(failed_of)
    ]
    compared += int((runs_of > 0).sum())
    adjusted = benjamini_hochberg([p for p, _, _ in found] + [p for p, _ in of_user], compared)
    standing = sorted(
        (p, n) for n, p in enumerate(adjusted[: len(found)]) if p < LEVEL and found[n][1].users > 1 and _without_one(found[n][2])
    )  # fmt: skip
    if standing:
        shown = tuple(_adjusted(found[n][1], p) for p, n in standing)
        return Verdict("systemic", total, runs, met, compared, shown[0].p, shown)
    most = int(((failed_of * 2 >= runs_of) & (runs_of > 0) & (failed_of > 0)).sum())
    ran = int((runs_of > 0).sum())
    if most > 2 and (p := binomial_tail(most, ran, BASE_USER)) < LEVEL:
        return Verdict("systemic", total, runs, met, compared, p, everywhere=(most, ran))
    alone = sorted((p, u) for p, (_, u) in zip(adjusted[len(found) :], of_user, strict=True) if p < LEVEL)
    if alone or met == 1:
        p, u = alone[0] if alone else (of_user[0][0], of_user[0][1])
        one = Outstanding("user", users.values[u], int(failed_of[u]), int(runs_of[u]), total - int(failed_of[u]), runs - int(runs_of[u]), 1, p)  # fmt: skip
        kind = "one user" if one.failed * 2 > total else "spread"
        return Verdict(kind, total, runs, met, compared, p if alone else None, (one,))
    return Verdict("spread", total, runs, met, compared, min(adjusted, default=1.0))


def _worth_it(n: Ints, k: Ints, m: Ints, x: Ints) -> list[int]:
    """Values whose failures are well above what each user's own rate brings there (Mantel and Haenszel's mean and variance)."""
    size = np.maximum(n, 1)[:, None]
    mean = (m * (k[:, None] / size)).sum(0)
    spread = m * (k[:, None] / size) * ((n - k)[:, None] / size) * (n[:, None] - m) / np.maximum(size - 1, 1)
    over = x.sum(0) - mean
    return [
        int(v) for v in np.flatnonzero(over > SCREEN * np.sqrt(spread.sum(0))) if x[:, v].sum() > 1 and over[v] > 0.5
    ]


def _without_one(table: Ints) -> bool:
    """Whether the evidence stays without the user who adds most to it."""
    n, k, m, x = table
    heaviest = int(np.argmax(x - m * k / np.maximum(n, 1)))
    n, k, m, x = (np.delete(column, heaviest) for column in table)
    return tail_within(n, k, m, int(x.sum())) < WITHOUT_ONE


def tail_within(n: Ints, k: Ints, m: Ints, x: int) -> float:
    """P(X >= x) for the sum of hypergeometric counts: of n runs k failed, m were here. With one user it is Fisher's exact test, one-sided."""
    total, at = np.ones(1), 0
    for size, failures, here in zip(n.tolist(), k.tolist(), m.tolist(), strict=True):
        least, most = max(0, failures + here - size), min(failures, here)
        at += least
        if most == least:
            continue
        j = np.arange(least, most + 1)
        chances = np.exp(_choose(failures, j) + _choose(size - failures, here - j) - _choose(size, here))
        total = np.convolve(total, chances)
    return float(min(1.0, total[max(0, x - at) :].sum()))


def binomial_tail(hits: int, of: int, chance: float) -> float:
    """P(X >= hits), X binomial."""
    j = np.arange(hits, of + 1)
    return float(min(1.0, np.exp(_choose(of, j) + j * np.log(chance) + (of - j) * np.log1p(-chance)).sum()))


def benjamini_hochberg(p: Sequence[float], compared: int) -> list[float]:
    """Adjusted so that those under a level have at most that share of false ones among them. `compared` may be more than there are: the rest are 1."""
    order = np.argsort(p)
    adjusted, least = [1.0] * len(p), 1.0
    for rank in range(len(p), 0, -1):
        place = int(order[rank - 1])
        least = min(least, p[place] * max(compared, len(p)) / rank)
        adjusted[place] = least
    return adjusted


def _choose(n: Any, k: Any) -> Any:
    """Its logarithm."""
    return gammaln(np.asarray(n) + 1.0) - gammaln(np.asarray(k) + 1.0) - gammaln(np.asarray(n) - k + 1.0)


def _crossed(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Ints:
    return np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1]).reshape(shape)


def _adjusted(one: Outstanding, p: float) -> Outstanding:
    return Outstanding(**{**asdict(one), "p": p})
