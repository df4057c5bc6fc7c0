"""Who may do what over HTTP. The kernel's word about the caller is played by the transport; a real socket is in test_broker."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import Profile
from tests.broker.house import ALICE, BOB, KNOWN, OPERATOR, PARAMS, Ask, session, submit


def test_bob_can_neither_see_nor_cancel_nor_join_what_is_alices(ask: Ask) -> None:
    hers = session(ask, ALICE)
    task = submit(ask, ALICE, hers["id"]).json()["id"]
    for method, path in (
        ("GET", f"/v1/tasks/{task}"),
        ("GET", f"/v1/tasks/{task}/result"),
        ("POST", f"/v1/tasks/{task}/cancel"),
        ("DELETE", f"/v1/sessions/{hers['id']}"),
        ("GET", f"/api/v1/jobs/{task}"),
        ("POST", f"/api/v1/jobs/{task}/cancel"),
    ):
        assert ask(BOB, method, path).status_code == 404, path
    assert submit(ask, BOB, hers["id"]).status_code == 404
    assert submit(ask, BOB, session(ask, BOB)["id"], id=task).status_code == 409
    (shown,) = (
        ask(BOB, "GET", "/v1/tasks?everybody=true").json()["tasks"][1:]
        or ask(BOB, "GET", "/v1/tasks?everybody=true").json()["tasks"]
    )
    assert (shown["user"], shown["id"], shown["job"], shown["session"]) == (str(ALICE), "", "", "")
    assert ask(ALICE, "GET", f"/v1/tasks/{task}").json()["state"] == "queued"


def test_a_key_opens_the_vendors_face_for_its_own_session_alone(ask: Ask) -> None:
    hers, his = session(ask, ALICE), session(ask, BOB)
    assert ask(None, "GET", "/api/v1/backends").status_code == 401
    assert ask(None, "POST", "/identity/token", data={"apikey": "guess"}).status_code == 400
    headers = {}
    for name, one in (("alice", hers), ("bob", his)):
        token = ask(None, "POST", "/identity/token", data={"apikey": one["key"]}).json()["access_token"]
        headers[name] = {"authorization": f"Bearer {token}"}
    body = {"backend": "kingston", "program_id": "sampler", "params": PARAMS}
    task = ask(None, "POST", "/api/v1/jobs", json=body, headers=headers["alice"]).json()["id"]
    assert ask(None, "GET", f"/api/v1/jobs/{task}", headers=headers["alice"]).json()["status"] == "Queued"
    assert ask(None, "GET", f"/api/v1/jobs/{task}", headers=headers["bob"]).status_code == 404
    assert ask(None, "GET", "/api/v1/jobs", headers=headers["bob"]).json()["jobs"] == []
    assert ask(None, "POST", "/v1/sessions", json={}, headers=headers["alice"]).status_code == 403
    assert ask(ALICE, "DELETE", f"/v1/sessions/{hers['id']}").status_code == 204
    assert ask(None, "GET", "/api/v1/backends", headers=headers["alice"]).status_code == 401
    assert ask(ALICE, "GET", f"/v1/tasks/{task}").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/devices/kingston/drain", {}),
        ("POST", "/v1/devices/kingston/resume", None),
        ("POST", "/v1/windows", {"start": 4e9, "length_s": 60}),
        ("DELETE", "/v1/windows/1", None),
        ("GET", "/v1/audit", None),
        ("PUT", "/v1/limits/user/alice/user_day_s", {"value": 60}),
        ("DELETE", "/v1/limits/user/alice/user_day_s", None),
        ("PUT", "/v1/tasks/none/priority", {"priority": 3}),
        ("GET", "/v1/tokens", None),
        ("POST", "/v1/tokens", {"user": "root"}),
        ("DELETE", "/v1/tokens/root", None),
    ],
)
def test_only_operators_order_and_every_order_is_in_the_audit(
    ask: Ask, desk: Desk, method: str, path: str, body: Any
) -> None:
    assert ask(ALICE, method, path, json=body).status_code == 403
    assert desk.ledger.book.audit() == []
    assert ask(OPERATOR, method, path, json=body).status_code in (200, 201, 204, 404)


def test_limits_of_the_profile_are_refused_with_their_numbers(ask: Ask) -> None:
    mine = session(ask, ALICE)["id"]
    told = submit(ask, ALICE, mine, params={"pubs": [["x", None, 6000]]})
    assert told.status_code == 403
    assert told.json()["message"] == "A PUB asks for 6,000 shots; the profile development allows 5,000."
    told = submit(ask, ALICE, mine, params={"pubs": [["x", None, 5000]] * 3})
    assert told.status_code == 403
    assert "needs some 4 s of QPU; the profile development allows 2 s" in told.json()["message"]
    for _ in range(3):
        assert submit(ask, ALICE, mine).status_code == 201
    assert "3 tasks waiting, the most" in submit(ask, ALICE, mine).json()["message"]
    assert submit(ask, BOB, session(ask, BOB)["id"]).status_code == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"device": "fez"}, 404),
        ({"device": "nowhere"}, 404),
        ({"program": "executor"}, 400),
        ({"params": {"pubs": 3}}, 400),
        ({"params": {"pubs": [[1, None, "many"]]}}, 400),
        ({"id": "../../etc"}, 422),
        ({"session": "unknown"}, 404),
        ({"more": 1}, 422),
    ],
)
def test_a_broken_task_is_refused_and_nothing_is_kept(ask: Ask, desk: Desk, body: dict[str, Any], status: int) -> None:
    mine = session(ask, ALICE)["id"]
    answer = submit(ask, ALICE, mine, **body) if "session" not in body else submit(ask, ALICE, "unknown")
    assert answer.status_code == status, answer.text
    assert desk.ledger.open_tasks() == []


def test_more_shots_than_the_device_takes_at_a_time_are_cut_and_a_precision_that_needs_more_is_refused(
    ask: Ask, desk: Desk
) -> None:
    mine = session(ask, ALICE, profile="production")["id"]
    task = submit(ask, ALICE, mine, params={"pubs": [["x", None, 150_000]]}).json()["id"]
    _, one = desk.turns.next_slice("kingston", 0.0)
    assert (one.task, [piece.units for piece in one.pieces]) == (task, [100_000])
    fine = {"program": "estimator", "params": {"pubs": [["x", {"Z": 1.0}, None, 0.001]]}}
    told = submit(ask, ALICE, mine, **fine)
    assert told.status_code == 400
    assert (
        told.json()["message"] == "PUB 0: a precision of 0.001 takes 1,000,000 shots, kingston takes at most 100,000."
    )
    desk.turns.learned("kingston", 10**6)
    assert submit(ask, ALICE, mine, **fine).status_code == 201


TASK = {"session": "s", "device": "kingston", "program": "sampler", "params": PARAMS}


@pytest.mark.parametrize(
    ("method", "path", "content", "said"),
    [
        ("POST", "/v1/windows", '{"start": -1, "length_s": "long"}', "The field `start` of the body is -1; accepted is at least 0. The field `length_s` of the body is \"long\"; accepted is a number."),
        ("POST", "/v1/windows", '{"start": 1}', "The field `length_s` of the body is missing."),
        ("POST", "/v1/windows", "[]", "The body is a list of 0; accepted is an object of names and values. The body is a JSON object with `start`, `length_s`, `rule`, `device`, `note`."),
        ("POST", "/v1/windows", "{", "The body is no JSON: expecting property name enclosed in double quotes, at character 1."),
        ("POST", "/v1/windows", "", "The body is missing. The body is a JSON object with `start`, `length_s`, `rule`, `device`, `note`."),
        ("POST", "/v1/tokens", '{"user": "a", "word": 1}', "There is no field `word` of the body. The body is a JSON object with `user`."),
        ("POST", "/v1/tokens", '{"user": "a\\u0000"}', 'The field `user` of the body is "a\\u0000"; accepted is a text without control characters.'),
        ("POST", "/v1/devices/kingston/drain", '{"note": "\\u001b[31mred"}', 'The field `note` of the body is "\\u001b[31mred"; accepted is a text without control characters.'),
        ("POST", "/v1/sessions", json.dumps({"account": "a" * 201}), f'The field `account` of the body is "{"a" * 39}... (203 characters); accepted is at most 200 characters.'),
        ("POST", "/v1/tokens", '{"user": "\\ud800"}', 'The field `user` of the body is "\\ud800"; accepted is a text.'),
        ("POST", "/v1/tokens", '{"\\ud800": 1}', 'The body has a field of the name "\\ud800", which is no text. The body is a JSON object with `user`.'),
        ("POST", "/v1/tokens", f'{{"user": "{"x" * 101}"}}', f'The field `user` of the body is "{"x" * 39}... (103 characters); accepted is at most 100 characters.'),
        ("POST", "/v1/tasks", json.dumps(TASK | {"id": "../x"}), 'The field `id` of the body is "../x"; accepted is at most 64 letters, digits, `-` and `_`.'),
        ("POST", "/v1/tasks", json.dumps(TASK | {"on_calibration_change": "no"}), "The field `on_calibration_change` of the body is \"no\"; accepted is an empty text, 'accept', 'flag' or 'restart'."),
        ("POST", "/v1/tasks", json.dumps(TASK | {"deadline_at": math.nan}), "The field `deadline_at` of the body is NaN; accepted is "),
        ("PUT", "/v1/tasks/t/priority", '{"priority": 10000000000000000000000}', "The field `priority` of the body is 10000000000000000000000; accepted is at most 10."),
        ("DELETE", "/v1/windows/first", "", 'The part `number` of the address is "first"; accepted is a whole number.'),
        ("GET", "/api/v1/jobs?limit=many", "", 'The parameter `limit` is "many"; accepted is a whole number.'),
    ],
)  # fmt: skip
def test_a_request_that_is_not_as_it_should_be_is_told_which_field_what_it_was_and_what_would_be_accepted(
    ask: Ask, method: str, path: str, content: str, said: str
) -> None:
    answer = ask(OPERATOR, method, path, content=content, headers={"content-type": "application/json"})
    told = answer.json()
    assert answer.status_code == 422, answer.text
    assert f"{told['message']} {told['advice']}".startswith(said)
    assert told["errors"] == [{"code": 422, "message": f"{told['message']} {told['advice']}".strip(), "more_info": ""}]
    assert (told["cause"], told["audience"]) == ("code", "you")


def test_what_there_is_not_is_said_in_the_shape_of_every_refusal(ask: Ask) -> None:
    assert ask(ALICE, "GET", "/v1/nowhere").json()["message"] == "There is nothing at /v1/nowhere."
    wrong = ask(ALICE, "PATCH", "/v1/status")
    assert wrong.json()["errors"][0]["code"] == wrong.status_code == 405
    assert wrong.json()["message"] == "PATCH is not taken at /v1/status."
    assert wrong.headers["allow"] == "GET"
    long = ask(ALICE, "POST", "/v1/sessions", content="9" * 5000, headers={"content-type": "application/json"})
    assert (long.status_code, long.json()["message"]) == (400, "The body is no JSON that can be read.")


def test_an_idle_session_ends_and_one_with_work_does_not(tmp_path: Path) -> None:
    now = [1000.0]
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: now[0])
    idle = desk.sessions.open(ALICE, "alice", profile="test", idle_s=60.0)
    busy = desk.sessions.open(BOB, "bob", profile="test", idle_s=60.0)
    task = desk.submit(busy, "kingston", "sampler", PARAMS)
    now[0] += 61.0
    desk.sweep()
    assert desk.ledger.session(id=idle.id).ended_at is not None
    assert desk.ledger.session(id=busy.id).ended_at is None
    now[0] += busy.until
    desk.sweep()
    assert desk.ledger.session(id=busy.id).ended_at is not None
    assert desk.ledger.task(task.id).state == "cancelled"
    assert desk.ledger.files.payload(task.id) == PARAMS
    now[0] += 30 * 86400
    desk.sweep()
    assert not desk.ledger.files.folder(task.id).exists(), "what nobody fetched for a month takes no more room"
    assert desk.ledger.task(task.id) is not None
    desk.ledger.close()


def test_what_was_used_today_counts_against_the_days_limit_also_after_a_restart(tmp_path: Path) -> None:
    limited = {**KNOWN, "test": Profile("test", 1, user_day_s=10.0)}
    now = 1000.0

    def desk() -> Desk:
        return Desk(tmp_path / "ledger", ["kingston"], Policy(profiles=limited), clock=lambda: now)

    first = desk()
    row = first.submit(first.sessions.open(ALICE, "alice", profile="test"), "kingston", "sampler", PARAMS)
    one = first.ledger.begin_slice(row.id, "kingston", row.pieces, now)
    rest = row.pieces  # more is left, so that the task still waits
    first.ledger.finish_slice(one, b"{}", rest=rest, units=1, qpu_s=12.0, snapshot="", now=now)
    first.ledger.close()
    second = desk()
    told = second.state(row.id).wait
    assert told is not None
    assert told.sentence == "The user alice has used 12 s of QPU today; the profile test gives 10 s a day."
    assert second.turns.next_slice("kingston", 0.0) is None
    second.ledger.close()
    now += 86400
    third = desk()
    assert third.turns.next_slice("kingston", 0.0) is not None
    third.ledger.close()


def test_metrics_count_tasks_by_device_profile_and_state(ask: Ask) -> None:
    submit(ask, ALICE, session(ask, ALICE)["id"])
    text = ask(None, "GET", "/metrics").text
    assert 'qhub_broker_tasks{device="kingston",profile="development",state="queued"} 1' in text
    assert 'qhub_broker_device_up{device="kingston"} 1' in text


def test_each_of_several_waiting_tasks_is_told_how_many_of_which_profile_are_before_it(ask: Ask) -> None:
    for profile in ("production", "test", "development", "production"):
        submit(ask, ALICE, session(ask, ALICE, profile=profile)["id"])
    shown = ask(ALICE, "GET", "/v1/tasks").json()["tasks"]
    assert [(t["profile"], t["why"]) for t in shown] == [
        ("production", "It is the next to run."),
        ("production", "1 task is before it: 1 of production."),
        ("test", "2 tasks are before it: 2 of production."),
        ("development", "3 tasks are before it: 2 of production, 1 of test."),
    ]
