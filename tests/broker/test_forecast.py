"""When a waiting task may begin: the policy played forward, held against what then came."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.device_facts import DeviceFacts, Lease
from qhub_ext.broker.forecast import Begin, forecast
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import Profile
from qhub_ext.broker.simulate import Site
from qhub_ext.broker.task_queue import TaskQueue
from qhub_ext.broker.tempo import NEEDED, Tempo
from qhub_ext.display.tasks import tasks_table
from qhub_ext.tiers.windows import Window
from tests.broker.house import ALICE, BOB, PARAMS
from tests.broker.simulation import MINUTE, simulate, workload
from tests.broker.test_policy import KINGSTON, KNOWN, queue_of, task

STEADY = Tempo()
for number in range(10):  # a device that goes as fast as was estimated, and nobody more urgent
    STEADY.ended("nobody", 60.0 * number, 60.0 * (number + 1), 60.0)
NOW = 1_000_000.0


def told(queue: TaskQueue, facts: DeviceFacts = KINGSTON, policy: Policy | None = None, tempo: Tempo = STEADY, **more: Any) -> dict[str, Begin]:  # fmt: skip
    window = more.pop("window", None)
    return forecast(queue, policy or Policy(), {"kingston": facts}, {"kingston": ""}, lambda _, at: window if window and at < window[1] else None, {"kingston": tempo}, NOW)()  # fmt: skip


def at(name: str, profile: str = "development", **more: Any) -> Any:
    return task(name, profile, devices=("kingston",), **more)


def test_each_begins_when_those_before_it_are_done() -> None:
    queue = queue_of(at("d", at=0.0, user="u"), at("p", "production", at=9.0), at("e", at=5.0, user="u"))
    found = told(queue)
    assert {name: one.earliest - NOW for name, one in found.items()} == {"p": 0.0, "d": 100.0, "e": 200.0}
    assert found["p"].latest == NOW


def test_users_take_turns_in_it_by_what_they_had() -> None:
    queue = queue_of(*(at(f"{u}{k}", at=float(k), user=u) for u in "ab" for k in range(3)))
    found = told(queue)
    assert sorted(found, key=lambda name: found[name].earliest) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_windows_leases_and_caps_are_waited_for() -> None:
    queue = queue_of(at("a", units=900, session="s"))
    window = (NOW + 30.0, NOW + 630.0)
    cut = told(queue_of(at("a", units=1, unit_s=45.0)), window=window)
    assert cut["a"].earliest == window[1], "it does not fit before the calibration"
    held = told(queue, DeviceFacts("kingston", lease=Lease("other", NOW + 77.0)))
    assert held["a"].earliest == NOW + 77.0
    capped = Policy(profiles=KNOWN | {"development": Profile("development", 0, user_day_s=10.0)})
    mine = queue.get("a")
    assert mine is not None
    capped.charge(mine, 20.0, NOW)
    assert told(queue, policy=capped)["a"].earliest == 12 * 86400.0, "tomorrow"
    assert capped.usage.users == {mine.user: 20.0}, "the play counts against nobody"
    assert mine.pieces[0].units == 900


@pytest.mark.parametrize(
    ("facts", "tempo"),
    [(DeviceFacts("kingston", down_since=5.0), STEADY), (DeviceFacts("kingston", drained=True), STEADY), (KINGSTON, Tempo())],
    ids=["down", "drained", "nothing ran there yet"],
)  # fmt: skip
def test_where_there_is_no_saying_nothing_is_said(facts: DeviceFacts, tempo: Tempo) -> None:
    assert told(queue_of(at("a")), facts, tempo=tempo) == {}


def test_a_device_that_goes_slower_and_less_evenly_than_estimated_widens_the_span() -> None:
    uneven, clock = Tempo(), 0.0
    for took in [60.0, 180.0] * 10:
        uneven.ended("nobody", clock, clock + took, 60.0)
        clock += took
    found = told(queue_of(at("a", at=0.0, user="u"), at("b", at=1.0, user="u")), tempo=uneven)["b"]
    assert (found.earliest - NOW, found.latest and found.latest - NOW) == (100.0, 300.0)


def test_what_more_urgent_tasks_took_lately_makes_it_later_and_too_much_of_it_leaves_it_open() -> None:
    shared, crowded = Tempo(), Tempo()
    for number in range(200):
        who = "production" if number % 2 else "development"
        shared.ended(who, NOW - 60.0 * (200 - number), NOW - 60.0 * (199 - number), 60.0)
        crowded.ended("production", NOW - 60.0 * (200 - number), NOW - 60.0 * (199 - number), 60.0)
    queue = queue_of(at("a", at=0.0, user="u"), at("b", at=1.0, user="u"))
    found = told(queue, tempo=shared)["b"]
    assert found.latest is not None
    assert found.latest - NOW == pytest.approx(4 * 100.0, rel=0.1), (
        "half of it production's, and a quarter for users of development who had less"
    )
    assert told(queue, tempo=crowded)["b"].latest is None


def test_a_task_that_never_fits_between_calibrations_is_not_said_to_begin() -> None:
    day = 86400.0
    hourly = lambda _, at: (at // 3600 * 3600 + 1800, at // 3600 * 3600 + 3600)  # noqa: E731 - a window in every hour
    queue = queue_of(at("a", units=1, unit_s=2000.0))
    found = forecast(queue, Policy(), {"kingston": KINGSTON}, {"kingston": ""}, hourly, {"kingston": STEADY}, NOW)()["a"]  # fmt: skip
    assert found.latest is None
    assert found.earliest <= NOW + 8 * day


def test_a_queue_too_long_to_be_played_says_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qhub_ext.broker.forecast.MOST", 5)
    queue = queue_of(*(at(f"{k:03d}", at=float(k), user="u", units=600) for k in range(20)))
    found = told(queue)
    assert found["003"] == Begin(NOW + 180.0, NOW + 180.0)
    assert "019" not in found or found["019"].latest is None


def test_on_a_public_workload_four_of_five_spans_hold() -> None:
    arrivals = workload(400, 0.85, seed=2)
    luck, said = random.Random(7), {}

    def look(site: Site, now: float) -> None:
        waiting = [t for t in site.queue if t.id not in site.run.started]
        if waiting and luck.random() < 0.3:
            newest = max(waiting, key=lambda t: t.submitted_at)
            said[newest.id] = site.begins(now).get(newest.id)

    windows = (Window(660 * MINUTE, 60 * MINUTE, "FREQ=HOURLY;INTERVAL=12"),)
    run = simulate(arrivals, Policy(slice_s=MINUTE, overhead_s=3.0), windows, look=look)
    outcome: Counter[str] = Counter()
    for name, begin in said.items():
        if begin is None:
            outcome["unknown"] += 1
        elif run.started[name] < begin.earliest - 1.0:
            outcome["early"] += 1
        elif begin.latest is not None and run.started[name] > begin.latest + 1.0:
            outcome["late"] += 1
        else:
            outcome["held"] += 1
    assert outcome["held"] / outcome.total() >= 0.75, outcome
    assert outcome["unknown"] / outcome.total() <= 0.05, outcome


def test_the_desk_tells_it_and_goes_on_telling_it_after_a_restart(tmp_path: Path) -> None:
    now = [1000.0]

    def opened() -> Desk:
        return Desk(tmp_path / "ledger", ["kingston"], Policy(slice_s=0.01), clock=lambda: now[0])

    desk = opened()
    hers, his = (desk.sessions.open(uid, user, profile="test") for uid, user in ((ALICE, "alice"), (BOB, "bob")))
    first = desk.submit(hers, "kingston", "sampler", PARAMS).id
    now[0] += 1.0
    second = desk.submit(his, "kingston", "sampler", PARAMS).id
    assert desk.forecasts.of(second) is None, "nothing ran there yet"
    for _ in range(NEEDED):
        found = desk.turns.next_slice("kingston", 0.0)
        assert found is not None
        now[0] += 2.0
        desk.turns.finished(found[1], "{}", 0.01, "")
    assert desk.ledger.task(first).done > 0
    desk.ledger.close()
    again = opened()
    begin = again.forecasts.of(second)
    assert begin is not None
    assert now[0] <= begin.earliest <= now[0] + 4.0, "its slices take two seconds each"
    again.turns.down("kingston", "gone")
    again.forecasts._good_until = 0.0
    assert again.forecasts.of(second) is None
    again.ledger.close()


def test_the_table_has_it_in_words() -> None:
    known = {
        "id": "t",
        "user": "u",
        "profile": "test",
        "device": "kingston",
        "done": 0,
        "of": 5,
        "submitted_at": 0.0,
        "place": 2,
    }
    rows = [
        {**known, "state": "running", "why": "", "expected": ""},
        {**known, "state": "queued", "why": "2 tasks are before it.", "expected": "between 12:31 and 12:38"},
        {**known, "state": "queued", "why": "kingston has been down for 5 s.", "expected": ""},
    ]
    shown = tasks_table({"tasks": rows, "total": 3})
    assert [row[shown.columns.index("begins")] for row in shown.rows] == ["–", "between 12:31 and 12:38", "unknown"]
