"""Who had how much lately, and what follows for whose turn it is: by user, and by account where the site gives accounts shares."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from qhub_ext.broker.desk import Desk, _waiting
from qhub_ext.broker.fair_share import FairShare, account_owner
from qhub_ext.broker.limits import Limit
from qhub_ext.broker.policy import Policy, policy_of
from qhub_ext.broker.profiles import Profile
from qhub_ext.broker.rows import packed_pieces
from qhub_ext.broker.task_queue import TaskQueue
from qhub_ext.settings import BrokerSettings
from tests.broker.house import ALICE, BOB, PARAMS
from tests.broker.test_policy import KINGSTON, queue_of, task

PHYSICS, CHEMISTRY = account_owner("physics"), account_owner("chemistry")


def played(policy: Policy, queue: TaskQueue, turns: int) -> list[str]:
    """The users of the tasks that had their turn, one whole task after another."""
    found, now = [], 0.0
    for _ in range(turns):
        decision = policy.decide(queue, KINGSTON, now)
        assert decision is not None
        done = queue.get(decision.task_id)
        assert done is not None
        now += decision.seconds
        policy.charge(done, decision.seconds, now)
        queue.remove(done.id)
        found.append(done.user)
    return found


def crowd(**users: str) -> TaskQueue:
    """A hundred tasks of a minute of each user, who has an account."""
    return queue_of(*(task(f"{u}{k:02d}", "test", at=k, user=u, units=600, account=a) for u, a in users.items() for k in range(100)))  # fmt: skip


def test_without_shares_of_accounts_each_user_is_held_against_each_other() -> None:
    had = Counter(played(Policy(), crowd(a="physics", b="physics", c="physics", d="chemistry"), 40))
    assert set(had.values()) == {10}


def test_accounts_with_shares_get_the_device_by_them_and_their_users_share_it() -> None:
    policy = Policy(fair_share=FairShare(shares={PHYSICS: 1.0, CHEMISTRY: 3.0}))
    had = Counter(played(policy, crowd(a="physics", b="physics", c="physics", d="chemistry"), 120))
    assert had["d"] == pytest.approx(90, abs=2), "three quarters, though three users of physics wait"
    assert had["a"] == pytest.approx(10, abs=1) == had["b"] == had["c"]


def test_an_account_with_a_share_counts_as_so_many_users_beside_users_without() -> None:
    policy = Policy(fair_share=FairShare(shares={PHYSICS: 2.0}))
    had = Counter(played(policy, crowd(a="physics", b="physics", c="physics", d="", e="chemistry"), 80))
    assert had["d"] == pytest.approx(20, abs=1) == had["e"]
    assert had["a"] + had["b"] + had["c"] == pytest.approx(40, abs=1)


def test_a_user_s_own_share_weighs_inside_of_the_account() -> None:
    policy = Policy(fair_share=FairShare(shares={PHYSICS: 1.0, CHEMISTRY: 1.0, "a": 3.0}))
    had = Counter(played(policy, crowd(a="physics", b="physics", c="chemistry"), 80))
    assert had["c"] == pytest.approx(40, abs=1)
    assert had["a"] == pytest.approx(30, abs=1)


def test_a_user_of_two_accounts_waits_with_the_one_that_had_much() -> None:
    policy = Policy(fair_share=FairShare(shares={PHYSICS: 1.0, CHEMISTRY: 1.0}))
    policy.charge(task("before", "test", user="b", account="physics"), 600.0, 0.0)
    mine = [task(name, "test", at=at, user="a", account=name) for at, name in enumerate(("physics", "chemistry"))]
    decision = policy.decide(queue_of(*mine), KINGSTON, 1.0)
    assert decision is not None
    assert decision.task_id == "chemistry"


def test_an_account_s_share_holds_after_a_restart_and_for_what_was_used_before_it_was_given(tmp_path: Path) -> None:
    now = [1000.0]

    def opened() -> Desk:
        return Desk(tmp_path / "ledger", ["kingston"], Policy(slice_s=60.0), clock=lambda: now[0])

    desk = opened()
    hers, his = (desk.sessions.open(uid, user, account=account, profile="test") for uid, user, account in ((ALICE, "alice", "physics"), (BOB, "bob", "chemistry")))  # fmt: skip
    desk.submit(hers, "kingston", "sampler", PARAMS, task_id="first")
    found = desk.turns.next_slice("kingston", 0.0)
    assert found is not None
    now[0] += 100.0
    desk.turns.finished(found[1], "{}", 100.0, "")
    desk.submit(hers, "kingston", "sampler", PARAMS, task_id="hers")
    desk.submit(his, "kingston", "sampler", PARAMS, task_id="his")
    desk.ledger.accounts.set_share("bob", 50.0, now[0])
    desk.orders.set_limit(Limit("account", "physics", "share", 4.0), "root")
    desk.ledger.close()
    again = opened()
    assert again.policy.fair_share.used(PHYSICS, now[0]) == pytest.approx(100.0)
    found = again.turns.next_slice("kingston", 0.0)
    assert found is not None
    assert found[0].id == "hers", "a hundred seconds of four beside fifty of one"
    again.ledger.close()


def test_a_site_says_how_long_what_was_used_counts_and_how_long_a_turn_is() -> None:
    policy = policy_of(BrokerSettings(share_half_life_s=7 * 86400.0, turn_s=900.0))
    policy.charge(task("before", user="alice"), 100.0, 0.0)
    assert policy.fair_share.used("alice", 7 * 86400.0) == pytest.approx(50.0)
    assert policy.lent.half_life_s == 7 * 86400.0
    assert policy.turn_s == 900.0


def test_a_long_task_leaves_the_device_to_another_user_when_its_turn_is_over_and_comes_back(tmp_path: Path) -> None:
    now = [1000.0]
    desk = Desk(tmp_path / "ledger", ["kingston"], Policy(slice_s=10.0, turn_s=20.0), clock=lambda: now[0])
    for name, uid, shots in (("alice", ALICE, 50), ("bob", BOB, 20)):
        session = desk.sessions.open(uid, name, profile="test")
        desk.submit(session, "kingston", "sampler", {"pubs": [["OPENQASM 3.0;", None, shots]], "version": 2}, task_id=name)  # fmt: skip
        for waiting in desk._queue:
            waiting.pieces = tuple(replace(piece, unit_s=1.0) for piece in waiting.pieces)
    ran = []
    while (found := desk.turns.next_slice("kingston", 0.0)) is not None:
        row, one = found
        units = sum(piece.units for piece in one.pieces)
        now[0] += units
        if desk.turns.finished(one, "{}", float(units), ""):
            desk.turns.forget(row.id)
        ran.append((row.id, units))
    assert ran == [("alice", 10)] * 2 + [("bob", 10)] * 2 + [("alice", 10)] * 3
    desk.ledger.close()


def played_by_the_desk(directory: Path, *, restarts: bool) -> list[tuple[str, int, str]]:
    """Who had the device for how many shots, and what bob was told meanwhile. With `restarts` the broker is killed after every slice."""
    now = [1000.0]
    profiles = {p.name: p for p in (Profile("production", 2), Profile("test", 1), Profile("development", 0, age_s=50.0, ages_to=1))}  # fmt: skip

    def opened() -> Desk:
        return Desk(directory, ["kingston"], Policy(profiles, slice_s=10.0, turn_s=20.0), clock=lambda: now[0])

    def put(name: str, profile: str, shots: int) -> None:
        session = desk.sessions.open(uids[name], name, profile=profile)
        row = desk.submit(session, "kingston", "sampler", {"pubs": [["OPENQASM 3.0;", None, shots]], "version": 2}, task_id=f"{name}-{profile}-{shots}")  # fmt: skip
        with desk.ledger.transaction() as execute:
            pieces = tuple(replace(piece, unit_s=1.0) for piece in row.pieces)
            execute("UPDATE tasks SET pieces = ? WHERE id = ?", packed_pieces(pieces), row.id)
            execute("UPDATE tasks SET long = ? WHERE id = ?", int(desk.policy.is_long(pieces)), row.id)
        desk._queue.remove(row.id)
        desk._queue.add(_waiting(desk.ledger.task(row.id)))

    uids = {name: 5001 + number for number, name in enumerate(("alice", "bob", "carol", "dora"))}
    desk = opened()
    desk.ledger.accounts.set_share("alice", 900.0, now[0])
    desk.ledger.accounts.set_share("carol", 30.0, now[0])
    desk.ledger.close()
    desk = opened()
    for shots in (35, 36, 15, 37, 38):  # who had so much lends the place that her tasks have by their age
        put("alice", "development", shots)
    put("bob", "development", 50)
    coming = {
        3: ("carol", "test", 60),
        5: ("dora", "test", 60),
        9: ("dora", "production", 15),
        12: ("carol", "development", 40),
    }
    ran: list[tuple[str, int, str]] = []
    while (found := desk.turns.next_slice("kingston", 0.0)) is not None:
        row, one = found
        units = sum(piece.units for piece in one.pieces)
        bob = desk.state("bob-development-50").wait
        ran.append((row.id, units, bob.reason if bob else ""))
        now[0] += units
        if desk.turns.finished(one, "{}", float(units), ""):
            desk.ledger.end_task(row.id, "completed", ended_at=now[0], cause="", message="", advice="")
            desk.turns.forget(row.id)
        if len(ran) in coming:
            put(*coming[len(ran)])
        if restarts:
            desk.ledger.close()
            desk = opened()
    desk.ledger.close()
    return ran


def test_turns_and_places_are_the_same_whether_or_not_the_broker_is_killed_between_them(tmp_path: Path) -> None:
    alone = played_by_the_desk(tmp_path / "alone", restarts=False)
    assert len(alone) > 30
    assert any(reason.startswith("preempted_by:") for _, _, reason in alone)
    assert played_by_the_desk(tmp_path / "killed", restarts=True) == alone


def test_what_others_had_in_a_lent_place_counts_after_a_restart(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: 1000.0)
    desk.submit(desk.sessions.open(BOB, "bob", profile="test"), "kingston", "sampler", PARAMS, task_id="his")
    found = desk.turns.next_slice("kingston", 0.0)
    assert found is not None
    desk._queue.get("his").place_of = "alice"
    desk.turns.finished(found[1], "{}", 100.0, "")
    desk.ledger.close()
    again = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: 1000.0)
    assert (again.policy.lent.used("alice", 1000.0), again.policy.fair_share.used("bob", 1000.0)) == (100.0, 100.0)
    again.ledger.close()
