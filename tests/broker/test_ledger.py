"""One contract, two ledgers: SQLite on the broker's own disk, and a real PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qhub_ext.broker import database as database_module
from qhub_ext.broker.database import Database, LedgerError, Sqlite
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.ledger import KEPT_S, Ledger
from qhub_ext.broker.limits import Limit
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.postgres import Postgres
from qhub_ext.broker.rows import Session, TaskRow
from qhub_ext.broker.tables import VERSION
from qhub_ext.broker.work import Piece
from qhub_ext.errors import JobFolderError, QhubError, UnknownNameError
from qhub_ext.tiers.windows import Window
from tests.broker.daemons import PostgresServer, postgres_server
from tests.slurm.packages import Unavailable
from tests.small_disk import fill, small_disk

PARAMS = {"pubs": [["OPENQASM 3.0;", None, 100]], "version": 2}
Open = Callable[[], Ledger]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    try:
        with postgres_server() as server:
            yield server
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Database]:
    """Opens the same tables each time."""
    if request.param == "sqlite":
        (tmp_path / "ledger").mkdir()
        return lambda: Sqlite(tmp_path / "ledger" / "broker.sqlite")
    url = request.getfixturevalue("postgres").url()
    return lambda: Postgres(url)


@pytest.fixture
def opened(database: Callable[[], Database], tmp_path: Path) -> Iterator[Open]:
    made: list[Ledger] = []

    def open_ledger() -> Ledger:
        made.append(Ledger(tmp_path / "ledger", database()))
        return made[-1]

    yield open_ledger
    for ledger in made:
        ledger.close()


def session(number: int = 1, **more: object) -> Session:
    fields = {"id": f"s{number}", "uid": 5001, "user": "alice", "account": "physics", "profile": "test", "job": "7", "key": f"key{number}",
              "created_at": 10.5, "seen_at": 10.5, "idle_s": 60.0, "until": 1e9}  # fmt: skip
    return Session(**(fields | more))  # type: ignore[arg-type]


def task(number: int = 1, **more: object) -> TaskRow:
    fields = {"id": f"t{number}", "uid": 5001, "session": "s1", "user": "alice", "account": "physics", "profile": "test", "job": "7",
              "device": "kingston", "program": "sampler", "submitted_at": 1764300000.123456 + number, "deadline_at": None, "started_at": None,
              "ended_at": None, "state": "queued", "pieces": (Piece(0, 100, 3e-4),), "shots": 100, "done": 0, "qpu_s": 0.0, "cause": "",
              "message": "", "advice": "", "digest": "d"}  # fmt: skip
    return TaskRow(**(fields | more))  # type: ignore[arg-type]


def test_what_was_written_is_there_after_the_ledger_was_opened_again(opened: Open) -> None:
    ledger = opened()
    ledger.add_session(session())
    row = task(message='it\'s 100 % "quoted"?', priority=-3)
    ledger.add_task(row, b'{"pubs": []}')
    number = ledger.book.add_window(Window(5.0, 60.0, "FREQ=DAILY", "kingston", "fridge"))
    ledger.book.set_drained("kingston", drained=True, note="fridge", now=3.0)
    ledger.book.set_limit("user", "alice", "user_day_s", None)
    ledger.book.set_limit("profile", "test", "slots", 2)
    ledger.accounts.set_share("alice", 12.5, 100.0)
    held = ledger.book.add_lease("kingston", session(), 1.0, 2.0)
    ledger.book.log("root", "drain", "kingston", 5.0)
    ledger.close()
    again = opened()
    assert again.session(key="key1") == session()
    assert again.session(id="s1") == again.open_sessions()[0]
    assert again.task("t1") == row
    assert again.files.payload("t1") == {"pubs": []}
    assert again.book.windows() == [(number, Window(5.0, 60.0, "FREQ=DAILY", "kingston", "fridge"))]
    assert again.book.drained() == {"kingston": "fridge"}
    assert [Limit(**one) for one in again.book.limits()] == [Limit("profile", "test", "slots", 2.0), Limit("user", "alice", "user_day_s", None)]  # fmt: skip
    assert again.accounts.shares() == {"alice": (12.5, 100.0)}
    assert again.book.open_leases() == [held]
    assert [(a["who"], a["verb"], a["what"]) for a in again.book.audit()] == [("root", "drain", "kingston")]


def test_a_transaction_inside_another_is_part_of_it(opened: Open) -> None:
    ledger = opened()

    def drain(device: str) -> None:
        with ledger.transaction():
            ledger.book.set_drained("kingston", drained=True, note="", now=3.0)
            ledger.book.log("root", "drain", device, 5.0)
            assert ledger.book.drained() == {"kingston": ""}
            if device != "kingston":
                raise UnknownNameError(f"There is no device {device!r}.")

    with pytest.raises(UnknownNameError):
        drain("kingstn")
    assert (ledger.book.drained(), ledger.book.audit()) == ({}, [])
    drain("kingston")
    ledger.close()
    again = opened()
    assert (again.book.drained(), len(again.book.audit())) == ({"kingston": ""}, 1)


def test_a_slice_counts_once_however_often_it_is_said(opened: Open) -> None:
    ledger = opened()
    ledger.add_task(task(), b"{}")
    one = ledger.begin_slice("t1", "kingston", (Piece(0, 40, 3e-4),), 20.0)
    assert (one.number, ledger.task("t1").state) == (1, "running")
    assert ledger.open_slices("kingston") == [one]
    rest = (Piece(0, 60, 3e-4, 40),)
    for _ in range(3):
        ledger.finish_slice(one, b"x", rest=rest, units=40, qpu_s=1.5, snapshot="c1", now=21.0, shares={"alice": 1.5})
    found = ledger.task("t1")
    assert (found.done, found.qpu_s, found.pieces, found.state) == (40, 1.5, rest, "queued")
    assert ledger.files.slice_result(one) == "x"
    assert [tuple(r.values()) for r in ledger.accounts.totals()] == [("kingston", "test", "slice", "", 1, 1.5)]
    assert ledger.begin_slice("t1", "kingston", rest, 22.0).number == 2
    (used,) = ledger.accounts.usage(0.0)
    assert (used["user"], used["qpu_s"], used["slices"], used["tasks"]) == ("alice", 1.5, 1, 1)
    assert ledger.accounts.usage(21.5) == []


def test_a_task_ends_once(opened: Open) -> None:
    ledger = opened()
    for number in (1, 2, 3):
        ledger.add_task(task(number), b"{}")
    assert ledger.end_task("t1", "completed", ended_at=30.0, cause="", message="", advice="")
    assert not ledger.end_task("t1", "cancelled", ended_at=31.0, cause="user", message="late", advice="")
    assert ledger.task("t1").state == "completed"
    assert [row.id for row in ledger.open_tasks()] == ["t2", "t3"]
    assert ledger.count_open(5001) == 2
    assert [row.id for row in ledger.tasks(uid=5001, limit=2)] == ["t3", "t2"]
    assert [row.id for row in ledger.tasks(open_only=True, offset=1)] == ["t2"]
    assert set(ledger.tasks_of(["t1", "t3", "nobodys"])) == {"t1", "t3"}
    assert [tuple(r.values()) for r in ledger.accounts.totals()] == [("kingston", "test", "completed", "", 1, 0.0)]
    assert ledger.accounts.task_times() == [], "none of them ever began"
    ledger.begin_slice(
        "t2", "kingston", (), task(2).submitted_at + 7.0, turn_s=60.0, place_of="alice", preempts="t3", profile="test"
    )
    assert [(row.turn_s, row.place_of, row.preempted_by) for row in map(ledger.task, ("t2", "t3"))] == [(60.0, "alice", ""), (0.0, "", "test")]  # fmt: skip
    ledger.begin_slice("t2", "kingston", (), task(2).submitted_at + 9.0)
    ledger.end_task("t2", "failed", ended_at=task(2).submitted_at + 107.0, cause="", message="", advice="")
    (times,) = ledger.accounts.task_times()
    assert (times["profile"], times["run_count"], times["wait_count"]) == ("test", 1, 1)
    assert [times[f"wait_{n}"] for n in range(9)] == [0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert [times[f"run_{n}"] for n in range(9)] == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert (round(times["wait_sum"]), round(times["run_sum"])) == (7, 100)
    week = ledger.task("t1").kept_until
    assert week == 30.0 + KEPT_S
    assert (ledger.forget_ended(week), ledger.forget_ended(week + 1.0), ledger.forget_ended(week + 1.0)) == (0, 1, 0)
    assert not ledger.files.folder("t1").exists()


def test_a_transaction_is_all_or_nothing(opened: Open) -> None:
    ledger = opened()

    def half() -> None:
        with ledger.transaction() as execute:
            execute("INSERT INTO audit VALUES (?, ?, ?, ?)", 1.0, "me", "half", "")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert ledger.book.audit() == []


def test_threads_that_begin_slices_at_once_get_a_number_each(opened: Open) -> None:
    ledger = opened()
    ledger.add_task(task(), b"{}")
    threads = [threading.Thread(target=lambda: [ledger.begin_slice("t1", "kingston", (), 1.0) for _ in range(20)]) for _ in range(4)]  # fmt: skip
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.number for one in ledger.slices("t1")] == list(range(1, 81))


def test_a_second_broker_on_the_same_ledger_is_refused(
    opened: Open, database: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qhub_ext.broker.postgres.TAKE_OVER_S", 0.2)
    opened()
    with pytest.raises(QhubError, match="Another broker works with"):
        database()


def test_a_ledger_of_a_later_version_is_left_alone(
    opened: Open, database: Callable[[], Database], tmp_path: Path
) -> None:
    ledger = opened()
    with ledger.transaction() as execute:
        ledger._database.set_version(execute, VERSION + 1)
    ledger.close()
    with pytest.raises(JobFolderError, match=f"version {VERSION + 1}; this broker reads {VERSION}"):
        Ledger(tmp_path / "ledger", database())


def test_a_desk_works_on_either_and_goes_on_where_it_was(database: Callable[[], Database], tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"], database=database())
    mine = desk.sessions.open(5001, "alice", profile="test")
    row = desk.submit(mine, "kingston", "sampler", PARAMS, task_id="one")
    assert desk.turns.next_slice("kingston", 0.0)[0].id == row.id
    desk.ledger.close()
    again = Desk(tmp_path / "ledger", ["kingston"], database=database())
    assert again.submit(mine, "kingston", "sampler", PARAMS, task_id="one").id == "one"
    assert [s.state for s in again.state("one").slices] == ["uncertain"], "it was being sent when the broker ended"
    assert again.turns.next_slice("kingston", 0.0)[1].number == 2
    again.ledger.close()


def test_an_early_sqlite_ledger_is_taken_on(tmp_path: Path) -> None:
    from qhub_ext.broker.tables import STEPS

    (tmp_path / "ledger").mkdir()
    early = sqlite3.connect(tmp_path / "ledger" / "broker.sqlite")
    early.executescript(STEPS[0].format(**Sqlite.types) + ";PRAGMA user_version = 1")
    early.execute(
        "INSERT INTO tasks (id, device, profile, state, cause, submitted_at, started_at, ended_at) "
        "VALUES ('t0', 'kingston', 'test', 'failed', 'device', 10.0, 13.0, 113.0)"
    )
    for number, state in enumerate(("done", "done", "failed")):
        early.execute(
            "INSERT INTO slices (task, number, device, state, qpu_s) VALUES ('t0', ?, 'kingston', ?, 2.0)",
            (number, state),
        )
    early.commit()
    early.close()
    ledger = Ledger(tmp_path / "ledger")
    ledger.add_task(task(), b"{}")
    assert ledger.task("t1").priority == 0
    assert ledger.forget_ended(113.0 + KEPT_S + 1.0) == 1, "what had ended before is kept as long as what ends now"
    assert [tuple(row.values()) for row in ledger.accounts.totals()] == [
        ("kingston", "test", "failed", "device", 1, 0.0),
        ("kingston", "test", "slice", "", 2, 4.0),
    ], "what had ended before is counted"
    (times,) = ledger.accounts.task_times()
    assert (times["wait_1"], times["wait_sum"], times["run_3"], times["run_4"], times["run_sum"]) == (
        1,
        3.0,
        0,
        1,
        100.0,
    )
    ledger.close()


def test_a_locked_database_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_S", 0.1)
    desk = Desk(tmp_path / "ledger", ["kingston"])
    mine = desk.sessions.open(5001, "alice", profile="test")
    other = sqlite3.connect(tmp_path / "ledger" / "broker.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerError, match="cannot be used now: database is locked") as told:
        desk.submit(mine, "kingston", "sampler", PARAMS, task_id="one")
    assert told.value.transient
    other.execute("ROLLBACK")
    other.close()
    assert desk.submit(mine, "kingston", "sampler", PARAMS, task_id="one").state == "queued"
    assert desk.turns.next_slice("kingston", 0.0) is not None
    desk.ledger.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_ledger_that_may_only_be_read_says_so_and_goes_on_when_it_may_be_written(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    mine = desk.sessions.open(5001, "alice", profile="test")
    desk.ledger._database._db.execute("PRAGMA query_only = ON")
    with pytest.raises(LedgerError, match=r"readonly database.*Make it writable for the broker's user again"):
        desk.submit(mine, "kingston", "sampler", PARAMS, task_id="one")
    assert desk.queue()[1] == 0
    desk.ledger._database._db.execute("PRAGMA query_only = OFF")
    assert desk.submit(mine, "kingston", "sampler", PARAMS, task_id="one").id == "one"
    desk.ledger.close()


def test_a_ledger_on_a_disk_that_is_mounted_read_only_or_damaged_is_refused_in_words(tmp_path: Path) -> None:
    (folder := tmp_path / "disk").mkdir()
    with small_disk(folder, 4096) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for ledger in (disk, disk / "ledger"):
            with pytest.raises(LedgerError, match=r"Read-only file system.*Make it writable"):
                Ledger(ledger)
    (tmp_path / "broker.sqlite").write_bytes(b"no ledger at all " * 500)
    with pytest.raises(LedgerError, match=r"file is not a database.*last backup"):
        Ledger(tmp_path)


def test_a_full_disk_loses_nothing_and_the_same_verb_goes_through_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "ledger").mkdir()
    with small_disk(tmp_path / "ledger", 1024) as disk:
        desk = Desk(disk, ["kingston"], Policy(slice_s=0.01))
        mine = desk.sessions.open(5001, "alice", profile="test")
        desk.submit(mine, "kingston", "sampler", PARAMS, task_id="first")
        _, one = desk.turns.next_slice("kingston", 0.0)
        fill(disk)
        with pytest.raises(LedgerError):
            desk.turns.finished(one, "x" * 50_000, 0.01, "")
        with pytest.raises(LedgerError, match="cannot be used now"):
            desk.submit(mine, "kingston", "sampler", {**PARAMS, "more": "x" * 50_000}, task_id="second")
        assert desk.ledger.task("second") is None
        (disk / "filler").unlink()
        desk.turns.finished(one, "x" * 50_000, 0.01, "")
        assert desk.ledger.task("first").done == sum(p.units for p in one.pieces)
        assert desk.submit(mine, "kingston", "sampler", {**PARAMS, "more": "x"}, task_id="second").state == "queued"
        desk.ledger.close()


def test_a_database_server_that_goes_away_and_comes_back_is_found_again(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"], database=Postgres(postgres.url()))
    mine = desk.sessions.open(5001, "alice", profile="test")
    postgres.stop("immediate")
    with pytest.raises(LedgerError, match="cannot be used now"):
        desk.submit(mine, "kingston", "sampler", PARAMS, task_id="one")
    postgres.start()
    assert desk.submit(mine, "kingston", "sampler", PARAMS, task_id="one").state == "queued"
    assert desk.ledger.task("one") is not None
    # a standby in its place, which can be read alone until somebody promotes it
    connection = desk.ledger._database._db
    connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(LedgerError, match=r"read-only transaction.*Nothing is lost meanwhile"):
        desk.submit(mine, "kingston", "sampler", PARAMS, task_id="two")
    with pytest.raises(LedgerError, match="read-only transaction"):
        desk.turns.next_slice("kingston", 0.0)
    assert desk.state("one").wait.reason == "next"
    connection.execute("SET default_transaction_read_only = off")
    assert desk.submit(mine, "kingston", "sampler", PARAMS, task_id="two").state == "queued"
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = 'qhub broker'")  # fmt: skip
    assert desk.turns.next_slice("kingston", 0.0)[0].id == "one"
    desk.ledger.close()


def test_no_password_is_in_a_message(tmp_path: Path) -> None:
    with pytest.raises(LedgerError) as told:
        Postgres(f"postgresql://alice:geheim@/none?host={tmp_path}")
    assert "geheim" not in str(told.value)


def test_summaries_are_kept_once_and_counted_alike_in_both(opened: Open) -> None:
    from qhub_ext.broker.summaries import Summaries
    from tests.fleet.test_store import summary

    kept = Summaries(opened(), time.time)
    assert kept.take(5001, "alice", [summary(1), summary(2, state="completed", cause="")]) == (2, [])
    assert kept.take(5001, "alice", [summary(1)])[0] == 0
    assert len(kept.fleet()) == 2
    again = Summaries(kept._ledger, time.time)
    assert (
        again.counted()
        == kept.counted()
        == ({("", "failed", "integration"): 1, ("", "completed", ""): 1}, {("", "integration"): 5.0})
    )
