"""More than one slice at the device at a time: it does not stand still between two, and whose turn it is stays the policy's."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.device_facts import DeviceFacts
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import DEFAULTS, Profile
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.work import Piece, joined, minus, without
from qhub_ext.errors import DeviceError
from qhub_ext.tiers.windows import Window
from tests.broker.conftest import Broker
from tests.broker.house import ALICE, BOB
from tests.broker.test_broker import SHORT

SHOT_S = 3e-4
"""What a shot is guessed to take."""


def params(shots: int) -> dict[str, Any]:
    return {"pubs": [["OPENQASM 3.0;", None, shots]]}


class Bench:
    """A desk before one device that takes `ahead` slices of 100 shots, on a clock that the test holds."""

    def __init__(self, folder: Path, ahead: int, profiles: dict[str, Profile] | None = None) -> None:
        self.now, self.folder, self.ahead = 1000.0, folder, ahead
        self.profiles = profiles or {p.name: p for p in DEFAULTS}
        self.desk = self.opened()
        self.alice = self.desk.sessions.open(ALICE, "alice", profile="development")
        self.bob = self.desk.sessions.open(BOB, "bob", profile="production")

    def opened(self) -> Desk:
        policy = Policy(slice_s=100 * SHOT_S, profiles=self.profiles)
        return Desk(self.folder, ["kingston"], policy, clock=lambda: self.now, ahead={"kingston": self.ahead})

    def give(self) -> Any:
        found = self.desk.turns.next_slice("kingston", 0.0)
        return None if found is None else found[1]

    def end(self, one: Any, qpu_s: float | None = None) -> bool:
        self.now += 100 * SHOT_S
        return self.desk.turns.finished(one, "{}", qpu_s, "")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(ahead: int, **more: Any) -> Bench:
        made.append(Bench(tmp_path / f"ledger{len(made)}", ahead, **more))
        return made[-1]

    yield make
    for one in made:
        one.desk.ledger.close()


def test_at_most_so_many_slices_are_at_the_device_and_the_next_is_there_when_one_ends(
    bench: Callable[..., Bench],
) -> None:
    place = bench(2)
    task = place.desk.submit(place.alice, "kingston", "sampler", params(350)).id
    first, second = place.give(), place.give()
    assert [one.pieces for one in (first, second)] == [(Piece(0, 100, SHOT_S, at),) for at in (0, 100)]
    assert place.give() is None, "two are there"
    assert not place.end(first)
    third = place.give()
    assert third.pieces == (Piece(0, 100, SHOT_S, 200),)
    assert not place.end(third), "whichever ends first"
    last = place.give()
    assert last.pieces == (Piece(0, 50, SHOT_S, 300),)
    assert not place.end(second)
    assert place.desk.ledger.task(task).state == "running"
    assert place.end(last)


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_a_more_urgent_task_waits_for_what_is_at_the_device_already_and_for_nothing_else(
    bench: Callable[..., Bench], ahead: int
) -> None:
    place = bench(ahead)
    long = place.desk.submit(place.alice, "kingston", "sampler", params(10_000)).id
    there = [place.give() for _ in range(ahead)]
    urgent = place.desk.submit(place.bob, "kingston", "sampler", params(100)).id
    assert place.give() is None
    place.end(there[0])
    next_one = place.give()
    assert next_one.task == urgent, f"behind {ahead} slices at most: the one that ended, and {ahead - 1} that are there"
    for one in (*there[1:], next_one):
        place.end(one)
    assert place.give().task == long


def test_a_lease_begins_behind_what_is_at_the_device_and_then_lets_nobody_else_there(
    bench: Callable[..., Bench],
) -> None:
    place = bench(2)
    place.desk.submit(place.alice, "kingston", "sampler", params(1000))
    there = [place.give(), place.give()]
    place.desk.take_lease("kingston", place.bob, 600.0)
    for one in there:
        place.end(one)
        assert place.give() is None


def test_before_a_calibration_window_what_is_there_already_counts(bench: Callable[..., Bench]) -> None:
    place = bench(2)
    place.desk.orders.add_window(Window(place.now + 150.5 * SHOT_S, 600.0), "root")
    place.desk.submit(place.alice, "kingston", "sampler", params(1000))
    first, second = place.give(), place.give()
    assert [sum(piece.units for piece in one.pieces) for one in (first, second)] == [100, 50]
    place.end(first)
    assert place.give() is None, "nothing would be over by then"


def test_a_profile_with_one_slot_has_one_task_on_the_device_whose_slices_follow_each_other(
    bench: Callable[..., Bench],
) -> None:
    profiles = {p.name: p for p in DEFAULTS} | {"development": Profile("development", 0, slots=1)}
    place = bench(2, profiles=profiles)
    mine = [place.desk.submit(place.alice, "kingston", "sampler", params(200), task_id=name).id for name in ("a", "b")]
    there = [place.give(), place.give()]
    assert [one.task for one in there] == [mine[0]] * 2
    place.end(there[0])
    assert place.give() is None, "its slot is taken until all of it has run"
    assert place.end(there[1])
    place.desk.turns.complete(mine[0])
    assert place.give().task == mine[1]


def test_what_a_shot_really_takes_is_learned_from_slices_that_were_cut_before_it_was_known(
    bench: Callable[..., Bench],
) -> None:
    place = bench(2)
    place.desk.submit(place.alice, "kingston", "sampler", params(10_000))
    first, second = place.give(), place.give()
    place.end(first, 200 * SHOT_S)  # twice as long as was guessed
    third = place.give()
    assert third.pieces == (Piece(0, 50, pytest.approx(2 * SHOT_S), 200),)
    place.end(second, 200 * SHOT_S)
    assert place.give().pieces == (Piece(0, 50, pytest.approx(2 * SHOT_S), 250),)


def test_a_broker_that_was_killed_finds_both_at_the_device_and_sends_neither_again(
    bench: Callable[..., Bench],
) -> None:
    place = bench(2)
    task = place.desk.submit(place.alice, "kingston", "sampler", params(300)).id
    there = [place.give(), place.give()]
    for one in there:
        place.desk.turns.sent(one, f"v{one.number}")
    place.desk.ledger.close()
    place.desk = place.opened()
    assert place.give() is None
    for one in there:
        assert not place.end(one)
    assert place.end(place.give())
    assert [s.state for s in place.desk.state(task).slices] == ["done"] * 3


@pytest.mark.parametrize("seed", range(6))
def test_whatever_becomes_of_slices_every_shot_is_taken_exactly_once(bench: Callable[..., Bench], seed: int) -> None:
    luck = random.Random(seed)
    place = bench(luck.choice([1, 2, 4]))
    tasks = {}
    for number in range(6):
        shots = luck.randrange(1, 900)
        session = place.alice if number % 2 else place.bob
        tasks[place.desk.submit(session, "kingston", "sampler", params(shots)).id] = shots
    there: list[Any] = []
    while len(place.desk.ledger.open_tasks()):
        while (one := place.give()) is not None:
            there.append(one)
        one = there.pop(luck.randrange(len(there)))
        end = luck.choice(["finished", "finished", "finished", "uncertain", "refused", "killed"])
        if end == "finished":
            if place.end(one, luck.choice([None, 0.02, 0.05])):
                place.desk.turns._ledger.end_task(one.task, "completed", ended_at=1.0, cause="", message="", advice="")
                place.desk._queue.remove(one.task)
        elif end == "killed":
            for other in (one, *there):
                place.desk.turns.sent(other, "v")
            there.append(one)
            place.desk.ledger.close()
            place.desk = place.opened()
        else:
            lost = DeviceError("gone")
            lost.transient = True
            getattr(place.desk.turns.setbacks, end)(one, lost)
            place.desk.turns.up("kingston")
    for task, shots in tasks.items():
        row = place.desk.ledger.task(task)
        if row.state == "failed":  # refused again and again
            continue
        taken = Counter(
            unit
            for one in place.desk.ledger.slices(task)
            if one.state == "done"
            for piece in one.pieces
            for unit in range(piece.first, piece.end)
        )
        assert (row.done, taken) == (shots, Counter(range(shots)))


@pytest.mark.parametrize(("ahead", "idle"), [(1, 20), (2, 0)])
def test_with_two_ahead_a_device_does_not_stand_still_while_an_end_is_being_told(ahead: int, idle: int) -> None:
    """Each end is known to the broker a while after it came; what is at the device runs in its order meanwhile."""
    telling, policy = 0.4, Policy(slice_s=1.0)
    task = WaitingTask("long", "alice", "development", 0.0, (Piece(0, 210, 0.1),))
    queue = TaskQueue()
    queue.add(task)
    free_at, stood, known_ends, now, slices = 0.0, 0, [0.0] * ahead, 0.0, 0
    while task.pieces:
        now = known_ends.pop(0)
        decision = policy.decide(queue, DeviceFacts("kingston"), now, "long" if slices else "")
        assert decision is not None
        task.pieces = without(task.pieces, decision.pieces)
        stood += slices > 0 and now > free_at
        free_at = max(now, free_at) + decision.seconds
        known_ends.append(free_at + telling)
        slices += 1
    assert (slices, stood) == (21, idle)


def test_pieces_are_taken_from_anywhere_and_put_together_again() -> None:
    whole = (Piece(0, 100, 1.0), Piece(1, 10, 2.0))
    gone = (Piece(0, 20, 1.0, 30), Piece(1, 10, 2.0))
    left = minus(whole, gone)
    assert left == (Piece(0, 30, 1.0), Piece(0, 50, 1.0, 50))
    assert joined(gone, left) == whole
    assert joined((Piece(0, 10, 1.0),), (Piece(0, 10, 3.0, 10),)) == (Piece(0, 20, 2.0),)


def test_a_real_device_has_its_next_slice_before_one_ends_and_never_more_than_two(
    new_broker: Callable[..., Broker], bell_qasm: str, tmp_path: Path
) -> None:
    (tmp_path / "ahead.toml").write_text("[broker.ahead]\nkingston = 2\n")
    broker = new_broker(**SHORT, QHUB_CONFIG=str(tmp_path / "ahead.toml"))
    ended = broker.until_ended(broker.submit(broker.session(), bell_qasm, 12_000))
    assert (ended["state"], ended["done"]) == ("completed", 12_000)
    slices = sorted(ended["slices"], key=lambda s: s["sent_at"])
    assert len(slices) > 4
    moments = [(s["sent_at"], 1) for s in slices] + [(s["ended_at"], -1) for s in slices]
    there, counts = 0, []
    for _, step in sorted(moments):
        there += step
        counts.append(there)
    assert max(counts) == 2
    assert min(counts[1:-1]) >= 1, "between the first and the last there is always one at the device"
