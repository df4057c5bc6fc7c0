"""What else could be done with the same arrivals: first come first served, priorities without slices, and killing for priority."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qhub_ext.tiers.windows import Window, next_window
from tests.broker.simulation import Arrival, Run

RANK = {"production": 2, "test": 1, "development": 0}
Key = Callable[[Arrival], tuple[float, ...]]


def first_come(arrival: Arrival) -> tuple[float, ...]:
    return (arrival.at,)


def by_class(arrival: Arrival) -> tuple[float, ...]:
    return (-RANK[arrival.profile], arrival.at)


def simulate_whole(arrivals: Iterable[Arrival], key: Key, windows: tuple[Window, ...], *, kill: bool = False) -> Run:
    """Tasks run whole. With `kill`, one of a higher class ends one of a lower, which begins again from nothing."""
    coming, run = sorted(arrivals, key=lambda a: a.at), Run()
    queue: list[Arrival] = []
    now, place = 0.0, 0
    while place < len(coming) or queue:
        while place < len(coming) and coming[place].at <= now:
            queue.append(coming[place])
            place += 1
        window = next_window(windows, "kingston", now)
        if window is not None and window[0] <= now:
            now = window[1]
            continue
        fitting = [a for a in queue if window is None or now + a.seconds <= window[0]]
        if not fitting:
            moments = [coming[place].at] if place < len(coming) else []
            now = min([*moments, *([window[0]] if window else [])])
            continue
        chosen = min(fitting, key=key)
        run.started.setdefault(chosen.id, now)
        end, ahead, killer = now + chosen.seconds, place, None
        while kill and ahead < len(coming) and coming[ahead].at < end:
            if RANK[coming[ahead].profile] > RANK[chosen.profile]:
                killer = coming[ahead].at
                break
            ahead += 1
        if killer is not None:
            run.overhead_s += killer - now
            run.preemptions += 1
            now = killer
            continue
        run.busy_s += chosen.seconds
        now = end
        run.ended[chosen.id] = now
        queue.remove(chosen)
    run.end = now
    return run


def least_end(arrivals: Iterable[Arrival], windows: tuple[Window, ...]) -> float:
    """When the last work would be done on a device that is never idle while there is work: work can be cut anywhere, for nothing."""
    now = 0.0
    for arrival in sorted(arrivals, key=lambda a: a.at):
        now, left = max(now, arrival.at), arrival.seconds
        while left > 0:
            window = next_window(windows, "kingston", now)
            if window is not None and window[0] <= now:
                now = window[1]
                continue
            step = left if window is None else min(left, window[0] - now)
            now, left = now + step, left - step
    return now
