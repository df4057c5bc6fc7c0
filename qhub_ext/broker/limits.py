"""What operators set beside the settings: a cap of a profile, of one user or of one account. Pure; the narrowest word counts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qhub_ext.broker.fair_share import account_owner
from qhub_ext.broker.profiles import Profile
from qhub_ext.errors import InvalidOptionError, UnknownNameError

SCOPES: dict[str, tuple[str, ...]] = {
    "profile": ("task_s", "shots", "user_day_s", "account_day_s", "user_queued", "slots", "lease_s"),
    "user": ("task_s", "shots", "user_day_s", "user_queued", "lease_s", "share"),
    "account": ("account_day_s", "share"),
}
LONGEST_NAME = 200
COUNTS = ("shots", "user_queued", "slots")
PRIORITY = 10
"""How far an operator moves a task up or down within its profile: a profile's precedence is never overtaken."""


@dataclass(frozen=True)
class Limit:
    """`value` None: no cap at all."""

    scope: str
    name: str
    what: str
    value: float | None

    @property
    def sentence(self) -> str:
        told = "none" if self.value is None else f"{self.value:g}"
        return f"{self.what} of {self.scope} {self.name}: {told}"


def has_controls(text: str) -> bool:
    """Such as NUL, the end of a line, or what begins an order to a terminal."""
    return any(unicodedata.category(character) == "Cc" for character in text)


def shortened(name: str) -> str:
    return repr(name) if len(name) <= 40 else f"{name[:40]!r}..."


def checked(limit: Limit, profiles: Mapping[str, Profile]) -> Limit:
    """Raises UnknownNameError, InvalidOptionError."""
    if limit.scope not in SCOPES:
        raise UnknownNameError.among("scope", limit.scope, list(SCOPES))
    if limit.what not in SCOPES[limit.scope]:
        raise UnknownNameError.among(f"limit of a {limit.scope}", limit.what, list(SCOPES[limit.scope]))
    if limit.scope == "profile" and limit.name not in profiles:
        raise UnknownNameError.among("profile", limit.name, list(profiles))
    if not 0 < len(limit.name) <= LONGEST_NAME or has_controls(limit.name):
        raise InvalidOptionError(
            f"{shortened(limit.name)} is no name of a {limit.scope}.",
            advice=f"Give one of 1 to {LONGEST_NAME} characters, none of them a control character.",
        )
    value = limit.value
    if value is None:
        if limit.what in ("share", "lease_s"):
            raise InvalidOptionError(f"{limit.what} needs a number.", advice="`default` takes it back.")
        return limit
    least = 1 if limit.what in COUNTS else 0
    if not least <= value < 1e12 or (limit.what == "share" and value == 0) or (limit.what in COUNTS and value % 1):
        accepted = "a whole number from 1 on" if limit.what in COUNTS else "a number above 0" if limit.what == "share" else "a number from 0 on"  # fmt: skip
        raise InvalidOptionError(f"{limit.what} = {value:g} is not accepted.", advice=f"Give {accepted}.")
    return limit


@dataclass
class Limits:
    _set: dict[tuple[str, str, str], float | None] = field(default_factory=dict)

    def take(self, limits: Iterable[Limit]) -> None:
        """In the place of those before."""
        self._set = {(one.scope, one.name, one.what): one.value for one in limits}

    def all(self) -> list[Limit]:
        return [Limit(*key, value) for key, value in sorted(self._set.items())]

    def cap(self, profile: Profile, what: str, *, user: str = "", account: str = "") -> float | None:
        if self._set:
            for key in (("user", user, what), ("account", account, what), ("profile", profile.name, what)):
                if key in self._set:
                    return self._set[key]
        found: float | None = getattr(profile, what)
        return found

    def shares(self) -> dict[str, float]:
        """Weights in the fair share: of users, and of accounts that have one."""
        given = {(scope, name): value for (scope, name, what), value in self._set.items() if what == "share" and value}
        return {account_owner(name) if scope == "account" else name: value for (scope, name), value in given.items()}
