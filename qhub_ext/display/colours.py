"""Colours of values, readable on white and on black, and told apart by who does not see red beside green."""

from __future__ import annotations

from collections.abc import Sequence

GOOD_TO_BAD = ("#2c7fb8", "#4f9fae", "#a8a04e", "#e08a2e", "#d1495b")
BETTER_TO_WORSE = ("#2c7fb8", "#6ba3c4", "#9a9a9a", "#dc8a72", "#d1495b")
OFF = "#9a9a9a"
"""What is dead or not known."""
MARKED = "#e0a100"


def colour(scale: Sequence[str], share: float) -> str:
    """`share` from 0 (the first colour) to 1 (the last)."""
    place = min(max(share, 0.0), 1.0) * (len(scale) - 1)
    below = min(int(place), len(scale) - 2)
    first, second = _rgb(scale[below]), _rgb(scale[below + 1])
    mixed = (round(a + (b - a) * (place - below)) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def stops(scale: Sequence[str]) -> list[list[float | str]]:
    """As plotly takes a colour scale."""
    return [[round(n / (len(scale) - 1), 4), one] for n, one in enumerate(scale)]


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
