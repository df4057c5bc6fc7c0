from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dateutil.rrule import rrulestr

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.windows import Window, _Moments, next_window

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC).timestamp()
HOUR = 3600.0


def test_a_window_that_comes_once_is_over_when_it_ended() -> None:
    window = Window(NOON, HOUR)
    assert window.next_span(NOON - 5) == (NOON, NOON + HOUR)
    assert window.next_span(NOON + 5) == (NOON, NOON + HOUR)
    assert window.next_span(NOON + HOUR) is None


def test_a_recurring_window_gives_the_span_that_now_lies_in_else_the_next() -> None:
    window = Window(NOON, HOUR, "FREQ=HOURLY;INTERVAL=12")
    assert window.next_span(NOON - 100) == (NOON, NOON + HOUR)
    assert window.next_span(NOON + HOUR - 1) == (NOON, NOON + HOUR)
    assert window.next_span(NOON + HOUR) == (NOON + 12 * HOUR, NOON + 13 * HOUR)


def test_rules_are_read_in_utc_so_that_no_hour_comes_twice() -> None:
    window = Window(NOON, HOUR, "FREQ=DAILY")
    found = window.next_span(NOON + 200 * 86400 + 2 * HOUR)
    assert found is not None
    assert datetime.fromtimestamp(found[0], UTC).hour == 12


def test_a_rule_that_has_ended_gives_no_more_windows() -> None:
    assert Window(NOON, HOUR, "FREQ=DAILY;COUNT=2").next_span(NOON + 2 * 86400) is None


def test_a_rule_says_the_same_of_any_moment_whatever_was_asked_before() -> None:
    luck = random.Random(3)
    for rule in ("FREQ=HOURLY", "FREQ=DAILY;BYHOUR=3,15", "FREQ=WEEKLY;COUNT=20", "FREQ=MONTHLY;BYDAY=1MO"):
        asked, moments = Window(NOON, HOUR, rule), [NOON + luck.uniform(-2, 200) * 86400 for _ in range(20)]
        for number, moment in enumerate(moments):
            afresh = rrulestr(rule, dtstart=datetime(2026, 3, 28, 12)).after(datetime.fromtimestamp(moment - HOUR, UTC).replace(tzinfo=None))  # fmt: skip
            expected = None if afresh is None else afresh.replace(tzinfo=UTC).timestamp()
            found = asked.next_span(moment)
            assert (None if found is None else found[0]) == expected, (rule, number)


def test_a_rule_that_holds_for_years_is_walked_through_once() -> None:
    walked = 0

    def moments() -> Iterator[datetime]:
        nonlocal walked
        for hour in range(100_000):
            walked += 1
            yield datetime(2026, 3, 28) + timedelta(hours=hour)

    kept = _Moments(moments())
    for day in (1000, 1000, 7, 1001, 999):
        assert kept.after(datetime(2026, 3, 28) + timedelta(days=day)) == datetime(2026, 3, 28, 1) + timedelta(days=day)
    assert walked == 1001 * 24 + 2


NO_RULES = (
    *("EVERY DAY", "FREQ=SOMETIMES", "FREQ=DAILY;BYHOUR=99", ";;;"),
    *(
        "FREQ=DAILY;INTERVAL=0",
        "INTERVAL=00;freq=daily",
        "FREQ=DAILY;INTERVAL=-1",
        "FREQ=SECONDLY",
        "FREQ=DAILY;INTERVAL=99999999999999999999",
    ),
    *(
        "FREQ=DAILY;COUNT=2;UNTIL=20300101T000000Z",
        "FREQ=DAILY;FREQ=HOURLY",
        "FREQ=DAILY;UNTIL=soon",
        "☃",
        "FREQ=DAILY;BYHOUR=٣",
    ),
    # dateutil takes whole calendars, with zones that do not compare with a broker's moments
    *(
        "DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY",
        "DTSTART;TZID=Europe/Berlin:20200101T000000\nRRULE:FREQ=DAILY",
        "FREQ=DAILY\nEXDATE:20270101T000000",
    ),
)


@pytest.mark.parametrize("rule", NO_RULES)
def test_a_rule_that_is_none_is_refused_with_an_example(rule: str) -> None:
    with pytest.raises(InvalidOptionError, match=r"recurrence rule.*FREQ=DAILY"):
        Window(NOON, HOUR, rule)


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY;UNTIL=20260330T120000Z", "FREQ=DAILY;UNTIL=20260330T120000", "RRULE:FREQ=DAILY;UNTIL=20260331"]
)
def test_an_end_is_in_utc_whether_or_not_it_says_so(rule: str) -> None:
    window = Window(NOON, HOUR, rule)
    assert window.next_span(NOON + 2 * 86400) == (NOON + 2 * 86400, NOON + 2 * 86400 + HOUR)
    assert window.next_span(NOON + 2 * 86400 + HOUR) is None


@pytest.mark.parametrize(
    "rule",
    ["FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=-3", "FREQ=DAILY;UNTIL=20200101"],
)
def test_a_rule_that_never_comes_is_refused_and_not_looked_for_until_the_year_9999(rule: str) -> None:
    with pytest.raises(InvalidOptionError, match="gives no moment from 2026-03-28 12:00 UTC on"):
        Window(NOON, HOUR, rule)


def test_windows_that_touch_are_one_and_another_devices_do_not_count() -> None:
    windows = [
        Window(NOON, HOUR),
        Window(NOON + HOUR, HOUR, device="kingston"),
        Window(NOON - HOUR, HOUR, device="fez"),
    ]
    assert next_window(windows, "kingston", NOON - 10) == (NOON, NOON + 2 * HOUR)
    assert next_window(windows, "fez", NOON - 10) == (NOON - HOUR, NOON + HOUR)
    assert next_window([], "fez", NOON) is None
