"""One line of the table, and how its two sides are timed: taking turns, so that a busy machine slows both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """`ours` beside `theirs`, both in `unit` (s, jobs/s, MiB). A target bounds ours / theirs, or ours itself."""

    what: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    unit: str = "s"
    ratio_at_most: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.theirs if self.theirs else None

    @property
    def holds(self) -> bool | None:
        """None without a target."""
        if self.ratio_at_most is not None and self.ratio is not None:
            return self.ratio <= self.ratio_at_most
        return None if self.at_most is None else self.ours <= self.at_most

    @property
    def target(self) -> str:
        if self.ratio_at_most is not None:
            return f"at most {self.ratio_at_most:.3g} x"
        return "" if self.at_most is None else f"at most {quantity(self.at_most, self.unit)}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def quantity(value: float, unit: str) -> str:
    if unit == "s":
        value, unit = (value, "s") if value >= 1 else (1e3 * value, "ms")
    digits = 0 if value >= 100 or unit == "processes" else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def seconds(step: Callable[[], Any]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def take_turns(*sides: Callable[[], float], rounds: int) -> list[float]:
    """The median of what each side says, one round after another."""
    taken = [[side() for side in sides] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]
