"""Calibration windows: when the device is not to be used, once or again and again (iCalendar RRULE, RFC 5545)."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

from qhub_ext.errors import InvalidOptionError

LONGEST_S = 366 * 86_400.0
FARTHEST = timedelta(days=36_525)
"""From its start on a rule is looked at for a century: one that never fits is walked through to its end by whoever asks first."""
_EXAMPLE = "For example FREQ=DAILY;BYHOUR=3 or FREQ=HOURLY;INTERVAL=12."


@dataclass(frozen=True)
class Window:
    """From `start` (s since 1970 UTC) for `length_s`; with a `rule`, again at each moment that it gives."""

    start: float
    length_s: float
    rule: str = ""
    device: str = ""
    note: str = ""

    def is_over(self, now: float) -> bool:
        return self.next_span(now) is None

    @property
    def sentence(self) -> str:
        begin = datetime.fromtimestamp(self.start, UTC).isoformat(timespec="minutes")
        again = f", again by {self.rule}" if self.rule else ""
        return f"{self.device or 'all devices'} from {begin} for {self.length_s:g} s{again}"

    def __post_init__(self) -> None:
        if not 0 < self.length_s <= LONGEST_S:
            raise InvalidOptionError(
                f"A window of {self.length_s:g} s is not accepted.", advice="Give a length above 0, of a year at most."
            )
        if self.rule and _parsed(self.rule, self.start).after(datetime.min) is None:
            raise InvalidOptionError(f"{self.rule!r} gives no moment from {_moment(self.start):%Y-%m-%d %H:%M} UTC on.", advice=_EXAMPLE)  # fmt: skip

    def next_span(self, now: float) -> tuple[float, float] | None:
        """The span that `now` lies in, else the next one; None when there are no more."""
        if not self.rule:
            end = self.start + self.length_s
            return None if now >= end else (self.start, end)
        found = _parsed(self.rule, self.start).after(_moment(now - self.length_s))
        if found is None:
            return None
        begin = found.replace(tzinfo=UTC).timestamp()
        return begin, begin + self.length_s


def next_window(windows: Iterable[Window], device: str, now: float) -> tuple[float, float] | None:
    """The nearest span of any window of a device (or of all devices); those that touch are one."""
    spans = sorted(span for w in windows if w.device in ("", device) if (span := w.next_span(now)) is not None)
    if not spans:
        return None
    begin, end = spans[0]
    for other_begin, other_end in spans[1:]:
        if other_begin <= end:
            end = max(end, other_end)
    return begin, end


class _Moments:
    """Of a rule, those found so far: who begins at its start for each question pays more for it with every month that the rule holds."""

    def __init__(self, rule: Iterable[datetime]) -> None:
        self._coming: Iterator[datetime] = iter(rule)
        self._found: list[datetime] = []
        self._lock = threading.Lock()

    def after(self, moment: datetime) -> datetime | None:
        with self._lock:
            while not self._found or self._found[-1] <= moment:
                following = next(self._coming, None)
                if following is None:
                    return None
                self._found.append(following)
            return self._found[bisect_right(self._found, moment)]


@lru_cache(maxsize=256)
def _parsed(rule: str, start: float) -> _Moments:
    try:
        return _Moments(_read(rule, _moment(start)))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise InvalidOptionError(f"{rule[:200]!r} is no recurrence rule: {error}.", advice=_EXAMPLE) from error


def _read(rule: str, begin: datetime) -> Iterable[datetime]:
    """Without a word of its own on where it begins or what it leaves out. Raises ValueError."""
    from dateutil.rrule import rrulestr

    parts: dict[str, str] = {}
    for part in rule.upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, _, value = part.partition("=")
        if not re.fullmatch(r"[A-Z]+", name) or not re.fullmatch(r"[A-Z0-9,+-]+", value):
            raise ValueError(f"{part!r} is no part of one")
        if name in parts:
            raise ValueError(f"{name} is said twice")
        parts[name] = value
    # dateutil never comes back from a step of nothing, and only after minutes from one of seconds
    if parts.get("FREQ") in ("SECONDLY", "MINUTELY") or not 0 < int(parts.get("INTERVAL", "1")) < 10_000:
        raise ValueError("a device is calibrated every hour at most, and each time within years of the last")
    count, until = parts.pop("COUNT", None), parts.pop("UNTIL", None)
    if count is not None and until is not None:
        raise ValueError("it ends by COUNT or by UNTIL, not by both")
    last = min(begin + FARTHEST, _until(until)) if until else begin + FARTHEST
    text = ";".join(f"{name}={value}" for name, value in {**parts, "UNTIL": f"{last:%Y%m%dT%H%M%S}"}.items())
    return islice(rrulestr(text, dtstart=begin), None if count is None else max(0, int(count)))


def _until(text: str) -> datetime:
    """All of it is UTC, whether or not it says so as RFC 5545 wants it."""
    return datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d").replace(tzinfo=None)


def _moment(seconds: float) -> datetime:
    """Naive, in UTC: rules are read in UTC, where no hour comes twice."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
