"""Profiles: the policy classes of tasks. Which one a job has is the site's word, by QOS, partition or account, not the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DAY_S = 86400.0


@dataclass(frozen=True)
class Profile:
    """`rank`: higher runs first, and between slices. Limits are None where there is none; seconds are of QPU where not said otherwise.

    A task that waited `age_s` seconds of wall time counts as `ages_to` (the rank of a profile), never more: aging is bounded.
    """

    name: str
    rank: int
    task_s: float | None = None
    shots: int | None = None
    user_day_s: float | None = None
    account_day_s: float | None = None
    user_queued: int | None = None
    slots: int | None = None
    age_s: float | None = None
    ages_to: int | None = None
    lease_s: float = 0.0

    def rank_at(self, waited_s: float) -> int:
        aged = self.ages_to is not None and self.age_s is not None and waited_s >= self.age_s
        return max(self.rank, self.ages_to) if aged and self.ages_to is not None else self.rank


DEFAULTS = (
    Profile("production", 2, lease_s=1800.0),
    Profile("test", 1, task_s=3600.0),
    Profile("development", 0, task_s=600.0, age_s=2 * 3600.0, ages_to=1),
)


@dataclass(frozen=True)
class Rule:
    """The first rule that fits a job gives its profile; an empty field fits all."""

    profile: str
    qos: str = ""
    partition: str = ""
    account: str = ""

    def fits(self, qos: str, partition: str, account: str) -> bool:
        pairs = ((self.qos, qos), (self.partition, partition), (self.account, account))
        return all(not wanted or wanted == given for wanted, given in pairs)


def profile_of(
    rules: Sequence[Rule], known: Mapping[str, Profile], *, qos: str = "", partition: str = "", account: str = ""
) -> str:
    """The profile that the site gives a job; the lowest one where no rule fits."""
    for rule in rules:
        if rule.fits(qos, partition, account):
            return rule.profile
    return min(known.values(), key=lambda p: (p.rank, p.name)).name
