"""The quantities of a calibration and their scales: which way is better, where from best to worst a value lies, how often worse it became."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qhub_ext.errors import UnknownNameError


@dataclass(frozen=True)
class Metric:
    """A quantity of each qubit. `field` is its name in the chart."""

    name: str
    field: str
    title: str
    more_is_better: bool = False

    def words(self, value: float | None) -> str:
        if value is None:
            return "–"
        return f"{value * 1e6:.0f} µs" if self.field.endswith("_s") else f"{value:.2e}"


METRICS = (
    Metric("readout", "readout_error", "readout error"),
    Metric("1q", "one_qubit_error", "one-qubit error"),
    Metric("t1", "t1_s", "T1", more_is_better=True),
    Metric("t2", "t2_s", "T2", more_is_better=True),
)
EDGES = Metric("2q", "error", "two-qubit error")
BINS = 12


def find_metric(name: str) -> Metric:
    """By its short name or its name in the record. Raises UnknownNameError."""
    for metric in METRICS:
        if name.lower() in (metric.name, metric.field):
            return metric
    raise UnknownNameError.among("metric", name, [metric.name for metric in METRICS])


@dataclass(frozen=True)
class Scale:
    """`low` and `high` are the ends, in `place` units (log10 of an error, the value itself else)."""

    low: float
    high: float
    place: Callable[[float], float]
    reverse: bool = False
    against: bool = False

    @classmethod
    def of(cls, values: Sequence[float | None], metric: Metric, *, against: bool) -> Scale:
        known = sorted(v for v in values if v is not None)
        if against:  # even on both sides, so that grey is "as before"
            reach = max((abs(v) for v in known), default=1.0)
            reach = min(max(reach, 0.25), 3.0)
            return cls(-reach, reach, float, against=True)
        place = float if metric.field.endswith("_s") else _log10
        if not known:
            return cls(0.0, 1.0, place, metric.more_is_better)
        few = len(known) // 50  # one odd value in fifty does not set the ends
        low, high = place(known[few]), place(known[-1 - few])
        return cls(low, high if high > low else low + 1e-9, place, metric.more_is_better)

    def shares(self, values: Sequence[float | None]) -> list[float | None]:
        return [None if v is None else self.share(v) for v in values]

    def share(self, value: float) -> float:
        share = min(max((self.place(value) - self.low) / (self.high - self.low), 0.0), 1.0)
        return 1 - share if self.reverse else share


def factor_words(log2: float) -> str:
    """Of a `worse` value: `×1.8 worse`, `×1.2 better`, `as before`."""
    factor = 2 ** abs(log2)
    if factor < 1.05:
        return "as before"
    words = " worse" if log2 > 0 else " better"
    return f"×{factor:.0f}" + words if factor >= 9.95 else f"×{factor:.1f}" + words


def worse(now: float | None, before: float | None, more_is_better: bool) -> float | None:
    """log2 of how many times worse it became; None where one of them is not known."""
    if not now or not before:
        return None
    ratio = math.log2(now / before)
    return -ratio if more_is_better else ratio


def is_dead(metric: Metric, value: float | None) -> bool:
    """An error of 1 says that the gate is switched off."""
    return value is not None and value >= 1.0 and metric.field.endswith("error")


def live(error: float | None) -> float | None:
    """None of a gate that is switched off."""
    return None if error is None or error >= 1.0 else error


def _log10(value: float) -> float:
    return math.log10(max(value, 1e-9))
