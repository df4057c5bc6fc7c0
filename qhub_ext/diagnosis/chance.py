"""What chance explains, without numpy: the server asks as well."""

from __future__ import annotations

import math


def too_few(hits: int, shots: int, at_least: float) -> float:
    """How likely so few hits or fewer are by chance, where each shot is a hit with probability `at_least` or more (binomial, one-sided)."""
    if shots <= 0 or hits >= shots or at_least <= 0.0:
        return 1.0
    if at_least >= 1.0:
        return 0.0
    yes, no, whole = math.log(at_least), math.log1p(-at_least), math.lgamma(shots + 1)
    logs = (
        whole - math.lgamma(k + 1) - math.lgamma(shots - k + 1) + k * yes + (shots - k) * no for k in range(hits + 1)
    )
    return min(1.0, math.fsum(math.exp(log) for log in logs))
