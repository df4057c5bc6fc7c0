"""One device on a virtual clock: arrivals of many users, calibration windows, and the real policy deciding."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from qhub_ext.broker.policy import DeviceFacts, Policy
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.work import Piece, without
from qhub_ext.tiers.windows import Window, next_window

MINUTE = 60.0
SHOT_S = 0.05


@dataclass(frozen=True)
class Arrival:
    id: str
    at: float
    profile: str
    seconds: float
    user: str


@dataclass
class Run:
    """What became of it: moments in s, `busy_s` of slices without overhead, `shots` by task."""

    end: float = 0.0
    busy_s: float = 0.0
    overhead_s: float = 0.0
    slices: int = 0
    preemptions: int = 0
    started: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    shots: dict[str, int] = field(default_factory=dict)


def workload(
    count: int, load: float, seed: int, *, every_s: float = 720 * MINUTE, window_s: float = 60 * MINUTE
) -> list[Arrival]:
    """As a public trace of cloud jobs has it: run times lognormal (0.455, 1.725) in minutes, 64 at most; development 10 at most."""
    draw = random.Random(seed)
    classes = []
    for _ in range(count):
        luck = draw.random()
        profile = "development" if luck < 0.6 else "test" if luck < 0.85 else "production"
        minutes = min(64.0, math.exp(draw.gauss(0.455, 1.725)))
        classes.append((profile, MINUTE * (min(minutes, 10.0) if profile == "development" else minutes)))
    mean = math.fsum(seconds for _, seconds in classes) / count
    rate = load * (1 - window_s / every_s) / mean
    at, found = 0.0, []
    for number, (profile, seconds) in enumerate(classes):
        at += draw.expovariate(rate)
        found.append(Arrival(f"{number:06d}", at, profile, seconds, f"{profile}-{number % 12}"))
    return found


def simulate(arrivals: Iterable[Arrival], policy: Policy, windows: tuple[Window, ...] = ()) -> Run:
    queue, run, coming = TaskQueue(), Run(), sorted(arrivals, key=lambda a: a.at)
    by_id = {a.id: a for a in coming}
    now, place, current = 0.0, 0, ""
    while place < len(coming) or len(queue):
        while place < len(coming) and coming[place].at <= now:
            one = coming[place]
            shots = max(1, round(one.seconds / SHOT_S))
            queue.add(WaitingTask(one.id, one.user, one.profile, one.at, (Piece(0, shots, SHOT_S),)))
            place += 1
        device = DeviceFacts("kingston", next_window(windows, "kingston", now))
        decision = policy.decide(queue, device, now, current)
        if decision is None:
            now = _next_moment(now, coming[place].at if place < len(coming) else None, device)
            continue
        task = queue.get(decision.task_id)
        assert task is not None
        run.started.setdefault(task.id, now)
        task.place_of = decision.place_of
        switching = 0.0 if task.id == current else policy.overhead_s
        busy = decision.seconds - policy.overhead_s
        now += busy + switching
        assert device.window is None or now <= device.window[0] + 1e-6, "a slice ran into the calibration window"
        run.busy_s += busy
        run.overhead_s += switching
        run.slices += 1
        run.preemptions += bool(decision.preempts)
        run.shots[task.id] = run.shots.get(task.id, 0) + sum(piece.units for piece in decision.pieces)
        policy.charge(task, busy, now)
        task.pieces = without(task.pieces, decision.pieces)
        current = task.id
        if not task.pieces:
            queue.remove(task.id)
            run.ended[task.id] = now
            current = ""
    run.end = now
    assert set(run.ended) == set(by_id)
    return run


def _next_moment(now: float, arrival: float | None, device: DeviceFacts) -> float:
    if device.window is not None and device.window[0] <= now:
        return device.window[1]
    moments = [m for m in (arrival, device.window[0] if device.window else None) if m is not None and m > now]
    return min(moments)


def waits(run: Run, arrivals: Iterable[Arrival], profile: str) -> list[float]:
    return sorted(run.started[a.id] - a.at for a in arrivals if a.profile == profile)


def quantile(values: list[float], q: float) -> float:
    return values[min(len(values) - 1, int(q * len(values)))]
