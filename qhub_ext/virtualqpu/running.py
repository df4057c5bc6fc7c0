"""A program of PUBs on a machine, in the device's own time; a calibration may come between two PUBs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from qhub_ext.virtualqpu.calendar import Calendar
from qhub_ext.virtualqpu.line import VirtualTask
from qhub_ext.virtualqpu.machine import TASK_S, Machine, Program, Run


def run_program(machine: Machine, task: VirtualTask, calendar: Calendar, speed: float) -> str | None:
    """The encoded result; None when the task was stopped on the way. `speed` 10 makes a second of the device a tenth of one."""
    program = cast(Program, task.program)
    runs: list[Run] = []
    ready: list[Any] = []
    until, before = 0.0, -1
    task.qpu_s = TASK_S
    for number, pub in enumerate(program.pubs):
        while not calendar.occupy():
            if task.stop.wait(0.01):
                return None
        try:
            moment = calendar.now()
            device = machine.at(moment.cycle, moment.since)
            if moment.cycle != before:  # what was computed for the calibration before is not what the device does now
                until, before = time.monotonic() + (TASK_S if number == 0 else 0.0) / speed, moment.cycle
                ready[number:] = machine.results(program.name, program.pubs[number:], device)
            seconds = machine.seconds(pub, device)
            start = datetime.now(UTC)
            runs.append(Run(ready[number], device, moment.cycle, start, start + timedelta(seconds=seconds)))
            task.qpu_s += seconds
            until += seconds / speed
            # simulating took its own time; the device's is what the client should see
            if task.stop.wait(max(0.0, until - time.monotonic())):
                return None
        finally:
            calendar.leave()
    return machine.encode(program, runs)
