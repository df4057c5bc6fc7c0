"""What moved from one calibration of a device to another: values, and gates that were switched off or came back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import DEAD, Snapshot

QUANTITIES = {
    "t1_s": "T1",
    "t2_s": "T2",
    "readout_error": "readout error",
    "one_qubit_error": "one-qubit error",
    "two_qubit_error": "two-qubit error",
}
_MORE_IS_BETTER = frozenset({"t1_s", "t2_s"})


@dataclass(frozen=True)
class Move:
    """One value, at a qubit or an edge. `worse` is log2 of how often worse it became, None where one of the two is dead or null."""

    quantity: str
    qubits: tuple[int, ...]
    before: float | None
    after: float | None
    worse: float | None

    @property
    def place(self) -> str:
        return "-".join(map(str, self.qubits)) if len(self.qubits) > 1 else f"q{self.qubits[0]}"

    @property
    def switched_off(self) -> bool:
        return self.after == DEAD and self.before != DEAD and self.quantity.endswith("error")

    @property
    def came_back(self) -> bool:
        return self.before == DEAD and self.after is not None and self.after != DEAD and self.quantity.endswith("error")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "qubits": list(self.qubits), "place": self.place}


@dataclass(frozen=True)
class Change:
    """One quantity over the whole device: medians, how far a single value moves (robust standard deviation of log2), extremes."""

    quantity: str
    before: float | None
    after: float | None
    spread: float
    moved: int
    measured: int


@dataclass(frozen=True)
class Drifted:
    moves: tuple[Move, ...]
    changes: tuple[Change, ...]

    @property
    def switched_off(self) -> tuple[Move, ...]:
        return tuple(move for move in self.moves if move.switched_off)

    @property
    def came_back(self) -> tuple[Move, ...]:
        return tuple(move for move in self.moves if move.came_back)

    def largest(self, most: int) -> list[Move]:
        """First what was switched off or came back, then the values that moved farthest, either way."""
        moved = sorted((m for m in self.moves if m.worse is not None), key=lambda m: -abs(m.worse or 0.0))
        return [*self.switched_off, *self.came_back, *moved][:most]


MOVED = math.log2(1.1)
"""A value counts as moved from ten percent on: less is below what a calibration can tell."""


def drift_between(before: Snapshot, after: Snapshot) -> Drifted:
    """Raises InvalidOptionError for two that are not of one layout."""
    if before.qubits != after.qubits:
        raise InvalidOptionError(
            f"{before.device} had {before.qubits} qubits in one snapshot and {after.qubits} in the other: they cannot be compared."
        )
    then, now = _values(before), _values(after)
    moves = [
        Move(name, site, old, new, _worse(name, old, new))
        for name in QUANTITIES
        for site in sorted({*then[name], *now[name]})
        for old, new in [(then[name].get(site), now[name].get(site))]
    ]
    changes = []
    for name in QUANTITIES:
        known = [m.worse for m in moves if m.quantity == name and m.worse is not None]
        middle = median(known) if known else 0.0
        spread = 1.4826 * median(abs(worse - middle) for worse in known) if known else 0.0
        changes.append(
            Change(
                name,
                _median(name, then[name].values()),
                _median(name, now[name].values()),
                spread,
                sum(abs(worse) > MOVED for worse in known),
                len(known),
            )
        )
    return Drifted(tuple(moves), tuple(changes))


def _values(snapshot: Snapshot) -> dict[str, Mapping[tuple[int, ...], float | None]]:
    columns = {name: snapshot.column(name).values for name in ("t1_s", "t2_s", "readout_error")}
    columns["one_qubit_error"] = snapshot.one_qubit_errors
    found: dict[str, Mapping[tuple[int, ...], float | None]] = {
        name: {(qubit,): value for qubit, value in enumerate(values)} for name, values in columns.items()
    }
    found["two_qubit_error"] = {(*edge,): error for edge, error in snapshot.edges.items()}
    return found


def _worse(quantity: str, before: float | None, after: float | None) -> float | None:
    errors = quantity not in _MORE_IS_BETTER
    if not before or not after or (errors and DEAD in (before, after)):
        return None
    ratio = math.log2(after / before)
    return ratio if errors else -ratio


def _median(quantity: str, values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None and not (v == DEAD and quantity not in _MORE_IS_BETTER)]
    return median(known) if known else None
