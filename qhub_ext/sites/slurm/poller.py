"""One question to Slurm for all who watch.

Nothing runs in the background: whoever asks gets what is known if it is young enough, and otherwise asks squeue once, for
every job that anybody in this process watches. Young enough is the site's `slurm.poll_s`, longer for jobs that have not
changed for long, at most `slurm.poll_max_s`; a Slurm that needs long to answer is left alone for as long. Without answer the
pauses double. A job that nobody here has asked about waits for its turn like the others, and its folder speaks for it until
then. Only a request, such as a cancel, or the news that a job was put back brings the next question forward, each one question.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from qhub_ext.errors import SiteUnreachableError
from qhub_ext.sites.slurm.listing import Listing, Row
from qhub_ext.sites.slurm.states import read_state

AGE_SHARE = 0.1
"""A job that has not changed for a minute is asked about every six seconds, after an hour every `poll_max_s`."""
AFTER_A_REQUEST_S = 0.25
"""What a request has changed is asked about after so long, together with what other requests change meanwhile."""

MANY_VIEWS = 1000

Ask = Callable[[Iterable[str]], Listing]


@dataclass
class _Watched:
    """One base id: a job, or an array with all its elements."""

    rows: dict[str, Row] = field(default_factory=dict)
    as_of: float = 0.0
    asked_at: float = float("-inf")
    changed_at: float = 0.0
    expired_at: float = float("-inf")
    wanted_at: float = 0.0

    @property
    def asked(self) -> bool:
        return self.as_of > 0.0

    @property
    def over(self) -> bool:
        """Nothing will change, unless somebody asks for it."""
        return self.asked_at > float("-inf") and all(read_state(row.state).ended for row in self.rows.values())


@dataclass
class _View:
    """What is known of some jobs together, and until when that is young enough: the same for all who watch the same ones."""

    listing: Listing
    due: float
    wanted_at: float


class Poller:
    def __init__(
        self,
        ask: Ask,
        floor_s: float,
        ceiling_s: float,
        clock: Callable[[], float] = time.monotonic,
        ask_all: Callable[[], Listing] | None = None,
    ) -> None:
        self._ask = ask
        self._ask_all = ask_all
        self._floor, self._ceiling = floor_s, max(floor_s, ceiling_s)
        self._clock = clock
        self._asking = threading.Lock()
        self._table = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._views: dict[frozenset[str], _View] = {}
        """Emptied whenever something that they are made of changes."""
        self._last = float("-inf")
        self._took = 0.0
        self._everything: Listing | None = None
        self._everything_due = float("-inf")
        self._failures = 0
        self._retry_at = float("-inf")
        self._error: SiteUnreachableError | None = None
        self.questions = 0
        self._pause = threading.Event()

    def look(self, bases: Iterable[str]) -> Listing:
        """Rows of these jobs, as old as the interval allows, and which of them it does not allow to be asked about yet. Raises
        SiteUnreachableError, with the time of the last answer.

        Nobody may change the rows: others have the same ones.
        """
        wanted = frozenset(bases)
        now = self._clock()
        view = self._view(wanted, now)
        if self._serves(view, now):
            return view.listing
        with self._asking:
            now = self._clock()
            view = self._view(wanted, now)
            if self._serves(view, now):  # somebody asked while this thread waited
                return view.listing
            if now < self._retry_at and self._error is not None:
                raise self._again(wanted)
            wait = self._last + min(self._floor, AFTER_A_REQUEST_S) - now
            if wait > 0:
                self._pause.wait(wait)
            self._question()
            if self._error is not None:
                raise self._again(wanted)
        return self._view(wanted, now).listing

    def everything(self) -> Listing:
        """All active jobs of all users, as old as the interval allows. Raises SiteUnreachableError."""
        assert self._ask_all is not None
        with self._asking:
            now, known = self._clock(), self._everything
            if known is not None and now < self._everything_due:
                return known
            if now < self._retry_at and self._error is not None:
                raise _once_more(self._error, known.as_of if known else None)
            self._everything_due = float("inf")  # unless a request comes while it is asked
            try:
                found = self._everything = self._ask_all()
            except SiteUnreachableError as error:
                self._everything_due = float("-inf")
                self._missed(error)
                raise _once_more(error, known.as_of if known else None) from error
            self._failures, self._error = 0, None
            done = self._clock()
            self._everything_due = min(self._everything_due, done + max(self._floor, done - now))
            return found

    def seed(self, rows: Iterable[Row]) -> None:
        """What is known without asking, because Slurm has just accepted it."""
        now = self._clock()
        with self._table:
            self._everything_due = float("-inf")
            self._forget_views()
            fresh: dict[str, dict[str, Row]] = {}
            for row in rows:
                fresh.setdefault(row.base, {})[row.key] = row
            for base, some in fresh.items():
                entry = self._watched.setdefault(base, _Watched())
                entry.rows = entry.rows | some
                entry.as_of, entry.asked_at, entry.changed_at, entry.wanted_at = time.time(), now, now, now

    def expire(self, bases: Iterable[str]) -> None:
        """After a request that changes them: the next look asks."""
        now = self._clock()
        with self._table:
            self._everything_due = float("-inf")
            self._forget_views()
            for base in bases:
                entry = self._watched.setdefault(base, _Watched())
                entry.asked_at = float("-inf")
                entry.changed_at = entry.expired_at = entry.wanted_at = now
        self._retry_at = float("-inf")

    # ------------------------------------------------------------------

    def _serves(self, view: _View, now: float) -> bool:
        """While Slurm is silent, nobody is told that a job will have its turn."""
        return view.due > now and not (view.listing.unasked and self._error is not None)

    def _view(self, wanted: frozenset[str], now: float) -> _View:
        with self._table:
            view = self._views.get(wanted)
            if view is None:
                if len(self._views) >= MANY_VIEWS:
                    self._forget_views()
                entries = [self._watched.setdefault(base, _Watched(changed_at=now)) for base in wanted]
                rows = entries[0].rows if len(entries) == 1 else {k: r for e in entries for k, r in e.rows.items()}
                unasked = frozenset(base for base in wanted if not self._watched[base].asked)
                as_of = min((entry.as_of for entry in entries if entry.asked), default=time.time())
                due = min(map(self._due, entries), default=float("inf"))
                view = self._views[wanted] = _View(Listing(rows, as_of, unasked), due, now)
            view.wanted_at = now
            return view

    def _forget_views(self) -> None:
        """Notes who was last looked at when; holds the table."""
        for wanted, view in self._views.items():
            for base in wanted:
                entry = self._watched[base]
                entry.wanted_at = max(entry.wanted_at, view.wanted_at)
        self._views.clear()

    def _due(self, entry: _Watched) -> float:
        if entry.over:
            return float("inf")
        least = max(self._floor, self._took)
        if not entry.asked and entry.expired_at == float("-inf"):
            return self._last + min(self._ceiling, least)
        age = entry.asked_at - entry.changed_at
        return entry.asked_at + min(self._ceiling, max(least, AGE_SHARE * age))

    def _question(self) -> None:
        now = self._clock()
        with self._table:
            self._forget_views()
            recent = now - 2 * self._ceiling
            self._watched = {base: entry for base, entry in self._watched.items() if entry.wanted_at >= recent}
            ask = [base for base, entry in self._watched.items() if self._due(entry) < float("inf")]
        self.questions += 1
        try:
            listing = self._ask(ask)
        except SiteUnreachableError as error:
            self._missed(error)
            return
        done = self._last = self._clock()
        self._took, self._failures, self._error = done - now, 0, None
        found: dict[str, dict[str, Row]] = {base: {} for base in ask}
        for key, row in listing.rows.items():
            rows = found.get(row.base)
            if rows is not None:
                rows[key] = row
        with self._table:
            self._forget_views()
            for base, rows in found.items():
                entry = self._watched[base]
                if _changed(entry.rows, rows):
                    entry.changed_at = now
                entry.rows, entry.as_of = rows, listing.as_of
                if entry.expired_at < now:  # else somebody changed it while this question was under way
                    entry.asked_at = done

    def _missed(self, error: SiteUnreachableError) -> None:
        self._last = self._clock()
        self._failures += 1
        self._error = error
        self._retry_at = self._last + min(self._ceiling, self._floor * 2 ** min(self._failures, 10))

    def _again(self, bases: frozenset[str]) -> SiteUnreachableError:
        assert self._error is not None
        moments = [entry.as_of for base, entry in self._watched.items() if base in bases and entry.asked]
        return _once_more(self._error, min(moments, default=None))


def _once_more(error: SiteUnreachableError, known_at: float | None) -> SiteUnreachableError:
    again = SiteUnreachableError(error.message, advice=error.advice)
    again.known_at = known_at
    return again


def _changed(before: dict[str, Row], now: dict[str, Row]) -> bool:
    """In what counts as a change."""
    if before.keys() != now.keys():
        return True
    return any(
        old.state != new.state or old.reason != new.reason or old.restarts != new.restarts
        for old, new in zip(before.values(), map(now.__getitem__, before), strict=True)
    )


def pending(key: str, user: str) -> Row:
    """The row of a job that Slurm has just accepted."""
    fields: dict[str, object] = {f.name: "" for f in dataclasses.fields(Row)}
    fields |= {"key": key, "state": "PENDING", "reason": "None", "restarts": 0, "start": None, "limit_s": None}
    fields |= {"submitted": time.time(), "priority": 0, "cpus": 1, "user": user, "component": 0}
    return Row(**fields)  # type: ignore[arg-type]
