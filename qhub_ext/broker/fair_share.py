"""How much of the devices each user had lately: seconds of QPU that count half after each half-life. Accounts have a cap per day, and no share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HALF_LIFE_S = 6 * 3600.0
"""On arrivals of a public trace (`tests/benchmarks/bench_broker.py`) a week lets development wait half as long again: who had much
once then waits behind everybody for days.
"""


@dataclass
class FairShare:
    """`shares` weigh the owners; one without has 1. Work that was cancelled before it ran never gets here."""

    half_life_s: float = HALF_LIFE_S
    shares: dict[str, float] = field(default_factory=dict)
    _used: dict[str, tuple[float, float]] = field(default_factory=dict)

    def charge(self, owner: str, seconds: float, now: float) -> None:
        self._used[owner] = (self.used(owner, now) + seconds, now)

    def used(self, owner: str, now: float) -> float:
        """Decayed seconds of QPU."""
        seconds, at = self._used.get(owner, (0.0, now))
        return float(seconds * 0.5 ** (max(0.0, now - at) / self.half_life_s))

    def ratio(self, owner: str, now: float) -> float:
        """Used per share: who has the least goes first."""
        return self.used(owner, now) / self.shares.get(owner, 1.0)

    def restore(self, used: Mapping[str, tuple[float, float]]) -> None:
        """{owner: (seconds, at)}, as they were written down."""
        self._used.update(used)

    def owners(self) -> list[str]:
        return sorted(self._used)
