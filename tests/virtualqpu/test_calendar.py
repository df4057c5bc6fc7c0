"""When a virtual QPU stands still to be calibrated, on a clock that the test turns."""

from __future__ import annotations

from qhub_ext.virtualqpu.calendar import Calendar


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_period_ends_with_a_window_and_then_a_new_cycle_begins() -> None:
    clock = Clock()
    calendar = Calendar(100.0, 10.0, 1.0, clock)
    seen = []
    for seconds in (0, 99, 100, 109, 110, 209, 210, 219, 220):
        clock.now = 1000.0 + seconds
        seen.append((calendar.now().cycle, calendar.now().calibrating))
    assert seen == [
        (0, False),
        (0, False),
        (0, True),
        (0, True),
        (1, False),
        (1, False),
        (1, True),
        (1, True),
        (2, False),
    ]
    assert calendar.now().since == 1220.0
    assert calendar.now().next_at == 1320.0


def test_nobody_need_look_for_the_cycles_to_pass() -> None:
    clock = Clock()
    calendar = Calendar(100.0, 10.0, 1.0, clock)
    clock.now += 1105.0
    assert calendar.now().cycle == 10


def test_a_faster_clock_shortens_period_and_window() -> None:
    clock = Clock()
    calendar = Calendar(100.0, 10.0, 10.0, clock)
    clock.now += 10.5
    assert calendar.now().calibrating
    clock.now += 0.6
    assert calendar.now().cycle == 1


def test_a_window_waits_for_what_runs_and_opens_when_that_ends() -> None:
    clock = Clock()
    calendar = Calendar(100.0, 10.0, 1.0, clock)
    clock.now += 90
    assert calendar.occupy()
    clock.now += 50
    assert not calendar.now().calibrating
    calendar.leave()
    assert calendar.now().calibrating
    assert not calendar.occupy()
    clock.now += 10
    assert calendar.occupy()
    assert calendar.now().since == 1150.0


def test_without_a_period_it_is_calibrated_when_told_to_and_only_once_however_often_it_is_told() -> None:
    clock = Clock()
    calendar = Calendar(None, 10.0, 1.0, clock)
    clock.now += 1e6
    assert calendar.now().cycle == 0
    calendar.calibrate()
    calendar.calibrate()
    assert calendar.now().until == clock.now + 10
    calendar.calibrate()
    clock.now += 10
    assert (calendar.now().cycle, calendar.now().calibrating) == (1, False)


def test_told_while_something_runs_it_is_calibrated_after_that() -> None:
    clock = Clock()
    calendar = Calendar(None, 10.0, 1.0, clock)
    assert calendar.occupy()
    calendar.calibrate()
    clock.now += 5
    assert not calendar.now().calibrating
    calendar.leave()
    assert calendar.now().until == clock.now + 10


def test_who_asks_for_a_calibration_may_say_how_long_it_takes() -> None:
    clock = Clock()
    calendar = Calendar(100.0, 10.0, 1.0, clock)
    calendar.calibrate(0.0)
    assert (calendar.now().cycle, calendar.now().calibrating) == (1, False)
    clock.now += 101.0  # the next one on its own takes as long as always
    assert calendar.now().calibrating
