"""What operators order, and leases: who may, what it does to the queue, and that everybody is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import click
import httpx
import pytest

from qhub_ext.broker.credentials import Tokens
from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.limits import Limit
from qhub_ext.broker.order_book import OrderBook
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import Profile
from qhub_ext.broker.refusals import ConflictError, NotAllowedError
from qhub_ext.errors import InvalidOptionError
from qhub_ext.service import JobService
from qhub_ext.settings import load_settings
from qhub_ext.tiers.windows import Window
from qhub_ext.verbs import Surface, verbs
from tests.broker.house import ALICE, BOB, KNOWN, OPERATOR, PARAMS, Ask, asker, session, submit

LEASING = {
    "production": Profile("production", 2, lease_s=600.0),
    "test": Profile("test", 1, lease_s=100.0),
    "development": Profile("development", 0),
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leasing(tmp_path: Path, clock: Clock) -> Any:
    made = Desk(tmp_path / "leasing", ["kingston"], Policy(profiles=LEASING), clock=clock)
    yield made
    made.ledger.close()


def why(desk: Desk, task: str) -> str:
    wait = desk.state(task).wait
    return "" if wait is None else wait.sentence


# ---------------------------------------------------------------------- leases


def test_a_lease_gives_the_device_to_one_session_and_every_waiting_task_says_whose_it_is_and_until_when(
    leasing: Desk, clock: Clock
) -> None:
    hers = leasing.sessions.open(ALICE, "alice", profile="test")
    his = leasing.sessions.open(BOB, "bob", profile="production")
    waiting = leasing.submit(his, "kingston", "sampler", PARAMS).id
    leasing.take_lease("kingston", hers, 100.0)
    assert leasing.turns.next_slice("kingston", 0.0) is None, "it stands ready for her"
    assert why(leasing, waiting) == "alice (test) has kingston to itself until 00:18:20 UTC, 100 s more."
    mine = leasing.submit(hers, "kingston", "sampler", PARAMS).id
    assert leasing.turns.next_slice("kingston", 0.0)[0].id == mine
    clock.now += 100.0
    leasing.turns.finished(leasing.ledger.slices(mine)[0], "{}", 1.0, "")
    assert leasing.turns.next_slice("kingston", 0.0)[0].id == waiting


def test_a_lease_is_no_longer_than_the_profile_allows_and_one_at_a_time(leasing: Desk) -> None:
    hers = leasing.sessions.open(ALICE, "alice", profile="test")
    his = leasing.sessions.open(BOB, "bob", profile="production")
    with pytest.raises(NotAllowedError, match="more than the profile test gives: at most 100 s"):
        leasing.take_lease("kingston", hers, 101.0)
    with pytest.raises(NotAllowedError, match="the profile development gives: none"):
        leasing.take_lease("kingston", leasing.sessions.open(BOB, "bob", profile="development"), 1.0)
    leasing.take_lease("kingston", hers, 100.0)
    with pytest.raises(ConflictError, match=r"alice \(test\) has kingston to itself for 100 s more"):
        leasing.take_lease("kingston", his, 10.0)
    leasing.orders.end_lease("kingston", "alice")
    leasing.take_lease("kingston", his, 10.0)
    assert [row["verb"] for row in leasing.ledger.book.audit()].count("lease") == 2


def test_a_lease_is_not_taken_again_at_once_while_others_wait(leasing: Desk, clock: Clock) -> None:
    hers = leasing.sessions.open(ALICE, "alice", profile="test")
    leasing.take_lease("kingston", hers, 100.0)
    leasing.submit(leasing.sessions.open(BOB, "bob", profile="test"), "kingston", "sampler", PARAMS)
    clock.now += 101.0
    with pytest.raises(NotAllowedError, match="alone until a moment ago, and others wait"):
        leasing.take_lease("kingston", hers, 100.0)
    clock.now += 100.0
    leasing.take_lease("kingston", hers, 100.0)


def test_a_lease_ends_with_its_session_and_when_it_stands_idle(leasing: Desk, clock: Clock) -> None:
    his = leasing.sessions.open(BOB, "bob", profile="production")
    leasing.take_lease("kingston", his, 600.0)
    leasing.close_session(his.id)
    assert leasing.orders.leases == {}
    hers = leasing.sessions.open(ALICE, "alice", profile="production")
    leasing.take_lease("kingston", hers, 600.0)
    clock.now += 299.0
    leasing.sweep()
    assert leasing.orders.leases
    clock.now += 2.0
    leasing.sweep()
    assert leasing.orders.leases == {}
    assert leasing.ledger.book.audit()[0]["what"].endswith("no task of its session for 300 s")


def test_a_lease_outlives_the_brokers_process(leasing: Desk, clock: Clock, tmp_path: Path) -> None:
    leasing.take_lease("kingston", leasing.sessions.open(ALICE, "alice", profile="production"), 600.0)
    leasing.ledger.close()
    again = Desk(tmp_path / "leasing", ["kingston"], Policy(profiles=LEASING), clock=clock)
    assert again.turns.facts("kingston").lease.holder == "alice (production)"
    again.ledger.close()


def test_a_lease_over_http_is_for_ones_own_session_and_an_operator_may_end_it(ask: Ask) -> None:
    hers = session(ask, ALICE, profile="production")["id"]
    body = {"session": hers, "length_s": 60}
    assert ask(BOB, "POST", "/v1/devices/kingston/lease", json=body).status_code == 404
    assert ask(ALICE, "POST", "/v1/devices/kingston/lease", json=body).status_code == 201
    (held,) = ask(BOB, "GET", "/v1/leases").json()["leases"]
    assert (held["device"], held["user"], held["mine"]) == ("kingston", str(ALICE), False)
    assert ask(BOB, "DELETE", "/v1/devices/kingston/lease").status_code == 403
    waiting = submit(ask, BOB, session(ask, BOB)["id"]).json()
    assert waiting["why"].startswith(f"{ALICE} (production) has kingston to itself until")
    assert ask(BOB, "GET", "/v1/status").json()["devices"][0]["lease"]["holder"] == f"{ALICE} (production)"
    assert ask(OPERATOR, "DELETE", "/v1/devices/kingston/lease").status_code == 204
    assert ask(ALICE, "DELETE", "/v1/devices/kingston/lease").status_code == 404


# ---------------------------------------------------------------------- limits


def put(ask: Ask, target: str, value: Any) -> int:
    return ask(OPERATOR, "PUT", f"/v1/limits/{target}", json={"value": value}).status_code


def test_a_limit_that_an_operator_set_holds_at_once_and_default_takes_it_back(ask: Ask, desk: Desk) -> None:
    mine = session(ask, ALICE)["id"]
    assert put(ask, "profile/development/shots", 50) == 200
    assert "development allows 50" in submit(ask, ALICE, mine).json()["message"]
    assert put(ask, f"user/{ALICE}/shots", None) == 200, "the word for a user counts before that for the profile"
    assert submit(ask, ALICE, mine).status_code == 201
    shown = ask(OPERATOR, "GET", "/v1/limits").json()["limits"]
    assert {"scope": "profile", "name": "development", "what": "shots", "value": 50, "set": True} in shown
    assert ask(OPERATOR, "DELETE", "/v1/limits/profile/development/shots").status_code == 204
    assert submit(ask, BOB, session(ask, BOB)["id"]).status_code == 201
    verbs = [(row["verb"], row["what"]) for row in desk.ledger.book.audit()]
    assert verbs[-1] == ("limit", "shots of profile development: 50")
    assert verbs[0] == ("limit", "shots of profile development: as the settings say")


@pytest.mark.parametrize(
    ("target", "value", "code"),
    [
        ("profile/nothing/shots", 5, 404), ("galaxy/milky/shots", 5, 404), ("profile/test/colour", 5, 404), ("account/physics/shots", 5, 404),
        ("profile/test/shots", 0, 400), ("profile/test/slots", 1.5, 400), ("user/alice/share", 0, 400), ("user/alice/share", None, 400),
        ("profile/test/shots", -1, 422), ("profile/test/shots", "many", 422), ("account/physics/account_day_s", 0, 200),
        ("user/%1b%5b31m/user_day_s", 5, 400), (f"user/{'a' * 201}/user_day_s", 5, 400), ("user/zo%C3%AB/user_day_s", 5, 200),
    ],
)  # fmt: skip
def test_a_limit_that_makes_no_sense_is_refused(ask: Ask, target: str, value: Any, code: int) -> None:
    assert put(ask, target, value) == code


def test_a_users_and_an_accounts_day_are_said_with_their_numbers(tmp_path: Path, clock: Clock) -> None:
    desk = Desk(tmp_path / "day", ["kingston"], clock=clock)
    mine = desk.sessions.open(ALICE, "alice", profile="production", account="physics")
    task = desk.submit(mine, "kingston", "sampler", PARAMS).id
    desk.policy.usage.accounts["physics"] = 30
    desk.orders.set_limit(Limit("account", "physics", "account_day_s", 30.0), "root")
    assert why(desk, task) == "The account physics has used 30 s of QPU today; an operator gave it 30 s a day."
    assert desk.turns.next_slice("kingston", 0.0) is None
    desk.orders.set_limit(Limit("account", "physics", "account_day_s", 31.0), "root")
    assert desk.turns.next_slice("kingston", 0.0) is not None
    desk.ledger.close()


def test_a_share_weighs_a_user_in_the_fair_share_also_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    desk = Desk(tmp_path / "share", ["kingston"], clock=clock)
    for user, uid in (("alice", ALICE), ("bob", BOB)):
        desk.submit(desk.sessions.open(uid, user, profile="test"), "kingston", "sampler", PARAMS, task_id=user)
        desk.ledger.accounts.set_share(user, 30.0, clock.now)
    desk.orders.set_limit(Limit("user", "bob", "share", 3.0), "root")
    desk.ledger.close()
    again = Desk(tmp_path / "share", ["kingston"], clock=clock)
    assert again.turns.next_slice("kingston", 0.0)[0].id == "bob"
    again.ledger.close()


# ---------------------------------------------------------------------- priorities


def test_an_operator_moves_a_task_within_its_profile_and_never_past_a_higher_one(tmp_path: Path, clock: Clock) -> None:
    desk = Desk(tmp_path / "moved", ["kingston"], clock=clock)
    for name, profile in (("first", "test"), ("second", "test"), ("third", "test"), ("urgent", "production")):
        desk.submit(desk.sessions.open(ALICE, "alice", profile=profile), "kingston", "sampler", PARAMS, task_id=name)
    desk.move("third", 5, "root")
    desk.move("first", -10, "root")
    assert [row.id for _, row, _ in desk.queue()[0]] == ["urgent", "third", "second", "first"]
    desk.ledger.close()
    again = Desk(tmp_path / "moved", ["kingston"], clock=clock)
    order = []
    while (found := again.turns.next_slice("kingston", 0.0)) is not None:
        order.append(found[0].id)
        again.cancel(found[0].id)
        again.turns.setbacks.stopped(found[1])
    assert order == ["urgent", "third", "second", "first"]
    assert {row["what"] for row in again.ledger.book.audit()} == {"third: 0 -> 5", "first: 0 -> -10"}
    again.ledger.close()


def test_a_task_that_was_moved_up_goes_between_the_slices_of_one_that_runs(tmp_path: Path, clock: Clock) -> None:
    desk = Desk(tmp_path / "between", ["kingston"], Policy(slice_s=0.01), clock=clock)
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    for name in ("long", "other"):
        desk.submit(mine, "kingston", "sampler", PARAMS, task_id=name)
    row, one = desk.turns.next_slice("kingston", 0.0)
    assert row.id == "long"
    desk.move("other", 1, "root")
    desk.turns.finished(one, "{}", 0.01, "")
    assert desk.turns.next_slice("kingston", 0.0)[0].id == "other"
    desk.ledger.close()


def test_a_priority_out_of_range_and_a_task_that_ended_are_refused(ask: Ask) -> None:
    mine = submit(ask, ALICE, session(ask, ALICE)["id"]).json()["id"]
    target = f"/v1/tasks/{mine}/priority"
    assert ask(OPERATOR, "PUT", target, json={"priority": 11}).status_code == 422
    assert ask(OPERATOR, "PUT", target, json={"priority": 4}).json()["priority"] == 4
    ask(ALICE, "POST", f"/v1/tasks/{mine}/cancel")
    assert ask(OPERATOR, "PUT", target, json={"priority": 4}).status_code == 409


# ---------------------------------------------------------------------- windows and drain


@pytest.mark.parametrize(
    "body", [{"start": 1e9, "length_s": 60.0}, {"start": 1e9, "length_s": 60.0, "rule": "FREQ=DAILY;COUNT=3"}]
)
def test_a_window_that_is_over_already_is_refused_and_not_kept(ask: Ask, body: dict[str, Any]) -> None:
    answer = ask(OPERATOR, "POST", "/v1/windows", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("The window is over already: all devices from 2001-09-09T01:46+00:00")
    assert ask(OPERATOR, "POST", "/v1/windows", json=body | {"rule": "FREQ=DAILY"}).status_code == 201
    assert len(ask(OPERATOR, "GET", "/v1/windows").json()["windows"]) == 1


def test_an_order_is_for_a_device_by_its_name_and_not_for_whichever_fits(ask: Ask) -> None:
    for method, path, body in (
        ("POST", "/v1/devices/least%20busy/drain", {}),
        ("POST", "/v1/devices/least%20busy/resume", None),
        ("POST", "/v1/windows", {"start": 4e9, "length_s": 60.0, "device": "qubits>=100"}),
        ("DELETE", "/v1/devices/least%20busy/lease", None),
    ):
        assert ask(OPERATOR, method, path, json=body).status_code == 404, path
    assert ask(OPERATOR, "POST", "/v1/devices/ibm_kingston/drain", json={}).json() == {"drained": {"kingston": ""}}


def test_a_window_that_an_earlier_version_took_and_this_one_does_not_keeps_no_broker_from_beginning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:  # fmt: skip
    first = Desk(tmp_path / "ledger", ["kingston"])
    with first.ledger.transaction() as execute:
        execute("INSERT INTO windows (device, start, length_s, rule, note) VALUES ('', 4e9, 60.0, 'DTSTART:20200101T000000Z\nRRULE:FREQ=DAILY', '')")  # fmt: skip
    first.ledger.close()
    again = Desk(tmp_path / "ledger", ["kingston"])
    assert "window 1 does not count" in caplog.text
    again.orders.remove_window(1, "root")
    again.ledger.close()


# ---------------------------------------------------------------------- the audit

GIVEN: dict[str, tuple[str, str, Any]] = {
    "drain": ("POST", "/v1/devices/kingston/drain", {}),
    "window": ("POST", "/v1/windows", {"start": 4e9, "length_s": 60.0}),
    "remove window": ("DELETE", "/v1/windows/1", None),
    "limit": ("PUT", "/v1/limits/profile/test/slots", {"value": 2}),
    "limit dropped": ("DELETE", "/v1/limits/profile/production/slots", None),
    "priority": ("PUT", "/v1/tasks/hers/priority", {"priority": 3}),
    "cancel": ("POST", "/v1/tasks/hers/cancel", None),
    "cancel as the vendor's": ("POST", "/api/v1/jobs/hers/cancel", None),
    "lease": ("POST", "/v1/devices/fez/lease", {"length_s": 60.0}),
    "end of lease": ("DELETE", "/v1/devices/kingston/lease", None),
    "close session": ("DELETE", "/v1/sessions/{hers}", None),
    "token": ("POST", "/v1/tokens", {"user": "daemon"}),
    "revoke token": ("DELETE", "/v1/tokens/root", None),
}


@pytest.fixture
def ordered(tmp_path: Path) -> Any:
    """A desk with something of everything, what is kept of it, and how an operator asks it."""
    made = Desk(tmp_path / "ordered", ["kingston", "fez"], Policy(profiles=KNOWN | LEASING))
    hers, mine = (made.sessions.open(uid, str(uid), profile="production") for uid in (ALICE, OPERATOR))
    made.submit(hers, "kingston", "sampler", PARAMS, task_id="hers")
    made.take_lease("kingston", hers, 60.0)
    made.orders.add_window(Window(4e9, 60.0), "root")
    made.orders.set_limit(Limit("profile", "production", "slots", 5.0), "root")
    tokens = made.ledger.directory / "tokens"
    Tokens(tokens).make("root")
    ask = asker(made)

    def order(name: str) -> httpx.Response:
        method, path, body = GIVEN[name]
        body = body | {"session": mine.id} if path.endswith("lease") and body else body
        return ask(OPERATOR, method, path.format(hers=hers.id), json=body)

    def kept() -> tuple[Any, ...]:
        ledger, orders = made.ledger, made.orders
        return (
            ledger.book.windows(), ledger.book.drained(), ledger.book.limits(), ledger.book.open_leases(), ledger.open_tasks(), ledger.open_sessions(),
            tokens.read_text(), orders.windows(), orders.drained, orders.leases, made.policy.limits.all(), [(place, row.id, row.priority) for place, row, _ in made.queue()[0]],
        )  # fmt: skip

    yield made, order, kept
    made.ledger.close()


@pytest.mark.parametrize("name", GIVEN)
def test_an_order_and_its_line_in_the_audit_are_kept_together_or_not_at_all(
    name: str, ordered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, order, kept = ordered
    before, lines = kept(), len(desk.ledger.book.audit())
    with monkeypatch.context() as broken:
        broken.setattr(OrderBook, "log", Mock(side_effect=LedgerError("The disk is full.")))
        assert order(name).status_code == 503
    assert kept() == before
    assert len(desk.ledger.book.audit()) == lines
    assert order(name).status_code < 300
    assert kept() != before
    assert [row["verb"] in name for row in desk.ledger.book.audit() if row["who"] == str(OPERATOR)] == [True]


# ---------------------------------------------------------------------- what is typed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["window", "--rule", "FREQ=DAILY"], "needs --start and --length"),
        (["window", "--start", "", "--length", ""], "needs --start and --length"),
        (["window", "--start", "0001-01-01", "--length", "1h"], "--start '0001-01-01' is no moment"),
        (["window", "--start", "9999-12-31T23:59+00:01", "--length", "1h"], "is no moment"),
        (["window", "--start", "+9999999d", "--length", "1h"], "--start '9999999d' is not between"),
        (["window", "--start", "+1h", "--length", "60d"], "--length 60d is more than 31 days"),
        (["limits", "user", "alice", "user_day_s", "-5"], "'-5' is no limit"),
        (["limits", "user", "alice", "user_day_s", "nan"], "'nan' is no limit"),
        (["limits", "user", "alice", "user_day_s", "1e400"], "'1e400' is no limit"),
        (["limits", "user", "", "user_day_s", "5"], "'' is no name"),
        (["limits", "user", "../../x", "user_day_s", "5"], "'../../x' is no name"),
        (["cancel", " "], "' ' is no name"),
        (["drain", ""], "'' is no name"),
        (["usage", "--days", "nan"], "nan is no amount"),
        (["simulate", "--users", "1", "--days", "inf"], "inf is no amount"),
        (["simulate", "--users", "1", "--tasks", "nan"], "nan is no amount"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_broker_is_asked(words: list[str], said: str) -> None:
    surface = Surface(JobService(load_settings({}, [])))
    with pytest.raises((InvalidOptionError, click.UsageError)) as refused:
        verbs.main(["broker", *words], obj=surface, standalone_mode=False)
    told = refused.value
    assert said in (told.format_message() if isinstance(told, click.UsageError) else str(told))


def test_a_lease_that_the_profile_does_not_give_names_those_that_would(leasing: Desk) -> None:
    mine = leasing.sessions.open(ALICE, "alice", profile="development")
    with pytest.raises(NotAllowedError, match=r"development gives: none.*production and test would"):
        leasing.take_lease("kingston", mine, 60.0)
