"""The broker's policy on a virtual clock, with the arrivals of a public trace, beside what else could be done with them; and what a decision costs.

Waits and use are results of the simulation, the same on every machine; only the last lines are times of this one.
"""

from __future__ import annotations

import statistics
from functools import partial

from qhub_ext.broker.policy import DeviceFacts, Policy
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.work import Piece
from qhub_ext.tiers.windows import Window
from tests.benchmarks.dispatch import broker_side, dask_side, desk_each
from tests.benchmarks.line import Line, seconds, take_turns
from tests.broker.peers import by_class, first_come, least_end, simulate_whole
from tests.broker.simulation import MINUTE, Run, quantile, simulate, waits, workload

WINDOWS = (Window(660 * MINUTE, 60 * MINUTE, "FREQ=HOURLY;INTERVAL=12"),)
OVERHEAD_S = 3.0
KINGSTON = DeviceFacts("kingston")
PROFILES = ("production", "test", "development")


def lines(quick: bool) -> list[Line]:
    return [
        *on_a_public_trace(1000 if quick else 6000, (1,) if quick else (0, 1, 2)),
        *cost(quick),
        *beside_dask(quick),
    ]


def on_a_public_trace(count: int, seeds: tuple[int, ...]) -> list[Line]:
    ours, fifo, classes, kill, bound, worth = [], [], [], [], [], []
    for seed in seeds:
        arrivals = workload(count, 0.85, seed)
        worth.append(arrivals)
        ours.append(simulate(arrivals, Policy(slice_s=MINUTE, overhead_s=OVERHEAD_S), WINDOWS))
        fifo.append(simulate_whole(arrivals, first_come, WINDOWS))
        classes.append(simulate_whole(arrivals, by_class, WINDOWS))
        kill.append(simulate_whole(arrivals, by_class, WINDOWS, kill=True))
        bound.append(least_end(arrivals, WINDOWS))

    def wait(runs: list[Run], profile: str, q: float) -> float:
        return statistics.median(quantile(waits(r, a, profile), q) for r, a in zip(runs, worth, strict=True))

    found = [
        Line(
            f"{count} tasks of a public trace, wait of production, median", wait(ours, "production", 0.5),
            "first come, first served", wait(fifo, "production", 0.5), at_most=MINUTE, note="one slice",
        )
    ]  # fmt: skip
    for name, runs in (("priorities, tasks whole", classes), ("killing for priority", kill)):
        found.append(Line("the same", wait(ours, "production", 0.5), name, wait(runs, "production", 0.5)))
    found.append(
        Line(
            "wait of production, 95 %",
            wait(ours, "production", 0.95),
            "first come, first served",
            wait(fifo, "production", 0.95),
        )
    )
    found.append(
        Line(
            "wait of development, 95 %", wait(ours, "development", 0.95), "first come, first served",
            wait(fifo, "development", 0.95), ratio_at_most=1.5,
        )
    )  # fmt: skip
    found.append(
        Line("the same", wait(ours, "development", 0.95), "priorities, tasks whole", wait(classes, "development", 0.95))
    )
    found.append(
        Line("the same", wait(ours, "development", 0.95), "killing for priority", wait(kill, "development", 0.95))
    )
    found.append(
        Line(
            "until all of it is done", statistics.median(r.end for r in ours), "a device that never idles while there is work",
            statistics.median(bound), ratio_at_most=1 / 0.98,
        )
    )  # fmt: skip
    spent = statistics.median(r.overhead_s / r.busy_s for r in ours)
    lost = statistics.median(r.overhead_s / r.busy_s for r in kill)
    found.append(
        Line(
            "of the device's time spent on switching, percent",
            100 * spent,
            "lost to killing, percent",
            100 * lost,
            unit="%",
        )
    )
    return found


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
