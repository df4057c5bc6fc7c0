"""How fast each device really goes, from the slices that ended there last: against what was estimated, and who had it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from qhub_ext.broker.fair_share import FairShare

LAST = 40
"""Slices that count."""
NEEDED = 3
"""With fewer nothing is said."""
SPREAD = (0.1, 0.9)
"""Quantiles of what slices took against their estimates."""
HALF_LIFE_S = 3600.0
"""Of who had the device: what more urgent tasks took of it lately, they are taken to go on taking."""


@dataclass
class Tempo:
    """Of one device. Moments in s since 1970 UTC, seconds of wall time."""

    _ratios: deque[float] = field(default_factory=lambda: deque(maxlen=LAST))
    _last_end: float = 0.0
    _since: float | None = None
    _had: FairShare = field(default_factory=lambda: FairShare(HALF_LIFE_S))

    def ended(self, profile: str, sent_at: float, ended_at: float, estimated_s: float) -> None:
        """A slice, in the order of their ends. It began when it was sent, or when the one before it ended."""
        took = max(0.0, ended_at - max(sent_at, self._last_end))
        self._last_end = max(self._last_end, ended_at)
        self._since = sent_at if self._since is None else self._since
        self._had.charge(profile, took, ended_at)
        if estimated_s > 0:
            self._ratios.append(took / estimated_s)

    def pace(self) -> tuple[float, float] | None:
        """How much longer than estimated a slice takes, from quick to slow; None where too few are known."""
        if len(self._ratios) < NEEDED:
            return None
        found = sorted(self._ratios)
        quick, slow = (found[round(q * (len(found) - 1))] for q in SPREAD)
        return quick, slow

    def share(self, profiles: Iterable[str], now: float) -> float:
        """Of the device's time lately, what these profiles had."""
        if self._since is None or now <= self._since:
            return 0.0
        # a device in use all the time would have had so much, with what is forgotten of it
        whole = HALF_LIFE_S / 0.6931 * (1 - 0.5 ** ((now - self._since) / HALF_LIFE_S))
        return min(1.0, sum(self._had.used(profile, now) for profile in profiles) / whole)
