"""The workload of the policy's tests and benchmarks: one device, arrivals of a public trace, always the same for a seed."""

from __future__ import annotations

import math
import random

from qhub_ext.broker.simulate import (
    EVERY_S,
    MINUTE,
    WINDOW_S,
    Arrival,
    Run,
    arrive,
    draw_tasks,
    quantile,
    simulate,
    waits,
)

__all__ = ["MINUTE", "Arrival", "Run", "quantile", "simulate", "waits", "workload"]


def workload(count: int, load: float, seed: int) -> list[Arrival]:
    luck = random.Random(seed)
    tasks = draw_tasks(count, luck)
    mean = math.fsum(seconds for _, seconds in tasks) / count
    rate = load * (1 - WINDOW_S / EVERY_S) / mean
    return arrive(tasks, rate, luck, lambda number, profile: f"{profile}-{number % 12}")
