"""The broker's policy on a virtual clock, with the arrivals of a public trace, beside what else could be done with them; and what a decision costs.

Waits and use are results of the simulation, the same on every machine; only the last lines are times of this one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from qhub_ext.broker.device_facts import DeviceFacts
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.simulate import SHOT_S
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.work import Piece
from qhub_ext.tiers.windows import Window
from tests.benchmarks.dispatch import broker_side, dask_side, desk_each
from tests.benchmarks.line import Line, seconds, take_turns
from tests.broker.peers import by_class, first_come, least_end, simulate_whole
from tests.broker.simulation import MINUTE, Arrival, Run, quantile, simulate, waits, workload

WINDOWS = (Window(660 * MINUTE, 60 * MINUTE, "FREQ=HOURLY;INTERVAL=12"),)
OVERHEAD_S = 3.0
KINGSTON = DeviceFacts("kingston")
PROFILES = ("production", "test", "development")
SEEDS = tuple(range(8, 28))
"""The length of a turn (`TURN_S`) was chosen on the seeds before these."""


def lines(quick: bool) -> list[Line]:
    return [
        *on_a_public_trace(1000 if quick else 6000, SEEDS[:2] if quick else SEEDS),
        *cost(quick),
        *beside_dask(quick),
    ]


@dataclass(frozen=True)
class Played:
    """The arrivals of one seed, and what became of them by each side. `bound`: when a device that never idles while there is work is done."""

    arrivals: list[Arrival]
    runs: dict[str, Run]
    bound: float

    def wait(self, side: str, profile: str, q: float) -> float:
        return quantile(waits(self.runs[side], self.arrivals, profile), q)


FIFO, CLASSES, KILL = "first come, first served", "priorities, tasks whole", "killing for priority"


def play(count: int, seed: int) -> Played:
    arrivals = workload(count, 0.85, seed)
    runs = {
        "ours": simulate(arrivals, Policy(slice_s=MINUTE, overhead_s=OVERHEAD_S), WINDOWS),
        FIFO: simulate_whole(arrivals, first_come, WINDOWS),
        CLASSES: simulate_whole(arrivals, by_class, WINDOWS),
        KILL: simulate_whole(arrivals, by_class, WINDOWS, kill=True),
    }
    return Played(arrivals, runs, least_end(arrivals, WINDOWS))


def in_the_middle_and_worst(what: str, peer: str, pairs: Iterable[tuple[float, float]], **target: Any) -> list[Line]:
    """Of one pair per seed, those in the middle and at the end by ours / theirs; the target is for the worst."""
    ranked = sorted(pairs, key=lambda pair: pair[0] / pair[1] if pair[1] else math.inf)
    middle, worst = ranked[len(ranked) // 2], ranked[-1]
    return [Line(f"{what}, middle seed", middle[0], peer, middle[1]), Line(f"{what}, worst seed", worst[0], peer, worst[1], **target)]  # fmt: skip


def on_a_public_trace(count: int, seeds: Sequence[int]) -> list[Line]:
    played = [play(count, seed) for seed in seeds]

    def wait(profile: str, q: float, peer: str) -> list[tuple[float, float]]:
        return [(one.wait("ours", profile, q), one.wait(peer, profile, q)) for one in played]

    def middle(what: str, peer: str, pairs: list[tuple[float, float]], **more: Any) -> Line:
        return Line(what, statistics.median(p[0] for p in pairs), peer, statistics.median(p[1] for p in pairs), **more)

    longest = max(wait("production", 0.5, FIFO))
    found = [
        middle(f"{count} tasks of a public trace, {len(seeds)} seeds: wait of production, median, middle of the seeds", FIFO, wait("production", 0.5, FIFO)),
        Line("wait of production, median, worst seed", longest[0], FIFO, longest[1], at_most=MINUTE, note="one slice"),
        middle("wait of production, median, middle of the seeds", CLASSES, wait("production", 0.5, CLASSES)),
        middle("wait of production, median, middle of the seeds", KILL, wait("production", 0.5, KILL)),
        *in_the_middle_and_worst("wait of production, 95 %", FIFO, wait("production", 0.95, FIFO)),
        *in_the_middle_and_worst("wait of test, 95 %", FIFO, wait("test", 0.95, FIFO)),
        *in_the_middle_and_worst("wait of development, 95 %", FIFO, wait("development", 0.95, FIFO), ratio_at_most=1.5),
        middle("wait of development, 95 %, middle of the seeds", CLASSES, wait("development", 0.95, CLASSES)),
        middle("wait of development, 95 %, middle of the seeds", KILL, wait("development", 0.95, KILL)),
        *in_the_middle_and_worst(
            "until all of it is done", "a device that never idles while there is work",
            [(one.runs["ours"].end, one.bound) for one in played], ratio_at_most=1 / 0.98,
        ),
    ]  # fmt: skip
    for one in played:
        assert one.runs["ours"].shots == {a.id: max(1, round(a.seconds / SHOT_S)) for a in one.arrivals}, (
            "a shot was lost"
        )
    spent, lost = (
        statistics.median(100 * one.runs[side].overhead_s / one.runs[side].busy_s for one in played) for side in ("ours", KILL)
    )  # fmt: skip
    return [
        *found,
        Line("of the device's time spent on switching, percent", spent, "lost to killing, percent", lost, unit="%"),
    ]


def cost(quick: bool) -> list[Line]:
    found = []
    sizes = (1_000, 10_000) if quick else (1_000, 10_000, 100_000)
    queues = {size: filled(size) for size in sizes}
    policy = Policy()

    def decide(queue: TaskQueue) -> None:
        for _ in range(20):
            assert policy.decide(queue, KINGSTON, 1e6) is not None

    def scan(queue: TaskQueue) -> None:
        assert min(queue, key=lambda t: (t.submitted_at, t.id)) is not None

    smallest, decisions = None, 0.0
    for size, queue in queues.items():
        ours, theirs = take_turns(
            partial(seconds, partial(decide, queue)), partial(seconds, partial(scan, queue)), rounds=3 if quick else 9
        )
        smallest, decisions = smallest or ours / 20, 20 / ours
        found.append(
            Line(f"one decision with {size:,} tasks queued", ours / 20, "a scan of the table, first come first", theirs)
        )
    found.append(Line(f"decisions per second with {sizes[-1]:,} queued", decisions, "scans", 1 / theirs, unit="/s"))
    found.append(
        Line(
            f"one decision with {sizes[-1]:,} beside {sizes[0]:,} queued",
            found[-2].ours,
            f"{sizes[0]:,} tasks",
            smallest,
            ratio_at_most=3.0,
        )
    )
    return found


def beside_dask(quick: bool) -> list[Line]:
    """Submission to dispatch, one task at a time, by turns; and a task's whole way with many queued."""
    rounds, queued = (20, 200) if quick else (300, 2000)
    with broker_side() as ours, dask_side() as theirs:
        for side in (ours, theirs):
            for _ in range(5):
                side.once()
        pairs = [(ours.once(), theirs.once()) for _ in range(rounds)]
        each = theirs.each(queued)
    mine, dask = ([pair[k] for pair in pairs] for k in (0, 1))
    peer = "dask.distributed, with priority and resource"
    return [
        Line("from submission to dispatch over the socket, median", statistics.median(mine), peer, statistics.median(dask), ratio_at_most=1.0),
        Line("the same, 99 %", quantile(sorted(mine), 0.99), peer, quantile(sorted(dask), 0.99), ratio_at_most=1.0),
        Line(f"a task's way through desk and ledger, {queued:,} queued", desk_each(queued), "dask.distributed, a task that does nothing", each,
             note="ours is on disk before it is answered"),
    ]  # fmt: skip


def filled(size: int, users: int = 50) -> TaskQueue:
    queue = TaskQueue()
    for number in range(size):
        profile = PROFILES[number % 3]
        queue.add(
            WaitingTask(f"{number:08d}", f"user{number % users}", profile, float(number), (Piece(0, 1000, 0.05),))
        )
    return queue
