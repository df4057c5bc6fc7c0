"""How many devices a site needs, and how long its users would wait: a day of theirs on a virtual clock, with the real policy."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from qhub_ext.broker.policy import Policy
from qhub_ext.broker.simulate import EVERY_S, MIX, WINDOW_S, arrive, draw_tasks, quantile, simulate, waits
from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.windows import Window

DAY_S = 86400.0
WANTED_USE = 0.75
"""Of the time between calibrations; above that, waits of the lowest profile grow quickly."""
SETTLING = 0.25
"""Of the time at the begin is left out: nobody waits yet."""
MOST_TASKS = 2_000_000


@dataclass(frozen=True)
class Plan:
    """`tasks` per user and day; `devices` 0 for as many as keep WANTED_USE."""

    users: int
    tasks: float = 1.0
    devices: int = 0
    days: float = 2.0
    seed: int = 1


@dataclass(frozen=True)
class Outlook:
    """Waits are (median, 95 %) from submission to the first slice, by profile, in s. `use` of the time between calibrations; `decision_s` of this
    machine's time.
    """

    plan: Plan
    devices: int
    tasks_day: float
    slices_day: float
    task_s: float
    use: float
    longest_queue: int
    decision_s: float
    waits: dict[str, tuple[float, float]] = field(default_factory=dict)


def look_ahead(plan: Plan, policy: Policy | None = None) -> Outlook:
    """Raises InvalidOptionError for a plan that cannot be played."""
    count = round(plan.users * plan.tasks * plan.days)
    if not (plan.users >= 1 and plan.tasks > 0 and plan.days > 0 and plan.devices >= 0):
        raise InvalidOptionError("Users, tasks and days must be above 0.")
    if not 1 <= count <= MOST_TASKS:
        raise InvalidOptionError(
            f"{count:,} tasks cannot be played.", advice=f"At most {MOST_TASKS:,}: give fewer days."
        )
    luck = random.Random(plan.seed)  # noqa: S311 - the same arrivals for a seed
    tasks = draw_tasks(count, luck)
    task_s = math.fsum(seconds for _, seconds in tasks) / count
    open_part = 1 - WINDOW_S / EVERY_S
    offered = count * task_s / (plan.days * DAY_S)
    devices = plan.devices or max(1, math.ceil(offered / open_part / WANTED_USE))
    names = [f"device{number:04d}" for number in range(devices)]
    # one device after another is calibrated, not all at once
    windows = [Window(EVERY_S * (k + 1) / devices, WINDOW_S, "FREQ=HOURLY;INTERVAL=12", n) for k, n in enumerate(names)]
    arrivals = arrive(tasks, count / (plan.days * DAY_S), luck, lambda _number, _profile: f"user{luck.randrange(plan.users)}")  # fmt: skip
    end = max(one.at for one in arrivals)
    run = simulate(arrivals, policy or Policy(overhead_s=1.0), windows, names)
    counted = [one for one in arrivals if one.at >= SETTLING * end]
    found = {}
    for profile in MIX:
        lengths = waits(run, counted, profile)
        if lengths:
            found[profile] = (quantile(lengths, 0.5), quantile(lengths, 0.95))
    return Outlook(
        plan, devices, count / plan.days, run.slices / (end / DAY_S), task_s, (run.busy_s + run.overhead_s) / (max(run.end, end) * devices * open_part),
        run.longest_queue, run.deciding_s / max(1, run.decisions), found,
    )  # fmt: skip
