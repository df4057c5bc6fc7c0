"""A device that is calibrated between the slices of a task: nothing, a word, or once more what ran before. No shot is lost or counted twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.rows import SliceRow
from qhub_ext.broker.told import described
from qhub_ext.tiers.qpu.wire import untagged
from tests.broker.house import ALICE, PARAMS, Ask, session, submit
from tests.broker.test_slices import result_of

SHOTS = 100
Reopen = Callable[[], Desk]


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Reopen]:
    made: list[Desk] = []

    def again() -> Desk:
        for desk in made:
            desk.ledger.close()
        made.append(Desk(tmp_path / "ledger", ["kingston"], Policy(slice_s=0.01), ahead={"kingston": 2}))
        return made[-1]

    yield again
    made[-1].ledger.close()


def begun(desk: Desk, mode: str) -> str:
    mine = desk.sessions.open(ALICE, "alice", profile="test")
    return desk.submit(mine, "kingston", "sampler", PARAMS, on_calibration_change=mode).id


def finish(desk: Desk, one: SliceRow, snapshot: str) -> None:
    if desk.turns.finished(one, result_of(sum(p.units for p in one.pieces)), 0.01, snapshot):
        desk.turns.complete(one.task)


def give(desk: Desk) -> SliceRow | None:
    found = desk.turns.next_slice("kingston", 0.0)
    if found is None:
        return None
    desk.turns.sent(found[1], f"v{found[1].number}")
    return found[1]


def run(desk: Desk, snapshots: Iterator[str], most: int = 50) -> None:
    for _ in range(most):
        one = give(desk)
        if one is None:
            return
        finish(desk, one, next(snapshots))
    raise AssertionError("it never ends")


def counted(desk: Desk, task: str) -> tuple[int, set[str], int]:
    """Shots of its result, calibrations of the slices that count, and how many were done again."""
    slices = desk.ledger.slices(task)
    (part,) = untagged(json.loads(desk.ledger.files.result(task) or b""))
    row = desk.ledger.task(task)
    assert (row.state, row.done, row.shots) == ("completed", SHOTS, SHOTS)
    assert sum(p.units for s in slices if s.counts for p in s.pieces) == SHOTS
    return part.data.c.num_shots, {s.snapshot for s in slices if s.counts}, sum(s.stale for s in slices)


def calibrated_after(count: int) -> Iterator[str]:
    return itertools.chain(["c1"] * count, itertools.repeat("c2"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_ran_before_the_calibration_runs_once_more(reopen: Reopen, count: int) -> None:
    desk = reopen()
    task = begun(desk, "restart")
    run(desk, calibrated_after(count))
    assert counted(desk, task) == (SHOTS, {"c2"}, count)
    used = desk.ledger.accounts.usage(0.0)[0]["qpu_s"]
    assert used == pytest.approx(0.01 * len(desk.ledger.slices(task))), "what ran twice was used twice"


@pytest.mark.parametrize("mode", ["flag", "accept"])
def test_without_a_wish_for_it_nothing_runs_again_and_it_is_said_or_not(reopen: Reopen, mode: str) -> None:
    desk = reopen()
    task = begun(desk, mode)
    run(desk, calibrated_after(2))
    assert counted(desk, task) == (SHOTS, {"c1", "c2"}, 0)
    said = described(desk, desk.state(task))["doubt"]
    assert said == ("kingston was calibrated while it ran: its slices ran under 2 calibrations." if mode == "flag" else "")  # fmt: skip


def test_a_device_that_is_calibrated_all_the_time_costs_one_restart(reopen: Reopen) -> None:
    desk = reopen()
    task = begun(desk, "restart")
    run(desk, (f"c{n}" for n in itertools.count()))
    shots, calibrations, again = counted(desk, task)
    assert (shots, again) == (SHOTS, 1)
    assert len(calibrations) > 2
    assert "calibrations" in described(desk, desk.state(task))["doubt"]


@pytest.mark.parametrize("killed_after", range(1, 7))
def test_a_broker_that_is_killed_meanwhile_loses_no_shot_and_restarts_once(reopen: Reopen, killed_after: int) -> None:
    desk, snapshots = reopen(), calibrated_after(2)
    task = begun(desk, "restart")
    for _ in range(killed_after):
        one = give(desk)
        if one is not None:
            finish(desk, one, next(snapshots))
    desk = reopen()
    run(desk, snapshots)
    assert counted(desk, task) == (SHOTS, {"c2"}, 2)


def test_an_answer_of_the_ledger_that_was_lost_changes_nothing(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = reopen()
    task = begun(desk, "restart")
    finish(desk, give(desk), "c1")
    one = give(desk)
    write = desk.ledger.finish_slice

    def lost(*words, **more):
        write(*words, **more)
        raise LedgerError("the connection broke after the commit")

    monkeypatch.setattr(desk.ledger, "finish_slice", lost)
    with pytest.raises(LedgerError):
        finish(desk, one, "c2")
    monkeypatch.undo()
    finish(desk, one, "c2")
    run(desk, itertools.repeat("c2"))
    assert counted(desk, task) == (SHOTS, {"c2"}, 1)


def test_of_two_slices_at_the_device_the_one_that_was_sent_first_is_done_again(reopen: Reopen) -> None:
    desk = reopen()
    task = begun(desk, "restart")
    first, second = give(desk), give(desk)
    finish(desk, second, "c2")
    finish(desk, first, "c1")
    assert [(s.number, s.stale) for s in desk.ledger.slices(task)] == [(1, 1), (2, 0)]
    run(desk, itertools.repeat("c2"))
    assert counted(desk, task) == (SHOTS, {"c2"}, 1)


def test_a_task_says_what_it_wants_before_its_session_and_that_before_the_broker(ask: Ask) -> None:
    plain, wanting = session(ask, ALICE)["id"], session(ask, ALICE, job="7", on_calibration_change="restart")["id"]
    assert submit(ask, ALICE, plain).json()["on_calibration_change"] == "flag"
    assert submit(ask, ALICE, wanting).json()["on_calibration_change"] == "restart"
    assert submit(ask, ALICE, wanting, on_calibration_change="accept").json()["on_calibration_change"] == "accept"
    assert submit(ask, ALICE, wanting, on_calibration_change="never").status_code == 422
