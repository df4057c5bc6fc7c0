"""What operators order, and the leases that sessions take: drained devices, calibration windows, limits, priorities. Each order is in the audit,
written down in one transaction with it.

Kept in memory beside the ledger, as every decision asks for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from qhub_ext.broker.device_facts import Lease
from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.limits import Limit, checked
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.refusals import ConflictError, NotAllowedError
from qhub_ext.broker.rows import LeaseRow, Session
from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.tiers.windows import Window, next_window

LEASE_IDLE_S = 300.0
"""A lease ends when its session had no task for so long: the device would stand still for nobody."""


class Orders:
    def __init__(
        self, ledger: Ledger, policy: Policy, devices: Iterable[str], clock: Callable[[], float], changed: threading.Condition,
    ) -> None:  # fmt: skip
        self._ledger, self._book, self._policy, self._clock, self.changed = ledger, ledger.book, policy, clock, changed
        self.devices = tuple(devices)
        self._windows = self._book.windows()
        self.drained = self._book.drained()
        self.leases: dict[str, LeaseRow] = {}
        self.reload_leases()
        self._take_limits()

    def log(self, who: str, verb: str, what: str) -> None:
        """A line of the audit. Inside a transaction of what was ordered, there is none without the other."""
        with self.changed:
            self._book.log(who, verb, what, self._clock())
            self.changed.notify_all()

    # ------------------------------------------------------------------ windows and drain

    def windows(self) -> list[tuple[int, Window]]:
        return list(self._windows)

    def window(self, device: str, now: float) -> tuple[float, float] | None:
        return next_window([window for _, window in self._windows], device, now)

    def add_window(self, window: Window, who: str) -> int:
        if window.is_over(self._clock()):
            raise InvalidOptionError(f"The window is over already: {window.sentence}.", advice="Give a --start that is to come, or a --rule by which it comes again.")  # fmt: skip
        with self.changed:
            with self._ledger.transaction():
                number = self._book.add_window(window)
                self.log(who, "window", f"{number}: {window.sentence}")
            self._windows = self._book.windows()
        return number

    def remove_window(self, number: int, who: str) -> None:
        with self.changed:
            with self._ledger.transaction():
                if not -(2**63) <= number < 2**63 or not self._book.remove_window(number):
                    raise UnknownNameError(f"There is no window {number}.")
                self.log(who, "remove window", str(number))
            self._windows = self._book.windows()

    def drain(self, device: str, who: str, *, drained: bool, note: str = "") -> None:
        with self.changed:
            with self._ledger.transaction():
                self._book.set_drained(device, drained=drained, note=note, now=self._clock())
                self.log(who, "drain" if drained else "resume", f"{device}: {note}" if note else device)
            self.drained = self._book.drained()

    # ------------------------------------------------------------------ limits

    def _take_limits(self) -> None:
        self._policy.limits.take(Limit(**row) for row in self._book.limits())
        self._policy.fair_share.shares = self._policy.limits.shares()

    def set_limit(self, limit: Limit, who: str) -> None:
        checked(limit, self._policy.profiles)
        with self.changed:
            with self._ledger.transaction():
                self._book.set_limit(limit.scope, limit.name, limit.what, limit.value)
                self.log(who, "limit", limit.sentence)
            self._take_limits()

    def drop_limit(self, scope: str, name: str, what: str, who: str) -> None:
        with self.changed:
            with self._ledger.transaction():
                if not self._book.drop_limit(scope, name, what):
                    raise UnknownNameError(f"No operator set {what!r} of the {scope} {name!r}.")
                self.log(who, "limit", f"{what} of {scope} {name}: as the settings say")
            self._take_limits()

    # ------------------------------------------------------------------ leases

    def reload_leases(self) -> None:
        self.leases = {one.device: one for one in self._book.open_leases()}

    def lease(self, device: str, now: float) -> Lease | None:
        found = self.leases.get(device)
        if found is None or now >= found.until:
            return None
        return Lease(found.session, found.until, f"{found.user} ({found.profile})")

    def take_lease(self, device: str, session: Session, length_s: float, *, wanted_by_others: bool) -> LeaseRow:
        """The device for this session alone, for at most the profile's `lease_s`. Raises NotAllowedError, ConflictError, InvalidOptionError."""
        if not 0 < length_s < 1e9:
            raise InvalidOptionError(f"A lease of {length_s:g} s is not accepted.", advice="Give a length above 0.")
        profile = self._policy.profile(session.profile)
        longest = self._policy.limits.cap(profile, "lease_s", user=session.user, account=session.account) or 0.0
        if length_s > longest:
            told = f"at most {longest:g} s" if longest else "none"
            others = [p.name for p in self._policy.profiles.values() if (self._policy.limits.cap(p, "lease_s") or 0.0) >= length_s]  # fmt: skip
            raise NotAllowedError(
                f"A lease of {length_s:g} s is more than the profile {profile.name} gives: {told}.",
                advice=f"{' and '.join(others)} would: the site says which jobs have it." if others else "",
            )
        with self.changed:
            now = self._clock()
            held = self.lease(device, now)
            if held is not None and held.session != session.id:
                raise ConflictError(f"{held.holder} has {device} to itself for {held.until - now:.0f} s more.")
            if held is not None:
                raise ConflictError(f"This session has {device} to itself already, for {held.until - now:.0f} s more.")
            self.end_leases()
            last = self._book.last_lease(device, session.user)
            if last is not None and wanted_by_others:
                over = last.ended_at or last.until
                free_at = over + (over - last.since)
                if now < free_at:
                    raise NotAllowedError(
                        f"{session.user} had {device} alone until a moment ago, and others wait for it.",
                        advice=f"Take your turn with them, or ask again in {free_at - now:.0f} s.",
                    )
            with self._ledger.transaction():
                made = self._book.add_lease(device, session, now, now + length_s)
                self.log(
                    session.user, "lease", f"{device}: session {session.id} ({session.profile}) for {length_s:g} s"
                )
            self.leases[device] = made
        return made

    def end_lease(self, device: str, who: str, why: str = "") -> None:
        with self.changed:
            found = self.leases.get(device)
            if found is None:
                raise UnknownNameError(f"Nobody has {device} alone.")
            with self._ledger.transaction():
                self._book.end_lease(found.id, min(self._clock(), found.until))
                self.log(who, "end of lease", f"{device}: session {found.session}{f', {why}' if why else ''}")
            del self.leases[device]

    def end_leases(self, idle_since: Callable[[str], float | None] | None = None) -> None:
        """Those whose time is over, and those whose session has had no task for too long (`idle_since` gives the moment)."""
        now = self._clock()
        for device, found in list(self.leases.items()):
            since = idle_since(found.session) if idle_since else None
            if now >= found.until:
                self.end_lease(device, "broker", "its time was over")
            elif since is not None and now - max(since, found.since) > LEASE_IDLE_S:
                self.end_lease(device, "broker", f"no task of its session for {LEASE_IDLE_S:g} s")

    def end_leases_of(self, session: str) -> None:
        for device, found in list(self.leases.items()):
            if found.session == session:
                self.end_lease(device, "broker", "its session has ended")
