"""What goes wrong around the broker: clocks that are set, clients that flood or never come back, jobs that end, ids and bodies that are forged."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import httpx
import pytest
from qiskit.primitives import DataBin, PrimitiveResult, PubResult

from qhub_ext import __version__
from qhub_ext.broker import turns
from qhub_ext.broker.app import build
from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.front import Front, result_of
from qhub_ext.broker.ledger import KEPT_S
from qhub_ext.broker.limits import Limit
from qhub_ext.broker.membership import OneUser
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import DEFAULTS, Profile
from qhub_ext.broker.refusals import ConflictError, NotAllowedError
from qhub_ext.broker.rows import Session, TaskRow, packed
from qhub_ext.broker.work import Piece
from qhub_ext.errors import DeviceError, UnknownNameError
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers.qpu.brokered import UnixConnection
from qhub_ext.tiers.qpu.resources import Resource
from qhub_ext.tiers.qpu.wire import tagged
from tests.broker.conftest import Broker, decoded
from tests.broker.house import ALICE, BOB, OPERATOR, PARAMS, Ask, session, submit
from tests.qpu.conftest import VirtualQpu
from tests.small_disk import fill, small_disk
from tests.waiting import wait_until

FLOOD = 10_000
SHORT = json.dumps(tagged(PrimitiveResult([PubResult(DataBin(shape=()))])))
"""The result of a slice of one PUB."""


class Clocks:
    """The wall's, which anybody may set, and the machine's own."""

    def __init__(self) -> None:
        self.wall, self.machine = 1_700_000_000.0, 50.0

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.machine += seconds


@pytest.mark.parametrize("jump", [30 * 86400.0, -30 * 86400.0, 7200.0])
def test_a_clock_that_is_set_ends_no_session_no_lease_and_no_task(tmp_path: Path, jump: float) -> None:
    clocks = Clocks()
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: clocks.wall, steady=lambda: clocks.machine)
    mine = desk.sessions.open(ALICE, "alice", profile="production")
    task = desk.submit(mine, "kingston", "sampler", PARAMS)
    desk.take_lease("kingston", mine, 600.0)
    clocks.go_on(60.0)
    clocks.wall += jump
    desk.sweep()
    assert desk.ledger.session(id=mine.id).ended_at is None
    assert desk.ledger.task(task.id).state == "queued"
    assert desk.turns.facts("kingston").lease.until - desk.clock() == pytest.approx(540.0)
    assert [row["what"].partition(";")[0] for row in desk.ledger.book.audit() if row["verb"] == "clock"] == [
        f"It was set by {jump:+.0f} s"
    ]
    assert desk.turns.next_slice("kingston", 0.0)[0].id == task.id
    clocks.go_on(8 * 86400.0)
    desk.sweep()
    assert desk.ledger.session(id=mine.id).ended_at is not None, "its time is over by the machine's own clock"
    desk.ledger.close()


@pytest.mark.parametrize("jump", [30 * 86400.0, -30 * 86400.0])
def test_a_result_is_kept_for_its_week_whatever_the_clock_is_set_to(tmp_path: Path, jump: float) -> None:
    clocks = Clocks()
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: clocks.wall, steady=lambda: clocks.machine)
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    row = desk.submit(mine, "kingston", "sampler", PARAMS)
    desk.cancel(row.id)
    clocks.go_on(KEPT_S - 60.0)
    clocks.wall += jump
    desk.sweep()
    assert desk.ledger.files.folder(row.id).exists()
    clocks.go_on(120.0)
    desk.sweep()
    assert not desk.ledger.files.folder(row.id).exists()
    desk.ledger.close()


def test_a_clock_that_was_in_another_day_for_a_while_gives_nobody_the_days_limit_again(tmp_path: Path) -> None:
    clocks = Clocks()
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: clocks.wall, steady=lambda: clocks.machine)
    desk.orders.set_limit(Limit("user", "alice", "user_day_s", 50.0), "root")
    mine = desk.sessions.open(ALICE, "alice", profile="test", account="physics")
    for seconds in (30.0, 30.0):
        desk.submit(mine, "kingston", "sampler", PARAMS)
        desk.turns.finished(desk.turns.next_slice("kingston", 0.0)[1], "{}", seconds, "")
    waits = desk.submit(mine, "kingston", "sampler", PARAMS)
    clocks.wall += 86400.0
    desk.sweep()
    assert desk.turns.facts("kingston").state(clocks.wall) == "available"
    assert desk.state(waits.id).wait.reason != "user_day", "it is another day"
    clocks.wall -= 86400.0
    desk.sweep()
    desk.sweep()
    assert desk.turns.next_slice("kingston", 0.0) is None
    assert (
        desk.state(waits.id).wait.sentence
        == "The user alice has used 60 s of QPU today; an operator gave it 50 s a day."
    )
    desk.ledger.close()


def test_a_session_asked_for_again_is_the_same_also_with_odd_deadlines_and_after_the_clock_was_set(
    tmp_path: Path,
) -> None:
    clocks = Clocks()
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: clocks.wall, steady=lambda: clocks.machine)

    def asked(**more: Any) -> Session:
        return desk.sessions.open(ALICE, "alice", profile="test", job="7", **more)

    mine = asked(life_s=1000.1, idle_s=99.9)
    clocks.wall += 86400.0
    desk.sweep()
    assert asked(life_s=1000.1, idle_s=99.9).id == asked().id == mine.id
    for other in ({"life_s": 900.0}, {"idle_s": 60.0}):
        with pytest.raises(ConflictError, match="other deadlines"):
            asked(**other)
    assert asked(on_calibration_change="restart").on_calibration_change == "restart"
    assert asked().on_calibration_change == "restart", "a cell of the same job that says nothing takes nothing back"
    assert desk.ledger.session(id=mine.id).on_calibration_change == "restart"
    desk.ledger.close()


def test_any_call_keeps_a_session_and_silence_ends_it(tmp_path: Path) -> None:
    now = [1000.0]
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: now[0], session_idle_s=100.0)
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    for _ in range(5):
        now[0] += 90.0
        desk.sessions.seen(desk.ledger.session(id=mine.id))
        desk.sweep()
    assert desk.ledger.session(id=mine.id).ended_at is None
    now[0] += 101.0
    desk.sweep()
    assert desk.ledger.session(id=mine.id).ended_at is not None
    desk.ledger.close()


def test_sessions_may_ask_for_shorter_deadlines_and_not_for_longer_ones(ask: Ask, desk: Desk) -> None:
    body = {"profile": "test", "idle_s": 5.0, "life_s": 1e8}
    mine = ask(ALICE, "POST", "/v1/sessions", json=body).json()
    assert mine["idle_s"] == 5.0
    assert mine["until"] - time.time() == pytest.approx(desk.sessions.life_s, abs=60)
    assert ask(ALICE, "POST", "/v1/sessions", json={**body, "life_s": 60}).status_code == 409


def test_a_job_that_ends_takes_its_waiting_tasks_along_and_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    ended, alive = (desk.sessions.open(ALICE, "alice", profile="test", job=job) for job in ("7", "8"))
    gone, stays = (desk.submit(one, "kingston", "sampler", PARAMS).id for one in (ended, alive))
    asked: list[Any] = []
    desk.sweep(lambda jobs: asked.append(sorted(jobs)) or {"7"})  # type: ignore[func-returns-value]
    assert asked == [[(ALICE, "7"), (ALICE, "8")]]
    assert (desk.ledger.task(gone).state, desk.ledger.task(gone).message) == ("cancelled", "Its job 7 has ended.")
    assert desk.ledger.task(stays).state == "queued"
    desk.ledger.close()


def test_results_that_nobody_fetches_are_kept_for_a_week_and_then_take_no_room(tmp_path: Path) -> None:
    now = [1000.0]
    desk = Desk(tmp_path / "ledger", ["kingston"], clock=lambda: now[0])
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    for _ in range(20):
        desk.submit(mine, "kingston", "sampler", PARAMS)
    while (found := desk.turns.next_slice("kingston", 0.0)) is not None:
        assert desk.turns.finished(found[1], SHORT, 0.1, "")
        desk.turns.complete(found[0].id)
    assert {row.state for row in desk.ledger.tasks()} == {"completed"}
    assert not desk.standing.counts()
    now[0] += KEPT_S - 1
    desk.sweep()
    assert len(list((tmp_path / "ledger" / "tasks").iterdir())) == 20
    now[0] += 2
    desk.sweep()
    assert list((tmp_path / "ledger" / "tasks").iterdir()) == []
    assert len(desk.ledger.tasks()) == 20, "the accounts stay"
    desk.ledger.close()


def test_a_flood_of_ten_thousand_tasks_leaves_others_their_share_and_their_answers(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"], Policy(slice_s=0.01))
    flooding = desk.sessions.open(ALICE, "alice", profile="development")
    row = TaskRow("", ALICE, flooding.id, "alice", "", "development", "", "kingston", "sampler", 1.0, None, None, None, "queued",
                  (Piece(0, 100, 3e-4),), 100, 0, 0.0, "", "", "", "")  # fmt: skip
    with desk.ledger.transaction() as execute:
        for number in range(FLOOD):
            record = packed(row) | {"id": f"flood-{number:05d}", "submitted_at": time.time() - 60.0 + number / 1e3}
            desk.ledger._insert_into(execute, "tasks", record)
            if number < 20:
                desk.ledger.files.folder(record["id"]).mkdir(parents=True)
    desk.ledger.close()
    again = Desk(tmp_path / "ledger", ["kingston"], Policy(slice_s=0.01))
    his = again.sessions.open(BOB, "bob", profile="development")
    mine = [again.submit(his, "kingston", "sampler", PARAMS).id for _ in range(10)]
    order = []
    for _ in range(20):
        found, one = again.turns.next_slice("kingston", 0.0)
        order.append(found.user)
        if again.turns.finished(one, SHORT, 0.01, ""):
            again.turns.complete(found.id)
    assert 8 <= order.count("bob") <= 12, "ten thousand tasks get as much of the device as ten"
    told = again.state(mine[-1]).wait
    assert told is not None
    assert "before it" in told.sentence
    begin = time.monotonic()
    for _ in range(20):
        again.queue("bob", 50)
        again.state(mine[-1])
    assert time.monotonic() - begin < 20.0, "where one stands is not counted anew for every question"
    (shown, total) = again.queue(limit=50, offset=100)
    assert len(shown) == 50
    assert FLOOD - 20 < total <= FLOOD + 10
    again.ledger.close()


def test_a_flood_through_the_socket_leaves_another_user_his_share(
    new_broker: Callable[..., Broker], bell_qasm: str
) -> None:
    """A tenth of it here, all of the ten thousand with QHUB_CHAOS=full."""
    broker = new_broker()
    broker.ask("POST", "/v1/devices/kingston/drain", {"note": ""})
    hers = broker.session()["id"]
    flood = FLOOD if os.environ.get("QHUB_CHAOS") == "full" else FLOOD // 10
    params = {"pubs": [[bell_qasm, None, 10]], "version": 2, "support_qiskit": True, "options": {}}
    body = json.dumps({"session": hers, "device": "kingston", "program": "sampler", "params": params})

    def pour(count: int) -> set[int]:
        connection, codes = UnixConnection(broker.socket, 120), set()
        for _ in range(count):
            connection.request("POST", "/v1/tasks", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            codes.add(answer.status)
        connection.close()
        return codes

    begin = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(pour, [flood // 4] * 4)) == {201}
    print(f"{flood} tasks in {time.monotonic() - begin:.1f} s")
    token = broker.ask("POST", "/v1/tokens", {"user": "nobody"})["token"]
    with httpx.Client(base_url=broker.url, trust_env=False,
                      headers={"authorization": f"Bearer {token}"}, timeout=120) as his:  # fmt: skip
        session = his.post("/v1/sessions", json={}).json()["id"]
        mine = [his.post("/v1/tasks", json={**json.loads(body), "session": session}).json()["id"] for _ in range(5)]
        assert len(set(mine)) == 5
        broker.ask("POST", "/v1/devices/kingston/resume")
        for one in mine:
            wait_until(lambda one=one: his.get(f"/v1/tasks/{one}?wait=20").json()["ended_at"], within_s=120, what="his task")  # fmt: skip
    order = _users_of_ended_tasks(broker)
    last = len(order) - order[::-1].index("nobody")
    assert order.count("nobody") == 5
    assert last - 5 <= 7, f"the flood had its turns, and no more: {order[:last]}"


def _users_of_ended_tasks(broker: Broker) -> list[str]:
    """In the order of their ends, read beside the broker, which goes on meanwhile."""
    with closing(sqlite3.connect(f"file:{broker.directory}/ledger/broker.sqlite?mode=ro", uri=True, timeout=60)) as db:
        rows = db.execute('SELECT "user" FROM tasks WHERE ended_at IS NOT NULL ORDER BY ended_at').fetchall()
    return [user for (user,) in rows]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_broker_whose_disk_is_full_says_so_loses_nothing_and_goes_on_when_there_is_room(
    server: VirtualQpu, tmp_path: Path, bell_qasm: str
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 4096) as disk:
        broker = Broker(disk / "broker", server)
        broker.start()
        try:
            server.fault("paused")
            session = broker.session()
            first = broker.submit(session, bell_qasm, 300)
            wait_until(lambda: any(s["vendor"] for s in broker.task(first)["slices"]), what="the slice")
            fill(disk)
            with pytest.raises(DeviceError, match=r"cannot be used now.*Make room on that disk") as told:
                broker.submit(session, bell_qasm + "//" + "x" * 200_000, 10)
            assert told.value.cause == "integration"
            server.admin("DELETE")
            assert broker.task(first, 2.0)["ended_at"] is None or broker.task(first)["state"] == "completed"
            (disk / "filler").unlink()
            assert broker.until_ended(first)["state"] == "completed"
            assert decoded(broker, first)[0].data.meas.num_shots == 300
            assert broker.until_ended(broker.submit(session, bell_qasm, 40))["state"] == "completed"
            assert broker.ask("GET", "/v1/tasks")["total"] == 0, "what was refused is not there"
        finally:
            server.admin("DELETE")
            broker.stop()


def test_a_profile_may_bound_what_one_user_has_waiting(ask: Ask) -> None:
    mine = session(ask, ALICE)["id"]
    codes = [submit(ask, ALICE, mine).status_code for _ in range(5)]
    assert codes == [201, 201, 201, 403, 403]


@pytest.mark.parametrize(
    "forged", ["../../../etc/passwd", "..", "%00", "b\0x", "task'; DROP TABLE tasks; --", "x" * 5000, "🦆"]
)
def test_a_forged_id_finds_nothing(ask: Ask, forged: str) -> None:
    name = quote(forged, safe="")
    for method, path in (
        ("GET", f"/v1/tasks/{name}"), ("GET", f"/v1/tasks/{name}/result"), ("POST", f"/v1/tasks/{name}/cancel"), ("DELETE", f"/v1/sessions/{name}"),
        ("GET", f"/api/v1/jobs/{name}"), ("GET", f"/api/v1/jobs/{name}/results"), ("POST", f"/v1/devices/{name}/drain"), ("DELETE", f"/v1/devices/{name}/lease"),
    ):  # fmt: skip
        answer = ask(OPERATOR, method, path, json={} if method == "POST" else None)
        assert answer.status_code in (404, 405, 400), (path, answer.text)
    assert ask(ALICE, "POST", "/v1/sessions", json={"job": "a\0b"}).status_code == 422
    assert submit(ask, ALICE, forged).status_code in (404, 422)


def test_jobs_of_others_are_refused_by_the_site_and_a_session_is_not_joined_by_its_job(ask: Ask) -> None:
    hers, his = session(ask, ALICE, job="7"), session(ask, BOB, job="7")
    assert hers["id"] != his["id"]
    assert hers["key"] != his["key"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b'{"params": ' + b"[" * 100_000, b"\xff\xfe", b'{"session": 1e999}', b'{"id": "\xed\xa0\x80"}', b'{"device": "\\ud800"}',
        b'{"session": "x", "device": "kingston", "program": "sampler", "params": {"pubs": [[NaN]]}}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/sessions", "/v1/windows"])
def test_a_broken_body_is_refused_in_words(ask: Ask, path: str, body: bytes) -> None:
    answer = ask(OPERATOR, "POST", path, content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text


def test_a_huge_body_is_not_read_and_what_is_no_http_harms_nobody(
    new_broker: Callable[..., Broker], bell_qasm: str
) -> None:
    broker = new_broker()

    def raw(content: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(60)
            line.connect(str(broker.socket))
            line.sendall(content)
            return line.recv(200)

    head = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    assert b" 413 " in raw(head + b"Content-Length: 70000000000\r\n\r\n{")
    assert b" 411 " in raw(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}   \r\n")
    assert b" 400 " in raw(head + b"Content-Length: -5\r\n\r\n")
    assert b" 400 " in raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n" * 10)
    session = broker.session()
    large = broker.submit(session, bell_qasm + "// " + "x" * 3_000_000, 10)
    assert broker.until_ended(large)["state"] in ("completed", "failed"), "three megabytes are taken"
    assert broker.until_ended(broker.submit(session, bell_qasm, 50))["state"] == "completed"


def test_a_task_whose_payload_is_gone_fails_alone_and_the_device_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    task = desk.submit(mine, "kingston", "sampler", PARAMS)
    (desk.ledger.files.folder(task.id) / "payload.json").unlink()
    thread = DeviceThread(desk, Resource("kingston", "t", "s", "kingston", {}), QpuSettings())
    found, one = desk.turns.next_slice("kingston", 0.0)
    thread._send(one, found)
    row = desk.ledger.task(task.id)
    assert (row.state, row.cause) == ("failed", "integration")
    assert "payload" in row.message
    desk.ledger.close()


def test_a_task_of_whose_results_one_is_gone_fails_alone_also_when_the_broker_begins_anew(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    row = desk.submit(mine, "kingston", "sampler", PARAMS)
    found = desk.turns.next_slice("kingston", 0.0)
    assert desk.turns.finished(found[1], SHORT, 0.1, "")
    (desk.ledger.files.folder(row.id) / "slice-1.json").unlink()
    desk.ledger.close()
    again = Desk(tmp_path / "ledger", ["kingston"])
    ended = again.ledger.task(row.id)
    assert (ended.state, ended.cause) == ("failed", "integration")
    assert "cannot be read any more" in ended.message
    again.ledger.close()


def test_a_task_that_is_cancelled_while_its_slices_are_put_together_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    desk = Desk(tmp_path / "ledger", ["kingston"])
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    row = desk.submit(mine, "kingston", "sampler", PARAMS)
    found = desk.turns.next_slice("kingston", 0.0)
    assert desk.turns.finished(found[1], SHORT, 0.1, "")
    merging, cancelled, merge = threading.Event(), threading.Event(), turns.merge

    def slowly(*given: Any) -> str:
        merging.set()
        assert cancelled.wait(60.0), "the desk answers meanwhile"
        return merge(*given)

    monkeypatch.setattr(turns, "merge", slowly)
    thread = threading.Thread(target=desk.turns.complete, args=(row.id,))
    thread.start()
    assert merging.wait(60.0)
    desk.cancel(row.id)
    cancelled.set()
    thread.join(60.0)
    assert desk.ledger.task(row.id).state == "cancelled"
    assert result_of(desk, desk.ledger.task(row.id)).status_code == 404
    assert [(r["state"], r["n"]) for r in desk.ledger.accounts.totals() if r["state"] != "slice"] == [("cancelled", 1)]
    desk.ledger.close()


@pytest.mark.parametrize("end", ["complete", "cancel"])
def test_a_task_whose_end_was_written_down_and_the_answer_lost_waits_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    row = desk.submit(desk.sessions.open(ALICE, "alice", profile="test"), "kingston", "sampler", PARAMS)
    _, one = desk.turns.next_slice("kingston", 0.0)
    desk.turns.finished(one, SHORT, 0.1, "")
    verb = {"complete": desk.turns.complete, "cancel": desk.cancel}[end]
    transaction, open_now = desk.ledger.transaction, []

    @contextmanager
    def and_lost() -> Iterator[Any]:
        open_now.append(1)
        with transaction() as execute:
            yield execute
        if len(open_now) == 1:
            raise LedgerError("The server went away.")
        open_now.pop()

    with monkeypatch.context() as server:
        server.setattr(desk.ledger, "transaction", and_lost)
        with pytest.raises(LedgerError):
            verb(row.id)
    assert desk.is_open(row.id)
    with suppress(ConflictError):
        verb(row.id)
    assert not desk.is_open(row.id)
    assert desk.ledger.task(row.id).ended
    desk.ledger.close()


def test_a_profile_that_the_site_has_no_more_leaves_its_tasks_and_sessions_with_the_lowest(tmp_path: Path) -> None:
    gold = {p.name: p for p in DEFAULTS} | {"gold": Profile("gold", 5, lease_s=60.0)}
    first = Desk(tmp_path / "ledger", ["kingston"], Policy(gold))
    mine = first.sessions.open(ALICE, "alice", profile="gold", job="7")
    before = first.submit(mine, "kingston", "sampler", PARAMS).id
    first.ledger.close()
    desk = Desk(tmp_path / "ledger", ["kingston"])
    after = desk.submit(desk.ledger.session(id=mine.id), "kingston", "sampler", PARAMS).id
    theirs = desk.submit(desk.sessions.open(BOB, "bob", profile="test"), "kingston", "sampler", PARAMS).id
    assert desk.state(before).wait.sentence == (
        "The site has no profile gold any more, so that it counts as development. 1 task is before it: 1 of test."
    )
    assert desk.forecasts.of(before) is None, "nothing ran here yet"
    with pytest.raises(NotAllowedError, match="the profile development gives: none"):
        desk.take_lease("kingston", desk.ledger.session(id=mine.id), 10.0)
    with pytest.raises(UnknownNameError, match="no profile 'gold'"):
        desk.sessions.open(BOB, "bob", profile="gold")
    ran = []
    while (found := desk.turns.next_slice("kingston", 0.0)) is not None:
        assert desk.turns.finished(found[1], SHORT, 0.1, "")
        desk.turns.complete(found[0].id)
        ran.append(found[0].id)
    assert ran == [theirs, *sorted((before, after), key=ran.index)]
    assert {desk.ledger.task(one).state for one in (before, after)} == {"completed"}
    desk.ledger.close()


def test_a_device_that_the_broker_serves_no_more_keeps_its_tasks_which_say_so_and_can_be_cancelled(
    tmp_path: Path,
) -> None:
    first = Desk(tmp_path / "ledger", ["kingston", "fez"])
    mine = first.sessions.open(ALICE, "alice", profile="test")
    stays, goes = (first.submit(mine, "fez", "sampler", PARAMS).id for _ in range(2))
    first.turns.next_slice("fez", 0.0)
    first.ledger.close()
    desk = Desk(tmp_path / "ledger", ["kingston"])
    assert desk.state(stays).wait.sentence.startswith("This broker does not serve fez any more")
    assert [row.id for _, row, _ in desk.queue()[0]] == [stays, goes]
    desk.cancel(goes)
    desk.ledger.close()
    again = Desk(tmp_path / "ledger", ["kingston", "fez"])
    assert again.turns.next_slice("fez", 0.0)[0].id == stays
    again.ledger.close()


def test_however_many_wait_for_their_tasks_everybody_else_is_answered(desk: Desk) -> None:
    """Threads that answer are forty: who waits takes none."""
    app = build(desk, {}, url=lambda: "", membership=OneUser(desk.policy.profiles), operators=frozenset())
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    row = desk.submit(mine, "kingston", "sampler", PARAMS)
    ended: list[str] = []

    async def go() -> None:
        transport = httpx.ASGITransport(app=app, client=(f"uid:{ALICE}", 9))
        async with httpx.AsyncClient(transport=transport, base_url="http://broker", timeout=60.0) as session:

            async def wait() -> None:
                ended.append((await session.get(f"/v1/tasks/{row.id}?wait=60")).json()["state"])

            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(wait)
                with anyio.fail_after(50.0):
                    while len(desk.changed._bells) < 100:
                        await anyio.sleep(0.01)
                    assert (await session.get("/v1/status")).status_code == 200
                    assert not ended
                    assert (await session.post(f"/v1/tasks/{row.id}/cancel")).status_code == 200

    anyio.run(go)
    assert ended == ["cancelled"] * 100, "told as it ends, and not when their time is over"
    assert not desk.changed._bells


def test_what_a_device_answers_while_the_broker_closes_is_written_down_still(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    desk.submit(mine, "kingston", "sampler", PARAMS)
    thread = DeviceThread(desk, Resource("kingston", "t", "s", "kingston", {}), QpuSettings())
    _, one = desk.turns.next_slice("kingston", 0.0)
    desk.close()
    thread._surely(lambda: desk.turns.sent(one, "v1"))
    assert [(s.state, s.vendor) for s in desk.ledger.open_slices("kingston")] == [("sent", "v1")]
    desk.ledger.close()
    assert thread._surely(lambda: desk.turns.sent(one, "v2")) is None, "and where that cannot be, nobody waits for it"


def test_every_profile_that_there_is_by_default_can_be_used(ask: Ask) -> None:
    for profile in DEFAULTS:
        assert submit(ask, ALICE, session(ask, ALICE, profile=profile.name)["id"]).status_code == 201


def test_one_task_that_the_device_refuses_again_and_again_does_not_keep_it_from_all_others(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    poison, other = (desk.submit(mine, "kingston", "sampler", PARAMS).id for _ in range(2))
    for _ in range(4):
        desk.turns.up("kingston")
        found, one = desk.turns.next_slice("kingston", 0.0)
        assert found.id == poison
        desk.turns.setbacks.refused(one, DeviceError("413: too large"))
    assert (desk.ledger.task(poison).state, desk.ledger.task(poison).message) == ("failed", "413: too large")
    assert desk.turns.next_slice("kingston", 0.0)[0].id == other
    desk.ledger.close()


def test_a_wish_is_settled_at_the_broker_among_the_devices_that_it_has(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston", "fez", "athens"])
    front = Front(desk, {}, lambda: "", OneUser(desk.policy.profiles), frozenset())
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    assert front.device("qubits<10") == "athens"
    first = front.device("qubits>=100, least busy")
    desk.submit(mine, first, "sampler", PARAMS)
    second = front.device("qubits>=100, 2q<3e-2, least busy")
    assert {first, second} == {"kingston", "fez"}, "the one that nothing waits at"
    desk.turns.down(second, "gone")
    assert front.choice("qubits>=100, least busy")["why"].endswith(
        "1 task waiting), the best of 1 that fit 'qubits>=100, least busy'"
    )
    with pytest.raises(UnknownNameError, match="No device fits 'qubits>=1000'"):
        front.device("qubits>=1000")
    desk.ledger.close()


def test_a_task_may_be_submitted_with_a_wish(ask: Ask) -> None:
    mine = session(ask, ALICE)["id"]
    assert submit(ask, ALICE, mine, device="qubits>=100, 2q<3e-3, least busy").json()["device"] == "kingston"
    assert submit(ask, ALICE, mine, device="qubits<3").status_code == 404
    found = ask(ALICE, "GET", "/v1/choice", params={"wish": "least busy"}).json()
    assert found["device"] == "kingston"
    assert "1 task waiting" in found["why"]


def test_health_says_what_is_wrong_and_metrics_are_complete(ask: Ask, desk: Desk) -> None:
    assert ask(None, "GET", "/health").json() == {
        "ok": True,
        "troubles": [],
        "version": __version__,
        "devices": {"kingston": "available"},
    }
    submit(ask, ALICE, session(ask, ALICE)["id"])
    desk.orders.drain("kingston", "root", drained=True)
    text = ask(None, "GET", "/metrics").text
    for line in (
        'qhub_broker_device_state{device="kingston",state="draining"} 1', "qhub_broker_sessions 1", 'qhub_broker_lease_seconds{device="kingston"} 0',
    ):  # fmt: skip
        assert line in text.splitlines()
    assert 'qhub_broker_oldest_task_seconds{profile="development"}' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) == 17
    desk.ledger.close()
    told = ask(None, "GET", "/health")
    assert told.status_code == 503
    assert told.json()["ok"] is False
