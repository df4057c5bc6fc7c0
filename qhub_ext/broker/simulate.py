"""A site on a virtual clock: arrivals of many users, calibration windows, several devices, and the real policy deciding. Pure.

For plans of a site (`qhub broker simulate`), and for the tests and benchmarks of the policy.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from qhub_ext.broker.device_facts import DeviceFacts
from qhub_ext.broker.forecast import Begin, forecast
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.tempo import Tempo
from qhub_ext.broker.work import Piece
from qhub_ext.tiers.windows import Window, next_window

MINUTE = 60.0
SHOT_S = 0.05
EVERY_S, WINDOW_S = 720 * MINUTE, 60 * MINUTE
"""A device is calibrated for an hour, twice a day."""
MIX = {"development": 0.60, "test": 0.25, "production": 0.15}


@dataclass(frozen=True)
class Arrival:
    """A task of so many seconds of QPU. Moments in s from the begin."""

    id: str
    at: float
    profile: str
    seconds: float
    user: str


@dataclass
class Run:
    """What became of it: moments in s, `busy_s` of slices without overhead, `shots` by task, `deciding_s` of this machine's time in the policy."""

    end: float = 0.0
    busy_s: float = 0.0
    overhead_s: float = 0.0
    slices: int = 0
    preemptions: int = 0
    decisions: int = 0
    deciding_s: float = 0.0
    longest_queue: int = 0
    started: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    shots: dict[str, int] = field(default_factory=dict)


def draw_tasks(count: int, luck: random.Random, mix: Mapping[str, float] = MIX) -> list[tuple[str, float]]:
    """Profile and seconds of QPU. As a public trace of cloud jobs has them: lognormal (0.455, 1.725) in minutes, 64 at most; development 10 at most."""
    found = []
    for _ in range(count):
        draw, profile = luck.random(), next(iter(mix))
        for name, share in mix.items():
            if draw >= 0:
                profile, draw = name, draw - share
        minutes = min(64.0, math.exp(luck.gauss(0.455, 1.725)))
        found.append((profile, MINUTE * (min(minutes, 10.0) if profile == "development" else minutes)))
    return found


def arrive(tasks: Sequence[tuple[str, float]], rate: float, luck: random.Random, user_of: Callable[[int, str], str]) -> list[Arrival]:  # fmt: skip
    """One after another at random moments, `rate` a second."""
    at, found = 0.0, []
    for number, (profile, seconds) in enumerate(tasks):
        at += luck.expovariate(rate)
        found.append(Arrival(f"{number:06d}", at, profile, seconds, user_of(number, profile)))
    return found


class Site:
    """Devices on a virtual clock, with the tasks that wait there. A task goes to the device with the fewest, as the wish `least busy` does."""

    def __init__(self, policy: Policy, windows: Mapping[str, Sequence[Window]], devices: Sequence[str]) -> None:
        self.policy, self.windows, self.run = policy, windows, Run()
        self.queue = TaskQueue()
        self.waiting = dict.fromkeys(devices, 0)
        self.moments: list[tuple[float, str]] = []
        self._current = dict.fromkeys(devices, "")
        self._free_at = dict.fromkeys(devices, 0.0)
        self._ending: set[str] = set()
        self.tempos = {device: Tempo() for device in devices}

    def submit(self, one: Arrival) -> str:
        device = min(self.waiting, key=self.waiting.__getitem__)
        self.waiting[device] += 1
        pieces = (Piece(0, max(1, round(one.seconds / SHOT_S)), SHOT_S),)
        long = self.policy.is_long(pieces)
        self.queue.add(WaitingTask(one.id, one.user, one.profile, one.at, pieces, devices=(device,), long=long))
        self.run.longest_queue = max(self.run.longest_queue, len(self.queue))
        return device

    def begins(self, now: float) -> dict[str, Begin]:
        """When the tasks that wait now are expected to begin."""
        facts = {d: DeviceFacts(d, self.window(d, now), busy_until=self._free_at[d]) for d in self.waiting}
        return forecast(self.queue, self.policy, facts, self._current, self.window, self.tempos, now)()

    def window(self, device: str, at: float) -> tuple[float, float] | None:
        return next_window(self.windows.get(device, ()), device, at)

    def turn(self, device: str, now: float) -> None:
        """The next slice, where the device is free. `moments` says when to ask again, besides at the next arrival."""
        if now < self._free_at[device]:
            return
        if device in self._ending:  # what ran there was the last of its task
            self._ending.discard(device)
            self.waiting[device] -= 1
        run, policy = self.run, self.policy
        facts = DeviceFacts(device, self.window(device, now))
        begin = time.perf_counter()
        decision = policy.decide(self.queue, facts, now, self._current[device])
        run.deciding_s += time.perf_counter() - begin
        run.decisions += 1
        if decision is None:
            if self.waiting[device] and facts.window is not None:
                heapq.heappush(self.moments, (facts.window[1], device))
            return
        task = self.queue.get(decision.task_id)
        assert task is not None
        run.started.setdefault(task.id, now)
        decision.give(task)
        switching = 0.0 if task.id == self._current[device] else policy.overhead_s
        busy = decision.seconds - policy.overhead_s
        end = now + busy + switching
        assert facts.window is None or end <= facts.window[0] + 1e-6, "a slice ran into the calibration window"
        run.busy_s += busy
        run.overhead_s += switching
        run.slices += 1
        run.preemptions += bool(decision.preempts)
        run.shots[task.id] = run.shots.get(task.id, 0) + sum(piece.units for piece in decision.pieces)
        run.end = max(run.end, end)
        policy.charge(task, busy, end)
        self._current[device] = task.id if task.pieces else ""
        if not task.pieces:
            self.queue.remove(task.id)
            self._ending.add(device)
            run.ended[task.id] = end
        self.tempos[device].ended(task.profile, now, end, decision.seconds)
        self._free_at[device] = end
        heapq.heappush(self.moments, (end, device))


def simulate(
    arrivals: Iterable[Arrival], policy: Policy, windows: Sequence[Window] = (), devices: Sequence[str] = ("kingston",), until: float = math.inf,
    look: Callable[[Site, float], None] | None = None,
) -> Run:  # fmt: skip
    """Ends when all of it is done, or at `until`. `look` is called after each moment at which somebody came."""
    by_device = {device: [w for w in windows if w.device in ("", device)] for device in devices}
    site, coming = Site(policy, by_device, devices), deque(sorted(arrivals, key=lambda a: a.at))
    while coming or site.moments:
        arrival = coming[0].at if coming else math.inf
        moment = site.moments[0][0] if site.moments else math.inf
        now = min(arrival, moment)
        if now >= until:
            break
        due: list[str] = []
        while coming and coming[0].at <= now:
            due.append(site.submit(coming.popleft()))
        while site.moments and site.moments[0][0] <= now:
            due.append(heapq.heappop(site.moments)[1])
        for device in dict.fromkeys(due):
            site.turn(device, now)
        if look is not None and arrival <= now:
            look(site, now)
    return site.run


def waits(run: Run, arrivals: Iterable[Arrival], profile: str) -> list[float]:
    """From submission to the first slice, of those that began, the shortest first."""
    return sorted(run.started[a.id] - a.at for a in arrivals if a.profile == profile and a.id in run.started)


def quantile(values: Sequence[float], q: float) -> float:
    return values[min(len(values) - 1, int(q * len(values)))]
