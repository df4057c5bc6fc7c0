"""Whose slice runs next on a device, and why everybody else waits. Pure: tasks, facts and a moment in, a decision out.

Order: (-effective rank, -priority, fair-share ratio, -deadline boost, more than a turn or not, submit time, id), see `order`; the last two inside
a group (see `task_queue`). The priority is an operator's word and moves a task within its rank. A task that is being run keeps the device against its own
rank for a turn, then goes behind whom the order puts first; to a higher rank it yields between any two slices. Before a calibration window only
what is over by its beginning is started, the best-ordered that fits first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from qhub_ext.broker.device_facts import AVAILABLE, DOWN, DRAINING, MAINTENANCE, DeviceFacts
from qhub_ext.broker.fair_share import FairShare, owners_of
from qhub_ext.broker.limits import Limits
from qhub_ext.broker.order import Order
from qhub_ext.broker.profiles import DEFAULTS, Profile
from qhub_ext.broker.task_queue import Group, TaskQueue, WaitingTask, group_of
from qhub_ext.broker.usage import Usage
from qhub_ext.broker.work import Piece, seconds_of, smallest, take_slice, without
from qhub_ext.settings import BrokerSettings

LOOK = 64
"""Tasks of one group that are looked at for one that fits before a window."""

TURN_S = 300.0
"""Where a task of an hour keeps the device until it is done, the last of development wait half as long again as first come, first served; with
ten minutes seldom, with five on none of 28 draws of a public trace's arrivals (`tests/benchmarks/README.md`).
"""


@dataclass(frozen=True)
class Wait:
    """Why a task is not running: a word, and a sentence with the numbers filled in."""

    reason: str
    sentence: str


@dataclass(frozen=True)
class Decision:
    """The slice to run: `pieces` of task `task_id`, `seconds` of QPU as estimated. `preempts` names the task that yields to a higher rank,
    `place_of` the owner in whose place it goes; `turn_s` is what the task has had of its turn then.
    """

    task_id: str
    pieces: tuple[Piece, ...]
    seconds: float
    preempts: str = ""
    place_of: str = ""
    turn_s: float = 0.0

    def give(self, task: WaitingTask) -> None:
        """The slice goes to the device: what the task has left, and what counts of it from now on."""
        task.pieces = without(task.pieces, self.pieces)
        task.place_of, task.turn_s = self.place_of, self.turn_s


@dataclass
class Policy:
    """`slice_s` of QPU is about how long a slice may be, `turn_s` how long a task keeps the device on end against its own rank, `overhead_s` what the
    device needs once per slice; `boost_s`: a task whose deadline is so near goes first in its class.
    """

    profiles: Mapping[str, Profile] = field(default_factory=lambda: {p.name: p for p in DEFAULTS})
    slice_s: float = 60.0
    turn_s: float = TURN_S
    overhead_s: float = 0.0
    boost_s: float = 600.0
    fair_share: FairShare = field(default_factory=FairShare)
    usage: Usage = field(default_factory=Usage)
    limits: Limits = field(default_factory=Limits)
    lent: FairShare = field(default_factory=FairShare)

    def profile(self, name: str) -> Profile:
        """Of a task. One that the site has no more, of tasks and sessions from before, counts as the lowest."""
        return self.profiles.get(name) or min(self.profiles.values(), key=lambda p: (p.rank, p.name))

    def is_long(self, pieces: Sequence[Piece]) -> bool:
        """Whether a task of them needs more than a turn, as far as is known when it comes."""
        return seconds_of(pieces) > self.turn_s

    def charge(self, task: WaitingTask, seconds: float, now: float) -> None:
        """A slice of it ran."""
        for share, owners in ((self.fair_share, owners_of(task.user, task.account)), (self.lent, self._lenders(task))):
            for owner in owners:
                share.charge(owner, seconds, now)
        self.usage.turn(now)
        self.usage.users[task.user] += seconds  # type: ignore[assignment]
        self.usage.accounts[task.account] += seconds  # type: ignore[assignment]

    def used_with(self, task: WaitingTask, seconds: float, now: float) -> tuple[dict[str, float], dict[str, float]]:
        """What its owners will have had, and others in the place of one, when a slice of it is charged."""
        had, lent = self.fair_share, self.lent
        return (
            {owner: had.used(owner, now) + seconds for owner in owners_of(task.user, task.account)},
            {owner: lent.used(owner, now) + seconds for owner in self._lenders(task)},
        )

    def decide(self, queue: TaskQueue, device: DeviceFacts, now: float, current: str = "") -> Decision | None:
        """The slice that runs next; None when nothing may run now. `current` is the task whose slice has just ended."""
        if device.state(now) != AVAILABLE:
            return None
        budget = self.slice_s
        if device.window is not None:
            budget = min(budget, device.window[0] - max(now, device.busy_until))
        self.usage.turn(now)
        open_groups = [g for g in queue.groups(device.name) if self.blocked(g, device, now) is None]
        found = [self._first_that_fits(queue, group, device, now) for group in open_groups]
        first = [task for task in found if task is not None]
        order = self.order(first, now)
        chosen = min(first, key=lambda task: (order.key(task), task.id), default=None)
        running = queue.get(current) if current else None
        preempts = ""
        if running is not None and running.pieces and chosen is not running:
            may = self.blocked(group_of(running), device, now, bool(running.running)) is None
            may = may and self._fits(running, device, now)
            yields = chosen is not None and order.yields(running, chosen)
            if may and not yields and (chosen is None or running.turn_s < self.turn_s):
                chosen = running
            elif yields or not may:
                preempts = running.id
        if chosen is None:
            return None
        pieces = take_slice(chosen.pieces, budget, overhead_s=self.overhead_s, most=device.most_shots)
        if not pieces:  # one unit is longer than a slice: it cannot be cut, and fits before the window
            front = chosen.pieces[0]
            pieces = (Piece(front.pub, 1, front.unit_s, front.first),)
        place, seconds = order.place(chosen), seconds_of(pieces)
        turn_s = seconds + (chosen.turn_s if chosen is running else 0.0)
        return Decision(chosen.id, pieces, seconds + self.overhead_s, preempts, place.owner if place else "", turn_s)

    def order(self, first: Iterable[WaitingTask], now: float) -> Order:
        return Order(self.profile, self.fair_share, self.lent, self.boost_s, first, now)

    def blocked(self, group: Group, device: DeviceFacts, now: float, has_slot: bool = False) -> Wait | None:
        """What keeps all tasks of a group from the device, whatever their order; one that is there already has its slot."""
        name, user, account, session, devices, *_ = group
        profile = self.profile(name)
        if devices and device.name not in devices:
            return Wait("other_device", f"It is for {', '.join(devices)}.")
        lease = device.lease
        if lease is not None and now < lease.until and lease.session != session:
            until = datetime.fromtimestamp(lease.until, UTC)
            return Wait(
                "lease",
                f"{lease.holder} has {device.name} to itself until {until:%H:%M:%S} UTC, {lease.until - now:.0f} s more.",
            )
        slots = self.limits.cap(profile, "slots")
        if not has_slot and slots is not None and self.usage.running[name] >= slots:
            told = "One task of the profile {0} runs" if slots == 1 else f"{slots:g} tasks of the profile {{0}} run"
            return Wait("slots", f"{told.format(name)} already: that is its limit.")
        for whose, what, used in (
            ("user", user, self.usage.users[user]),
            ("account", account, self.usage.accounts[account]),
        ):
            cap = self.limits.cap(profile, f"{whose}_day_s", user=user, account=account)
            if cap is not None and used >= cap:
                who = f"The {whose} {what}" if what else "All work without an account"
                return Wait(
                    f"{whose}_day",
                    f"{who} has used {used:.0f} s of QPU today; {self._giver(name, whose, what)} {cap:g} s a day.",
                )
        return None

    def why(
        self, queue: TaskQueue, task: WaitingTask, device: DeviceFacts, now: float, ahead: Counter[str] | None = None
    ) -> Wait:
        """Why a task waits: the device first, then limits, then who is before it (`ahead`, where that is known already)."""
        state = device.state(now)
        if not device.served:
            return Wait("device_down", f"This broker does not serve {device.name} any more; with an operator who starts it with that device the task goes on.")  # fmt: skip
        if state == DOWN:
            return Wait("device_down", f"{device.name} has been down for {now - (device.down_since or now):.0f} s.")
        if state == MAINTENANCE and device.window is not None:
            return Wait(
                "calibration_window", f"{device.name} is being calibrated for {device.window[1] - now:.0f} s more."
            )
        if state == DRAINING:
            return Wait("draining", f"{device.name} is being drained by its operator and starts nothing new.")
        blocked = self.blocked(group_of(task), device, now)
        if blocked is not None:
            return blocked
        if not self._fits(task, device, now) and device.window is not None:
            return Wait(
                "calibration_window",
                f"The calibration of {device.name} begins in {device.window[0] - now:.0f} s, and its next piece needs {smallest(task.pieces):.0f} s.",
            )
        if task.preempted_by:
            return Wait(
                f"preempted_by:{task.preempted_by}",
                f"A task of the profile {task.preempted_by} went before; what it had finished is kept.",
            )
        ahead = self.ahead(queue, task, now) if ahead is None else ahead
        lost = (
            ""
            if task.profile in self.profiles
            else f"The site has no profile {task.profile} any more, so that it counts as {self.profile(task.profile).name}. "
        )
        if not ahead:
            return Wait("next", f"{lost}It is the next to run.")
        told = ", ".join(f"{count} of {name}" for name, count in sorted(ahead.items()))
        count = sum(ahead.values())
        had = f"It had its turn of {task.turn_s:.0f} s. " if task.turn_s >= self.turn_s else ""
        return Wait("order", f"{lost}{had}{count} {'task is' if count == 1 else 'tasks are'} before it: {told}.")

    def ahead(self, queue: TaskQueue, task: WaitingTask, now: float) -> Counter[str]:
        """Tasks that go before this one as things are now, by profile."""
        key = self.order(queue.heads(), now).key
        own = (*key(task), *task.order)
        return Counter(
            other.profile
            for other in queue
            if other is not task and (other.running or (*key(other), *other.order) < own)
        )

    # ------------------------------------------------------------------

    def _lenders(self, task: WaitingTask) -> tuple[str, ...]:
        """In whose place it went, where that is not its own."""
        return () if task.place_of in ("", self.fair_share.owner(task.user, task.account)) else (task.place_of,)

    def _giver(self, profile: str, whose: str, name: str) -> str:
        own = any((one.scope, one.name, one.what) == (whose, name, f"{whose}_day_s") for one in self.limits.all())
        return "an operator gave it" if own else f"the profile {profile} gives"

    def _fits(self, task: WaitingTask, device: DeviceFacts, now: float) -> bool:
        begin = max(now, device.busy_until)
        return device.window is None or begin + self.overhead_s + smallest(task.pieces) <= device.window[0] + 1e-9

    def _first_that_fits(self, queue: TaskQueue, group: Group, device: DeviceFacts, now: float) -> WaitingTask | None:
        first = queue.front(group, device.name)
        if not first or self._fits(first[0], device, now):
            return first[0] if first else None
        return next((task for task in queue.front(group, device.name, LOOK) if self._fits(task, device, now)), None)


def policy_of(settings: BrokerSettings) -> Policy:
    """As a site has set it."""
    known = {p.name: p for p in DEFAULTS} | {
        name: Profile(name, **given.model_dump()) for name, given in settings.profiles.items()
    }
    had, lent = (FairShare(settings.share_half_life_s) for _ in range(2))
    return Policy(known, settings.slice_s, settings.turn_s, settings.overhead_s, fair_share=had, lent=lent)
