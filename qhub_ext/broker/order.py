"""In which order tasks go. Pure: made anew for each decision from the first tasks of the groups, then a key per task.

Of the tasks of one user those go first that need no more than a turn, then those that came first: what is over in minutes does not wait for hours
of one's own, and of many long ones each is done before the next begins. It changes nothing between users.

A task that waited long counts in a higher rank (`Profile.age_s`). Two bounds keep a flood that has aged from others. Within its profile: an owner
who had more than LENDS times what the others who wait there had on average lends the place; who had less goes before, in that place. In the
higher rank its owner is one user among those there: beside n others who want the device it has 1/(n + 1) of it at most, however many tasks have
aged, as what others use in a lent place counts against the place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from qhub_ext.broker.fair_share import FairShare
from qhub_ext.broker.profiles import Profile
from qhub_ext.broker.task_queue import WaitingTask

Key = tuple[float, ...]
LENDS = 4.0
"""On arrivals of a public trace, where nobody floods, lending without such a bound lets the last of development wait half as long again."""


_Whose = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Place:
    """In a higher rank, by the age of a task of `owner`. `ratio` is what the owner had, `counts` that and what others had in its place."""

    ratio: float
    counts: float
    rank: int
    owner: str


class Order:
    def __init__(
        self, profile: Callable[[str], Profile], fair_share: FairShare, lent: FairShare, boost_s: float,
        first: Iterable[WaitingTask], now: float,
    ) -> None:  # fmt: skip
        """`profile` gives one by its name, `first` are the first tasks of the groups that may run; `lent` is what others had in the place of aged tasks, by those tasks' owners."""
        self._profile, self._fair_share, self._lent = profile, fair_share, lent
        self._boost_s, self._now = boost_s, now
        self._ratios: dict[str, float] = {}
        had: dict[_Whose, dict[str, float]] = {}
        aged: dict[_Whose, dict[str, int]] = {}
        for task in first:
            whose, rank, owner = (task.profile, task.devices), self._own_rank(task), self._owner(task)
            had.setdefault(whose, {})[owner] = self._ratio(owner)
            if rank > profile(task.profile).rank:
                aged.setdefault(whose, {})[owner] = rank
        self._lent_places: dict[_Whose, tuple[list[float], list[Place]]] = {}
        for whose, owners in aged.items():
            places = [self._place(owner, rank) for owner, rank in owners.items() if _lends(owner, had[whose])]
            self._lent_places[whose] = _from_the_least(places)

    def key(self, task: WaitingTask) -> Key:
        """The smallest goes first."""
        near = task.deadline_at is not None and task.deadline_at - self._now - task.seconds < self._boost_s
        ratio, place = self._ratio(self._owner(task)), self.place(task)
        return (
            -(self._profile(task.profile).rank if place is None else place.rank),
            -task.priority,
            ratio if place is None else place.counts,
            ratio,
            self._ratio(task.user),
            -1.0 if near else 0.0,
            float(task.long),
            task.submitted_at,
        )

    def rank(self, task: WaitingTask) -> int:
        place = self.place(task)
        return self._profile(task.profile).rank if place is None else place.rank

    def place(self, task: WaitingTask) -> Place | None:
        """By its own age, or that of a task whose owner had more; None where it counts as its profile does."""
        rank = self._own_rank(task)
        if rank > self._profile(task.profile).rank:
            return self._place(self._owner(task), rank)
        ratios, best = self._lent_places.get((task.profile, task.devices), ((), ()))
        if not ratios:
            return None
        at = bisect_right(ratios, self._ratio(self._owner(task)))
        return best[at] if at < len(best) else None

    def yields(self, running: WaitingTask, other: WaitingTask) -> bool:
        """Whether the one that has the device lets the other go first: to a higher rank and, within its profile, to a higher priority."""
        if running.profile == other.profile:
            return other.priority > running.priority
        return (self.rank(other), other.priority) > (self.rank(running), running.priority)

    def _own_rank(self, task: WaitingTask) -> int:
        return self._profile(task.profile).rank_at(self._now - task.submitted_at)

    def _owner(self, task: WaitingTask) -> str:
        return self._fair_share.owner(task.user, task.account)

    def _ratio(self, owner: str) -> float:
        """Many groups of one decision have the same owners."""
        known = self._ratios.get(owner)
        if known is None:
            known = self._ratios[owner] = self._fair_share.ratio(owner, self._now)
        return known

    def _place(self, owner: str, rank: int) -> Place:
        ratio = self._ratio(owner)
        lent = self._lent.used(owner, self._now) / self._fair_share.shares.get(owner, 1.0)
        return Place(ratio, ratio + lent, rank, owner)


def _lends(owner: str, had: Mapping[str, float]) -> bool:
    others = [ratio for user, ratio in had.items() if user != owner]
    return bool(others) and had[owner] > LENDS * sum(others) / len(others)


def _from_the_least(places: Iterable[Place]) -> tuple[list[float], list[Place]]:
    """What their owners had, the least first, and beside each the best place of those who had as much or more."""
    in_order = sorted(places, key=lambda p: (p.ratio, p.owner))
    best = list(in_order)
    for at in range(len(best) - 2, -1, -1):
        best[at] = min(best[at], best[at + 1], key=lambda p: (p.counts, p.owner))
    return [p.ratio for p in in_order], best
