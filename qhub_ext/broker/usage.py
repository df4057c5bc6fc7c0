"""What counts against the day's limits and the slots. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from qhub_ext.broker.profiles import DAY_S


@dataclass
class Usage:
    """Seconds of QPU of the current day (UTC), by user and by account, tasks on devices by profile, and slices that ended."""

    day: int = -1
    users: Counter[str] = field(default_factory=Counter)
    accounts: Counter[str] = field(default_factory=Counter)
    running: Counter[str] = field(default_factory=Counter)
    slices: int = 0

    def turn(self, now: float) -> None:
        if int(now // DAY_S) != self.day:
            self.begin(now)

    def begin(self, now: float) -> None:
        """The day that it is, with nothing used yet."""
        self.day = int(now // DAY_S)
        self.users.clear()
        self.accounts.clear()
