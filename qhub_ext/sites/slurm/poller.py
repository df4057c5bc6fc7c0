"""One question to Slurm for all who watch.

Nothing runs in the background: whoever asks gets what is known if it is young enough, and otherwise asks squeue once, for
every job that anybody in this process watches. Young enough is the site's `slurm.poll_s`, longer for jobs that have not
changed for long, at most `slurm.poll_max_s`. Without answer the pauses double.
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
FIRST_LOOK_S = 0.25
"""A job that was never asked about does not wait for the whole interval, only for company."""

Ask = Callable[[Iterable[str]], Listing]


@dataclass
class _Watched:
    """One base id: a job, or an array with all its elements."""

    rows: dict[str, Row] = field(default_factory=dict)
    as_of: float = 0.0
    asked_at: float = float("-inf")
    changed_at: float = 0.0
    wanted_at: float = 0.0

    @property
    def over(self) -> bool:
        return self.as_of > 0 and all(read_state(row.state).ended for row in self.rows.values())


class Poller:
    def __init__(self, ask: Ask, floor_s: float, ceiling_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._floor, self._ceiling = floor_s, max(floor_s, ceiling_s)
        self._clock = clock
        self._asking = threading.Lock()
        self._table = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._last = float("-inf")
        self._failures = 0
        self._retry_at = float("-inf")
        self._error: SiteUnreachableError | None = None
        self.questions = 0
        self._pause = threading.Event()

    def look(self, bases: Iterable[str]) -> Listing:
        """Rows of these jobs, as old as the interval allows. Raises SiteUnreachableError, with the time of the last answer."""
        wanted = sorted(set(bases))
        now = self._clock()
        with self._table:
            for base in wanted:
                self._watched.setdefault(base, _Watched(changed_at=now)).wanted_at = now
            fresh = not self._stale(wanted, now)
        if fresh:
            return self._known(wanted)
        with self._asking:
            now = self._clock()
            if not self._stale(wanted, now):  # somebody asked while this thread waited
                return self._known(wanted)
            if now < self._retry_at and self._error is not None:
                raise self._again(wanted)
            wait = self._last + min(self._floor, FIRST_LOOK_S) - now
            if wait > 0:
                self._pause.wait(wait)
            self._question()
            if self._error is not None:
                raise self._again(wanted)
        return self._known(wanted)

    def seed(self, rows: Iterable[Row]) -> None:
        """What is known without asking, because Slurm has just accepted it."""
        now = self._clock()
        with self._table:
            for row in rows:
                entry = self._watched.setdefault(row.base, _Watched())
                entry.rows = {**entry.rows, row.key: row}
                entry.as_of, entry.asked_at, entry.changed_at, entry.wanted_at = time.time(), now, now, now

    def expire(self, bases: Iterable[str]) -> None:
        """After a request that changes them: the next look asks."""
        with self._table:
            for base in bases:
                if base in self._watched:
                    self._watched[base].asked_at = float("-inf")
                    self._watched[base].changed_at = self._clock()
        self._retry_at = float("-inf")

    # ------------------------------------------------------------------

    def _stale(self, bases: list[str], now: float) -> list[str]:
        return [base for base in bases if self._due(self._watched[base]) <= now]

    def _due(self, entry: _Watched) -> float:
        if entry.as_of and entry.over:
            return float("inf")
        age = entry.asked_at - entry.changed_at
        return entry.asked_at + min(self._ceiling, max(self._floor, AGE_SHARE * age))

    def _question(self) -> None:
        now = self._clock()
        with self._table:
            recent = now - 2 * self._ceiling
            for base in [b for b, e in self._watched.items() if e.wanted_at < recent]:
                del self._watched[base]
            ask = [base for base, entry in self._watched.items() if self._due(entry) < float("inf")]
        self.questions += 1
        try:
            listing = self._ask(ask)
        except SiteUnreachableError as error:
            self._failures += 1
            self._error = error
            self._retry_at = self._clock() + min(self._ceiling, self._floor * 2 ** min(self._failures, 10))
            return
        finally:
            self._last = self._clock()
        self._failures, self._error = 0, None
        found: dict[str, dict[str, Row]] = {base: {} for base in ask}
        for key, row in listing.rows.items():
            if row.base in found:
                found[row.base][key] = row
        with self._table:
            for base, rows in found.items():
                entry = self._watched[base]
                if _shape(entry.rows) != _shape(rows):
                    entry.changed_at = now
                entry.rows, entry.as_of, entry.asked_at = rows, listing.as_of, now

    def _known(self, bases: list[str]) -> Listing:
        with self._table:
            rows = {
                key: row for base in bases if base in self._watched for key, row in self._watched[base].rows.items()
            }
            return Listing(
                rows, min((self._watched[base].as_of for base in bases if base in self._watched), default=time.time())
            )

    def _again(self, bases: list[str]) -> SiteUnreachableError:
        assert self._error is not None
        error = SiteUnreachableError(self._error.message, advice=self._error.advice)
        moments = [entry.as_of for base, entry in self._watched.items() if base in bases and entry.as_of]
        error.known_at = min(moments) if moments else None
        return error


def _shape(rows: dict[str, Row]) -> dict[str, tuple[object, ...]]:
    """What counts as a change."""
    return {key: (row.state, row.reason, row.restarts) for key, row in rows.items()}


def pending(key: str, user: str) -> Row:
    """The row of a job that Slurm has just accepted."""
    fields: dict[str, object] = {f.name: "" for f in dataclasses.fields(Row)}
    fields |= {"key": key, "state": "PENDING", "reason": "None", "restarts": 0, "start": None, "limit_s": None}
    fields |= {"submitted": time.time(), "priority": 0, "cpus": 1, "user": user}
    return Row(**fields)  # type: ignore[arg-type]
