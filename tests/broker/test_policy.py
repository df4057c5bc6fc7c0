"""Whose turn it is, on a clock that the test holds."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest

from qhub_ext.broker.device_facts import DeviceFacts, Lease
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import DEFAULTS, Profile, Rule, profile_of
from qhub_ext.broker.standing import EXACT, Standing
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.work import Piece, without
from qhub_ext.tiers.windows import Window
from tests.broker.peers import first_come, simulate_whole
from tests.broker.simulation import MINUTE, Arrival, quantile, simulate, waits, workload

KINGSTON = DeviceFacts("kingston")
KNOWN = {p.name: p for p in DEFAULTS}


def task(
    name: str,
    profile: str = "development",
    at: float = 0.0,
    user: str = "",
    units: int = 1000,
    unit_s: float = 0.1,
    **more,
) -> WaitingTask:
    return WaitingTask(name, user or f"user of {name}", profile, at, (Piece(0, units, unit_s),), **more)


def queue_of(*tasks: WaitingTask) -> TaskQueue:
    queue = TaskQueue()
    for one in tasks:
        queue.add(one)
    return queue


def order(policy: Policy, queue: TaskQueue, now: float = 0.0) -> list[str]:
    found = []
    while len(queue):
        decision = policy.decide(queue, KINGSTON, now)
        assert decision is not None
        found.append(decision.task_id)
        queue.remove(decision.task_id)
    return found


def test_production_goes_before_test_before_development_whenever_they_came() -> None:
    queue = queue_of(task("d", "development", 0), task("t", "test", 1), task("p", "production", 2))
    assert order(Policy(), queue, now=10) == ["p", "t", "d"]


def test_in_one_class_who_had_less_of_the_device_goes_first() -> None:
    policy = Policy()
    policy.fair_share.charge("alice", 500.0, now=0)
    queue = queue_of(task("a", at=0, user="alice"), task("b", at=5, user="bob"))
    assert order(policy, queue, now=10) == ["b", "a"]


def test_use_counts_half_after_each_half_life() -> None:
    policy = Policy()
    policy.fair_share.charge("alice", 100.0, now=0)
    assert policy.fair_share.used("alice", policy.fair_share.half_life_s * 2) == pytest.approx(25.0)


def test_a_deadline_that_is_near_goes_first_in_its_class_and_never_over_a_higher_one() -> None:
    queue = queue_of(
        task("old", at=0, user="u"), task("late", at=5, user="u", deadline_at=400.0), task("p", "production", 6)
    )
    assert order(Policy(), queue, now=10) == ["p", "late", "old"]
    relaxed = queue_of(task("old", at=0, user="u"), task("late", at=5, user="u", deadline_at=90_000.0))
    assert order(Policy(), relaxed, now=10) == ["old", "late"]


def test_development_rises_to_test_with_age_and_no_further() -> None:
    now = 5 * 3600.0
    queue = queue_of(task("d", "development", 0), task("t", "test", now - 1), task("p", "production", now))
    assert order(Policy(), queue, now=now) == ["p", "d", "t"]


def test_a_running_task_yields_between_slices_to_a_higher_class_and_keeps_what_it_finished() -> None:
    policy, queue = Policy(slice_s=10.0), queue_of(task("d"))
    first = policy.decide(queue, KINGSTON, 0.0)
    assert first is not None
    assert first.pieces == (Piece(0, 100, 0.1),)
    waiting = queue.get("d")
    assert waiting is not None
    waiting.pieces = without(waiting.pieces, first.pieces)
    queue.add(task("p", "production", 5.0))
    second = policy.decide(queue, KINGSTON, 10.0, current="d")
    assert second is not None
    assert (second.task_id, second.preempts) == ("p", "d")
    queue.remove("p")
    third = policy.decide(queue, KINGSTON, 20.0)
    assert third is not None
    assert third.pieces == (Piece(0, 100, 0.1, first=100),)


def test_a_running_task_keeps_the_device_against_its_own_class() -> None:
    policy = Policy(slice_s=10.0)
    policy.fair_share.charge("alice", 1e6, 0.0)
    queue = queue_of(task("a", user="alice"), task("b", user="bob"))
    decision = policy.decide(queue, KINGSTON, 10.0, current="a")
    assert decision is not None
    assert decision.task_id == "a"


def test_a_turn_is_over_after_five_minutes_on_end_and_the_task_says_so() -> None:
    policy = Policy(slice_s=60.0)
    long, other = task("long", "test", user="alice", units=1000, unit_s=1.0), task("other", "test", 30.0, user="bob")
    queue, now, current, ran = queue_of(long), 0.0, "", []
    for number in range(9):
        if number == 1:
            queue.add(other)
        decision = policy.decide(queue, KINGSTON, now, current)
        assert decision is not None
        chosen = queue.get(decision.task_id)
        assert chosen is not None
        assert decision.preempts == "", "nobody more urgent came"
        if chosen is other:
            told = policy.why(queue, long, KINGSTON, now)
            assert (told.reason, told.sentence) == (
                "order",
                "It had its turn of 300 s. 1 task is before it: 1 of test.",
            )
        decision.give(chosen)
        now += decision.seconds
        policy.charge(chosen, decision.seconds, now)
        current = chosen.id
        if not chosen.pieces:
            queue.remove(chosen.id)
        ran.append(chosen.id)
    assert ran == ["long"] * 5 + ["other"] * 2 + ["long"] * 2
    assert long.turn_s == 120.0, "a turn of its own again"


def whole(policy: Policy, queue: TaskQueue) -> list[str]:
    """Tasks in the order of their slices, each said once for slices on end."""
    now, current, ran = 0.0, "", []
    while len(queue):
        decision = policy.decide(queue, KINGSTON, now, current)
        assert decision is not None
        chosen = queue.get(decision.task_id)
        assert chosen is not None
        decision.give(chosen)
        now += decision.seconds
        policy.charge(chosen, decision.seconds, now)
        if chosen.id != current:
            ran.append(chosen.id)
        current = chosen.id
        if not chosen.pieces:
            queue.remove(chosen.id)
    return ran


def test_what_is_over_in_minutes_does_not_wait_for_hours_of_the_same_user() -> None:
    policy = Policy(slice_s=60.0)
    first, second = (task(name, "test", at, user="alice", units=3600, unit_s=1.0, long=True) for at, name in enumerate(("first", "second")))  # fmt: skip
    short = [task(f"short{k}", "test", 2.0 + k, user="alice", units=200, unit_s=1.0) for k in range(2)]
    assert whole(policy, queue_of(first, second, *short)) == ["short0", "short1", "first", "second"], (
        "and of the long ones each is done before the next begins"
    )


def test_that_a_task_is_long_changes_nothing_between_users_nor_over_deadlines_age_and_priority() -> None:
    policy = Policy(slice_s=60.0)
    policy.fair_share.charge("bob", 10.0, 0.0)
    hers, his = task("hers", "test", 1.0, user="alice", long=True), task("his", "test", 0.0, user="bob")
    assert order(policy, queue_of(hers, his)) == ["hers", "his"]
    for long in (
        task("long", "test", user="alice", deadline_at=500.0, long=True),
        task("long", "test", 1.0, user="alice", priority=1, long=True),
    ):
        assert order(policy, queue_of(long, task("short", "test", user="alice"))) == ["long", "short"]
    aged = task("aged", "development", 0.0, user="alice", long=True)
    assert order(policy, queue_of(aged, task("short", "development", 7000.0, user="alice")), now=7300.0) == ["aged", "short"], "it counts as test, and nobody of its own goes before for ever"  # fmt: skip


def test_a_task_that_had_a_turn_goes_on_while_nobody_is_before_it() -> None:
    policy, alone = Policy(slice_s=60.0), task("alone", units=1200, unit_s=1.0)
    alone.turn_s = 900.0
    decision = policy.decide(queue_of(alone), KINGSTON, 900.0, "alone")
    assert decision is not None
    assert (decision.task_id, decision.turn_s) == ("alone", 960.0)
    policy.fair_share.charge("user of alone", 900.0, 900.0)
    queue = queue_of(alone, task("newer", at=900.0))
    decision = policy.decide(queue, KINGSTON, 900.0, "alone")
    assert decision is not None
    assert (decision.task_id, decision.preempts, decision.turn_s) == ("newer", "", 60.0), (
        "and yields at once, it had one"
    )


def test_a_higher_rank_preempts_also_when_the_turn_is_over() -> None:
    had = task("had", units=1200, unit_s=1.0)
    had.turn_s = 600.0
    queue = queue_of(had, task("urgent", "production", 600.0))
    decision = Policy().decide(queue, KINGSTON, 600.0, "had")
    assert decision is not None
    assert (decision.task_id, decision.preempts) == ("urgent", "had")


def test_before_a_window_a_slice_is_cut_to_fit_and_what_does_not_fit_lets_others_go_first() -> None:
    soon = replace(KINGSTON, window=(30.0, 90.0))
    policy = Policy(slice_s=60.0)
    decision = policy.decide(queue_of(task("p", "production")), soon, 0.0)
    assert decision is not None
    assert decision.pieces == (Piece(0, 300, 0.1),)
    whole = task("p", "production", units=1, unit_s=45.0)
    queue = queue_of(whole, task("d"))
    decision = policy.decide(queue, soon, 0.0)
    assert decision is not None
    assert decision.task_id == "d"
    assert policy.why(queue, whole, soon, 0.0).reason == "calibration_window"
    assert policy.decide(queue_of(whole), soon, 0.0) is None
    assert policy.decide(queue, soon, 40.0) is None, "nothing starts while the device is being calibrated"


def test_one_that_fits_is_found_behind_others_of_the_same_user() -> None:
    soon = replace(KINGSTON, window=(10.0, 90.0))
    long = [task(f"l{k}", user="u", at=k, units=1, unit_s=50.0) for k in range(20)]
    decision = Policy().decide(queue_of(*long, task("short", user="u", at=99, units=1, unit_s=5.0)), soon, 0.0)
    assert decision is not None
    assert decision.task_id == "short"


def test_a_lease_keeps_others_out_until_it_ends() -> None:
    leased = replace(KINGSTON, lease=Lease("s1", until=100.0))
    queue = queue_of(task("p", "production", session="s2"), task("d", session="s1"))
    policy = Policy()
    decision = policy.decide(queue, leased, 0.0)
    assert decision is not None
    assert decision.task_id == "d"
    other = queue.get("p")
    assert other is not None
    assert "to itself until 00:01:40 UTC, 100 s more" in policy.why(queue, other, leased, 0.0).sentence
    decision = policy.decide(queue, leased, 100.0)
    assert decision is not None
    assert decision.task_id == "p"


def test_a_user_over_the_days_limit_waits_for_tomorrow_with_the_numbers() -> None:
    policy = Policy(profiles=KNOWN | {"development": Profile("development", 0, user_day_s=100.0)})
    mine = task("a", user="alice")
    queue = queue_of(mine)
    policy.charge(mine, 120.0, now=1000.0)
    assert policy.decide(queue, KINGSTON, 1000.0) is None
    told = policy.why(queue, mine, KINGSTON, 1000.0)
    assert told.sentence == "The user alice has used 120 s of QPU today; the profile development gives 100 s a day."
    assert policy.decide(queue, KINGSTON, 90_000.0) is not None


def test_a_device_that_is_down_or_drained_says_so_and_starts_nothing() -> None:
    queue = queue_of(task("a"))
    mine = queue.get("a")
    assert mine is not None
    for facts, reason in (
        (replace(KINGSTON, down_since=50.0), "device_down"),
        (replace(KINGSTON, drained=True), "draining"),
        (replace(KINGSTON, window=(40.0, 90.0)), "calibration_window"),
    ):
        assert Policy().decide(queue, facts, 60.0) is None
        assert Policy().why(queue, mine, facts, 60.0).reason == reason


def test_a_waiting_task_is_told_who_is_before_it() -> None:
    queue = queue_of(task("p1", "production"), task("p2", "production", 1), task("t", "test"), task("d", at=9.0))
    mine = queue.get("d")
    assert mine is not None
    assert Policy().why(queue, mine, KINGSTON, 10.0).sentence == "3 tasks are before it: 2 of production, 1 of test."


def test_the_same_facts_give_the_same_decision_whatever_the_order_of_arrival_in_the_queue() -> None:
    tasks = [
        task(f"{k:02d}", ("development", "test", "production")[k % 3], at=float(k % 7), user=f"u{k % 4}")
        for k in range(40)
    ]
    assert order(Policy(), queue_of(*tasks), 10.0) == order(Policy(), queue_of(*reversed(tasks)), 10.0)


def test_the_site_gives_the_profile_by_qos_partition_or_account() -> None:
    rules = (Rule("production", qos="production"), Rule("test", account="physics"))
    assert profile_of(rules, KNOWN, qos="production", account="physics") == "production"
    assert profile_of(rules, KNOWN, qos="normal", account="physics") == "test"
    assert profile_of(rules, KNOWN, qos="normal", partition="qpu") == "development"


def test_one_user_with_ten_thousand_tasks_leaves_the_others_their_share() -> None:
    flood = [Arrival(f"f{k:05d}", 0.0, "development", 20.0, "flood") for k in range(2000)]
    others = [Arrival(f"o{k:03d}", 60.0 * k, "development", 20.0, "quiet") for k in range(50)]
    run = simulate([*flood, *others], Policy(slice_s=60.0))
    assert quantile(sorted(run.started[a.id] - a.at for a in others), 0.95) <= 60.0


@pytest.mark.slow
def test_on_a_public_workload_production_waits_less_than_a_slice_development_not_much_longer_and_no_shot_is_lost() -> (
    None
):
    arrivals = workload(3000, 0.85, seed=1)
    windows = (Window(720 * MINUTE - 60 * MINUTE, 60 * MINUTE, "FREQ=HOURLY;INTERVAL=12"),)
    run = simulate(arrivals, Policy(slice_s=MINUTE, overhead_s=3.0), windows)
    assert quantile(waits(run, arrivals, "production"), 0.5) <= MINUTE
    fifo = simulate_whole(arrivals, first_come, windows)
    last, fifo_last = (quantile(waits(one, arrivals, "development"), 0.95) for one in (run, fifo))
    assert last <= 1.5 * fifo_last
    assert run.shots == {a.id: max(1, round(a.seconds / 0.05)) for a in arrivals}


def test_one_that_came_since_the_queue_was_counted_is_told_the_same_as_by_counting_it_all() -> None:
    queue, policy = TaskQueue(), Policy()
    standing = Standing(queue, policy, threading.Condition())
    for k in range(EXACT + 100):
        profile = ("development", "test", "production")[k % 3]
        queue.add(
            task(f"{k:04d}", profile, at=float(k % 50), user=f"u{k % 7}", devices=("kingston" if k % 2 else "fez",))
        )
    standing.order(100.0)
    standing._good_until = math.inf  # nothing is counted any more
    for profile, at, device in (("production", 99.0, "fez"), ("development", 25.5, "kingston"), ("test", 0.5, "fez"), ("test", 1.0, "oslo")):  # fmt: skip
        new = task(f"new-{profile}-{at}", profile, at=at, user="u1", devices=(device,))
        queue.add(new)
        same = queue_of(*(one for one in queue if one.devices == new.devices))
        expected = policy.ahead(same, new, 100.0)
        assert standing.ahead(new, 100.0) == expected
        queue.remove(new.id)


HOUR = 3600.0


def test_a_flood_that_has_aged_leaves_newer_tasks_their_share_and_production_its_precedence() -> None:
    flood = [Arrival(f"f{k:05d}", 0.0, "development", 20.0, "flood") for k in range(10_000)]
    newer = [Arrival(f"n{k:03d}", 3 * HOUR + 60.0 * k, "development", 20.0, "newer") for k in range(60)]
    tests = [Arrival(f"t{k:03d}", 3 * HOUR + 80.0 * k, "test", 20.0, "tester") for k in range(45)]
    urgent = [Arrival(f"p{k:03d}", 3 * HOUR + 600.0 * k, "production", 20.0, "campaign") for k in range(6)]
    run = simulate([*flood, *newer, *tests, *urgent], Policy(slice_s=60.0))

    def longest(some: list[Arrival]) -> float:
        return max(run.started[a.id] - a.at for a in some)

    assert longest(urgent) <= 20.0, "the slice that runs"
    assert longest(tests) <= 40.0
    assert longest(newer) <= 80.0, (
        "two thirds of the hour are others', and it is not the two hours until they have aged"
    )
    assert run.end == pytest.approx((10_000 + 60 + 45 + 6) * 20.0), "and the device never stood still"


def test_aged_tasks_and_those_that_go_in_their_place_count_as_one_user_in_the_higher_rank() -> None:
    flood = [Arrival(f"f{k:05d}", 0.0, "development", 20.0, "flood") for k in range(2000)]
    newer = [Arrival(f"n{u}{k:03d}", 3 * HOUR, "development", 20.0, f"newer{u}") for k in range(200) for u in range(5)]
    tests = [Arrival(f"t{k:04d}", 3 * HOUR, "test", 20.0, "tester") for k in range(150)]
    policy = Policy(slice_s=60.0)
    had = 6 * HOUR / math.log(2) * (1 - 2**-0.5)  # three hours of the device, with what is forgotten of them by then
    policy.fair_share.charge("tester", had, 3 * HOUR)
    run = simulate([*flood, *newer, *tests], policy)
    took = max(run.ended[a.id] for a in tests) - 3 * HOUR
    assert took <= 2 * 150 * 20.0 * 1.05, "half of the device, though six users of development want the other"
    done = [sum(run.ended[a.id] <= 3 * HOUR + took for a in newer if a.user == f"newer{u}") for u in range(5)]
    assert max(done) - min(done) <= 1, "and five of those share what goes in the flood's place"
    assert sum(done) >= 0.95 * 150
