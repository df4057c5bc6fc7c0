"""How much of the devices everybody had lately: seconds of QPU that count half after each half-life.

Users are held against each other, each for themselves. An account that the site gave a share is one owner instead: it is held against the others
as a whole, and its users share what it gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HALF_LIFE_S = 6 * 3600.0
"""On arrivals of a public trace (`tests/benchmarks/bench_broker.py`) a week lets development wait half as long again: who had much
once then waits behind everybody for days.
"""


def account_owner(account: str) -> str:
    """No user has a name with a space in it."""
    return f"account {account}"


def owners_of(user: str, account: str) -> tuple[str, ...]:
    """Whose use a slice of theirs is: an account's is known when it gets a share, and a user's counts inside of it."""
    return (user, account_owner(account)) if account else (user,)


@dataclass
class FairShare:
    """`shares` weigh the owners; a user without has 1. Work that was cancelled before it ran never gets here."""

    half_life_s: float = HALF_LIFE_S
    shares: dict[str, float] = field(default_factory=dict)
    _used: dict[str, tuple[float, float]] = field(default_factory=dict)

    def owner(self, user: str, account: str) -> str:
        """For whom a task of theirs counts against others'."""
        whole = account_owner(account)
        return whole if account and whole in self.shares else user

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
