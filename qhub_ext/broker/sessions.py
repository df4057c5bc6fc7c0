"""Sessions: who may submit, for which job and profile, and until when. Deadlines follow the machine's own clock when the wall's is set."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.refusals import ConflictError, NotAllowedError
from qhub_ext.broker.rows import Session
from qhub_ext.errors import UnknownNameError

IDLE_S = 3600.0
LIFE_S = 7 * 86400.0
SEEN_S = 30.0
"""A session's last call is written down about so often, or ten times within its idle time."""
SAME_S = 1.0
"""Deadlines that differ by less are the same: they come back from a sum of moments."""
JUMP_S = 5.0
"""A wall clock that moved so much against the machine's own was set; less is what NTP does all day."""


@dataclass
class Sessions:
    """`idle_s` and `life_s` are the longest that a session may ask for; `steady` runs on whatever somebody does to the wall clock."""

    ledger: Ledger
    profiles: Collection[str]
    changed: threading.Condition
    clock: Callable[[], float]
    steady: Callable[[], float]
    idle_s: float = IDLE_S
    life_s: float = LIFE_S
    _seen: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ahead_of_steady = self.clock() - self.steady()

    def open(
        self, uid: int, user: str, *, profile: str, account: str = "", job: str = "",
        idle_s: float | None = None, life_s: float | None = None, on_calibration_change: str = "", traceparent: str = "",
    ) -> Session:  # fmt: skip
        """One per (uid, job, profile): asked again, it is the same one, if its deadlines are, too. Its key is what a client of the device's own
        API shows.
        """
        if profile not in self.profiles:
            raise UnknownNameError.among("profile", profile, list(self.profiles))
        now = self.clock()
        asked = (None if idle_s is None else min(self.idle_s, idle_s), None if life_s is None else min(self.life_s, life_s))  # fmt: skip
        idle_s, longest = asked[0] or self.idle_s, asked[1] or self.life_s
        with self.changed:
            for session in self.ledger.open_sessions():
                if (session.uid, session.job, session.profile, session.account) == (uid, job, profile, account):
                    has = (session.idle_s, session.until - session.created_at)
                    if any(a is not None and abs(a - h) > SAME_S for a, h in zip(asked, has, strict=True)):
                        raise ConflictError(f"The session {session.id} of this job is open, with other deadlines.", advice="Use it as it is, or close it first.")  # fmt: skip
                    self.seen(session)
                    return self._followed(session, traceparent, on_calibration_change)
            session = Session(
                secrets.token_hex(8), uid, user, account, profile, job, secrets.token_urlsafe(32), now, now, idle_s, now + longest,
                None, on_calibration_change, traceparent,
            )  # fmt: skip
            self.ledger.add_session(session)
        return session

    def _followed(self, session: Session, traceparent: str, on_calibration_change: str) -> Session:
        """Of a kernel of the same job that came later: its trace, and what it wants of a calibration."""
        now = replace(
            session,
            traceparent=traceparent or session.traceparent,
            on_calibration_change=on_calibration_change or session.on_calibration_change,
        )
        if now != session:
            self.ledger.change_session(now)
        return now

    def of_key(self, key: str) -> Session:
        """Raises NotAllowedError for a key of nobody, or of a session that has ended."""
        session = self.ledger.session(key=key)
        if session is None:
            raise NotAllowedError("This key belongs to no session.", advice="Open a session first.")
        if session.ended_at is not None:
            raise NotAllowedError(f"The session {session.id} has ended.", advice="Open another one.")
        return session

    def seen(self, session: Session) -> None:
        """Any call of a session keeps it: written down now and then, as calls are many."""
        now = self.clock()
        known = max(self._seen.get(session.id, 0.0), session.seen_at)
        if not 0 <= now - known < min(SEEN_S, session.idle_s / 10):
            self._seen[session.id] = now
            self.ledger.touch_session(session.id, now)

    def end(self, session_id: str) -> None:
        self.ledger.end_session(session_id, self.clock())
        self._seen.pop(session_id, None)

    def over(self, ended_jobs: Collection[str], busy: Collection[str]) -> Iterator[tuple[str, str]]:
        """Open sessions whose job has ended, whose time is over, or that nobody used and that have no task (`busy` have): the id, and why."""
        now = self.clock()
        for session in self.ledger.open_sessions():
            if session.job and session.job in ended_jobs:
                yield session.id, f"Its job {session.job} has ended."
            elif now > session.until:
                yield session.id, "Its session's time was over."
            elif now - session.seen_at > session.idle_s and session.id not in busy:
                yield session.id, "Its session was idle for too long."

    def follow_the_clock(self) -> float:
        """When somebody set the clock: what was to last so long from now lasts so long still. By how much it was set; 0 when nobody did."""
        ahead = self.clock() - self.steady()
        jump = ahead - self._ahead_of_steady
        if abs(jump) < JUMP_S:
            return 0.0
        with self.changed:
            self.ledger.shift(jump)
            self._ahead_of_steady = ahead
            self._seen.clear()
        return jump


def boot_clock() -> float:
    """Seconds since the machine started, those in which it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
