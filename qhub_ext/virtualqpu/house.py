"""The devices of one server: opened when they are first asked for, each with its machine, its line of tasks and its calendar."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.tiers import catalog
from qhub_ext.tiers.devices import Device
from qhub_ext.virtualqpu import iqm_machine
from qhub_ext.virtualqpu.calendar import Calendar, Moment
from qhub_ext.virtualqpu.faults import Faults
from qhub_ext.virtualqpu.iqm_machine import IqmMachine
from qhub_ext.virtualqpu.line import Line, VirtualTask
from qhub_ext.virtualqpu.machine import Machine
from qhub_ext.virtualqpu.pasqal import Bench
from qhub_ext.virtualqpu.running import run_program


@dataclass(frozen=True)
class Cycles:
    """How the devices of a house are calibrated: every `period_s` (None: when told to) for `window_s`, in their own time.

    `replay` has the vendor's documents of several real snapshots per device, see `Machine`.
    """

    period_s: float | None = None
    window_s: float = 600.0
    seed: int = 0
    replay: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


NEVER = Cycles()


class House:
    """The devices of one server; each is opened when it is first asked for. `devices` empty: any of the catalog. `our_qpu=manila` is a
    manila that is called our_qpu.
    """

    def __init__(self, devices: tuple[str, ...], speed: float, cycles: Cycles = NEVER) -> None:
        self._models = dict(_called(words) for words in devices)
        self.devices = tuple(self._models)
        self.speed = speed
        self.cycles = cycles
        self.faults = Faults()
        self.instance = uuid.uuid4().hex
        self.last_asked = time.monotonic()
        self._machines: dict[str, Machine] = {}
        self._lines: dict[str, Line] = {}
        self._calendars: dict[str, Calendar] = {}
        self._opened = threading.RLock()
        self.sequences = Bench(self.faults, speed, self.calendar)

    def resolve(self, name: str) -> str:
        """Raises UnknownNameError."""
        found = name if name in (*self._models, *iqm_machine.NAMES) else catalog.resolve(name)
        if self.devices and found not in self.devices:
            raise UnknownNameError.among("device", name, list(self.devices))
        return found

    def machine(self, name: str) -> Machine:
        with self._opened:
            if name not in self._machines:
                replay = self.cycles.replay.get(name, ())
                self._machines[name] = (
                    IqmMachine(name, seed=self.cycles.seed, replay=replay)
                    if name in iqm_machine.NAMES
                    else Machine(name, self._models.get(name, name), seed=self.cycles.seed, replay=replay)
                )
            return self._machines[name]

    def calendar(self, name: str) -> Calendar:
        with self._opened:
            if name not in self._calendars:
                self._calendars[name] = Calendar(self.cycles.period_s, self.cycles.window_s, self.speed)
            return self._calendars[name]

    def present(self, name: str) -> Device:
        """The device with the snapshot that is in force now."""
        moment = self.calendar(name).now()
        return self.machine(name).at(moment.cycle, moment.since)

    def moment(self, name: str) -> Moment:
        return self.calendar(name).now()

    def line(self, name: str) -> Line:
        with self._opened:
            if name not in self._lines:
                calendar = self.calendar(name)
                self._lines[name] = Line(
                    lambda task: run_program(self.machine(name), task, calendar, self.speed), self.faults, calendar
                )
            return self._lines[name]

    def lines(self) -> dict[str, Line]:
        return dict(self._lines)

    def task(self, task_id: str) -> tuple[Line, VirtualTask] | None:
        for line in self._lines.values():
            task = line.get(task_id)
            if task is not None:
                return line, task
        return None

    @property
    def busy(self) -> bool:
        return any(line.length for line in (*self._lines.values(), *self.sequences.lines))

    def marks(self) -> dict[str, str]:
        """Per device that has been calibrated here, a word that changes with each calibration."""
        cycles = {name: calendar.now().cycle for name, calendar in dict(self._calendars).items()}
        return {name: f"{self.instance} {cycle}" for name, cycle in cycles.items() if cycle}

    def standing(self) -> dict[str, dict[str, Any]]:
        """Per device that somebody has used: tasks that wait or run, and its calendar (s since 1970 UTC)."""
        found = {}
        for name in {*self._lines, *self._machines}:
            moment, line = self.calendar(name).now(), self._lines.get(name)
            found[name] = {
                "queue": line.length if line else 0,
                "calibrating_until": moment.until,
                "next_calibration_at": moment.next_at,
            }
        return found

    def known(self) -> list[str]:
        return list(self.devices) or sorted({*self._lines, *self._machines})

    def close(self, wait_s: float = 0.0) -> None:
        for line in (*self._lines.values(), *self.sequences.lines):
            line.close(wait_s)


def _called(words: str) -> tuple[str, str]:
    """`kingston` or `NAME=kingston` -> (name, device). Raises UnknownNameError."""
    name, equals, model = words.partition("=")
    if name in iqm_machine.NAMES and not equals:
        return name, name
    if model in iqm_machine.NAMES:
        raise InvalidOptionError(f"A virtual {model} goes by that name only.", advice=f"Write --device {model}.")
    found = catalog.resolve(model if equals else name)
    return (name.strip(), found) if equals else (found, found)
