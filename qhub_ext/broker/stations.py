"""What is at each device now: the slices that were given out, in their order, until when about they take, and whose slice was the last."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from qhub_ext.broker.device_facts import DeviceFacts
from qhub_ext.broker.orders import Orders
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.rows import SliceRow
from qhub_ext.broker.task_queue import WaitingTask
from qhub_ext.broker.tempo import Tempo
from qhub_ext.broker.work import seconds_of
from qhub_ext.tiers import catalog


@dataclass
class Held:
    """A slice at a device. `scale` is what was known of the task's times when it was cut."""

    slice: SliceRow
    profile: str
    scale: float

    def is_of(self, one: SliceRow) -> bool:
        return (self.slice.task, self.slice.number) == (one.task, one.number)


@dataclass
class Station:
    """One device. `tempo` is how fast it goes; `down` is since when and why it does not answer; moments in s since 1970 UTC. `most_shots` of one PUB
    it takes at a time.
    """

    held: list[Held] = field(default_factory=list)
    busy_until: float = 0.0
    current: str = ""
    tempo: Tempo = field(default_factory=Tempo)
    down: tuple[float, str] | None = None
    most_shots: float = math.inf


class Stations:
    def __init__(self, orders: Orders, policy: Policy) -> None:
        self._stations = {device: _station(device) for device in orders.devices}
        self._orders, self._policy = orders, policy
        self._absent = Station(down=(time.time(), "this broker does not serve it"))

    def __getitem__(self, device: str) -> Station:
        """Of a device that tasks name and this broker does not serve any more, one that is down."""
        return self._stations.get(device, self._absent)

    def add(self, device: str) -> None:
        if device not in self._stations:
            self._stations[device] = _station(device)

    def facts(self, device: str, now: float) -> DeviceFacts:
        station = self[device]
        return DeviceFacts(
            device,
            window=self._orders.window(device, now),
            down_since=None if station.down is None else station.down[0],
            drained=device in self._orders.drained,
            lease=self._orders.lease(device, now),
            busy_until=station.busy_until if station.held else 0.0,
            served=device in self._stations,
            most_shots=station.most_shots,
        )

    def down(self, device: str, why: str, now: float) -> None:
        """The first word of it counts: since when and why."""
        station = self[device]
        station.down = station.down or (now, why)

    def occupy(self, task: WaitingTask, one: SliceRow, now: float) -> None:
        """Of a profile's slots a task takes one, however many of its slices are there."""
        station = self._stations[one.device]
        if not self.slices_of(task.id):
            self._policy.usage.running[task.profile] += 1
        begin = max(now, station.busy_until) if station.held else now
        station.busy_until = begin + self._estimate(one)
        station.held.append(Held(one, task.profile, task.scale))
        station.current = task.id
        task.running = one.device

    def release(self, one: SliceRow, task: WaitingTask | None, now: float) -> bool:
        """Whether it was there: a second time is harmless."""
        station = self._stations[one.device]
        held = next((h for h in station.held if h.is_of(one)), None)
        if held is None:
            return False
        station.held.remove(held)
        station.busy_until = now + sum(self._estimate(h.slice) for h in station.held)
        if not self.slices_of(one.task):
            running = self._policy.usage.running
            running[held.profile] = max(0, running[held.profile] - 1)
            if task is not None:
                task.running = ""
        return True

    def forget(self, task_id: str) -> None:
        """It goes on no more."""
        for station in self._stations.values():
            if station.current == task_id:
                station.current = ""

    def slices_of(self, task_id: str) -> list[SliceRow]:
        return [h.slice for s in self._stations.values() for h in s.held if h.slice.task == task_id]

    def scale(self, one: SliceRow) -> float:
        return next((h.scale for h in self._stations[one.device].held if h.is_of(one)), 1.0)

    def _estimate(self, one: SliceRow) -> float:
        return seconds_of(one.pieces) + self._policy.overhead_s


def _station(device: str) -> Station:
    """With what is known of the device before it says anything itself."""
    known = catalog.bounds_of(device).max_shots if device in catalog.packaged_names() else 0
    return Station(most_shots=known or math.inf)
