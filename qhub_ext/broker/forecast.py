"""When tasks that wait will begin, from when to when: the policy itself, played forward on copies of the queue. Pure.

Played twice, as quickly and as slowly as slices went lately (`tempo`). Nothing new comes in the play; for the later bound, others go on
to take as much of the device as they lately took. What is behind a device that is down or drained is not known, and nothing is said.
"""

from __future__ import annotations

import copy
import heapq
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from qhub_ext.broker.device_facts import AVAILABLE, MAINTENANCE, DeviceFacts
from qhub_ext.broker.fair_share import FairShare
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.profiles import DAY_S
from qhub_ext.broker.task_queue import TaskQueue, WaitingTask
from qhub_ext.broker.tempo import Tempo
from qhub_ext.broker.usage import Usage

MOST = 2000
"""Decisions of one play; what comes after them begins not before the last of them."""
FARTHEST_S = 7 * DAY_S
"""A play goes no farther: who knows what a site decides in a week."""
LONGEST_S = 0.2
"""Of this machine's time for one play."""
OWN_RANK = 0.5
"""Of what tasks of the own rank lately had of the device, so much is taken to go before: users who come later and had less. With it, four of five
spans held on arrivals of a public trace (`tests/broker/test_forecast.py`), and two of three without.
"""
CROWDED = 0.9
"""Where others had so much of the device lately, there is no saying how long a task may wait."""


@dataclass(frozen=True)
class Begin:
    """Moments in s since 1970 UTC; `latest` None where there is no saying."""

    earliest: float
    latest: float | None


@dataclass
class Play:
    """`begins` of each task's next slice, as far as the play `reached` on its device."""

    begins: dict[str, float] = field(default_factory=dict)
    reached: dict[str, float] = field(default_factory=dict)


def copies_of(queue: TaskQueue, most: int = MOST) -> list[WaitingTask]:
    """Those that may have their turn within so many decisions: what waits, and what is on a device and not done."""
    waiting = [task for group in queue.groups() for task in queue.front(group, count=most)]
    return [copy.copy(task) for task in (*waiting, *(t for t in queue if t.running and t.pieces))]


def policy_for_play(policy: Policy) -> Policy:
    """One that learns nothing for the real one."""
    usage = policy.usage
    return replace(
        policy,
        fair_share=_copy(policy.fair_share),
        lent=_copy(policy.lent),
        usage=Usage(usage.day, copy.copy(usage.users), copy.copy(usage.accounts)),
    )


def _copy(share: FairShare) -> FairShare:
    return replace(share, _used=dict(share._used))


def play(
    tasks: Iterable[WaitingTask], policy: Policy, facts: Mapping[str, DeviceFacts], current: Mapping[str, str],
    window_at: Callable[[str, float], tuple[float, float] | None], pace: Mapping[str, float], now: float,
) -> Play:  # fmt: skip
    """Of the devices that have a pace. `tasks` and `policy` are used up."""
    queue, found = TaskQueue(), Play()
    for one in tasks:
        one.running = ""  # what is there ends with the first moment of its device
        queue.add(one)
    last, running = dict(current), dict.fromkeys(pace, "")
    moments = [(now + max(0.0, facts[device].busy_until - now) * pace[device], device) for device in pace]
    heapq.heapify(moments)
    until = time.perf_counter() + LONGEST_S
    for _ in range(MOST):
        if not moments or time.perf_counter() > until:
            break
        at, device = heapq.heappop(moments)
        found.reached[device] = at
        if at > now + FARTHEST_S:
            continue
        if running[device]:
            policy.usage.running[running[device]] -= 1
            running[device] = ""
            if (ended := queue.get(last[device])) is not None:
                ended.running = ""
        here = replace(facts[device], window=window_at(device, at), busy_until=0.0)
        decision = policy.decide(queue, here, at, last.get(device, ""))
        if decision is None:
            again = _next_moment(here, at, moments)
            if again is not None and queue.groups(device):
                heapq.heappush(moments, (again, device))
            continue
        task = queue.get(decision.task_id)
        assert task is not None
        found.begins.setdefault(task.id, at)
        end = at + pace[device] * decision.seconds
        policy.charge(task, decision.seconds, end)
        policy.usage.running[task.profile] += 1
        running[device], last[device] = task.profile, task.id
        decision.give(task)
        task.running = device
        if not task.pieces:
            queue.remove(task.id)
        heapq.heappush(moments, (end, device))
    return found


def _next_moment(device: DeviceFacts, at: float, others: Iterable[tuple[float, str]]) -> float | None:
    """When it is worth to ask again: a window or a lease ends, a day, or another device gives a slot back."""
    ends = [
        *([device.window[1]] if device.window is not None else []),
        *([device.lease.until] if device.lease is not None else []),
        (at // DAY_S + 1) * DAY_S,
        *(moment for moment, _ in others),
    ]
    return min((end for end in ends if end > at), default=None)


def begins(
    quick: Play, slow: Play, tasks: Iterable[WaitingTask], tempos: Mapping[str, Tempo], policy: Policy, now: float
) -> dict[str, Begin]:
    """By the tasks' ids; of the others there is no saying."""
    found = {}
    for task in tasks:
        device = task.devices[0] if task.devices else ""
        earliest = quick.begins.get(task.id, quick.reached.get(device))
        if earliest is None:
            continue
        latest = slow.begins.get(task.id)
        rank = policy.profile(task.profile).rank
        urgent, equal = (
            [p.name for p in policy.profiles.values() if fits(p.rank)] for fits in (rank.__lt__, rank.__eq__)
        )
        share = tempos[device].share(urgent, now) + OWN_RANK * tempos[device].share(equal, now)
        if latest is not None:
            latest = None if share > CROWDED else now + (latest - now) / (1 - share)
        found[task.id] = Begin(earliest, None if latest is None else max(latest, earliest))
    return found


def forecast(
    queue: TaskQueue, policy: Policy, facts: Mapping[str, DeviceFacts], current: Mapping[str, str],
    window_at: Callable[[str, float], tuple[float, float] | None], tempos: Mapping[str, Tempo], now: float,
) -> Callable[[], dict[str, Begin]]:  # fmt: skip
    """Copies what it needs at once, and plays when it is called: the queue may change meanwhile."""
    paces = {d: pace for d, f in facts.items() if _playable(f, now) and (pace := tempos[d].pace()) is not None}
    tasks = [task for task in copies_of(queue) if task.devices and task.devices[0] in paces]
    rules = (policy_for_play(policy), policy_for_play(policy))

    def told() -> dict[str, Begin]:
        quick, slow = (
            play([copy.copy(task) for task in tasks], rules[n], facts, current, window_at, {d: pace[n] for d, pace in paces.items()}, now)
            for n in (0, 1)
        )  # fmt: skip
        return begins(quick, slow, tasks, tempos, policy, now)

    return told


def _playable(facts: DeviceFacts, now: float) -> bool:
    return facts.state(now) in (AVAILABLE, MAINTENANCE) and not facts.drained
