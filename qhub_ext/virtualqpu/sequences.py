"""A device of neutral atoms: takes Pulser sequences, simulates them with pulser-simulation, and takes as long as such a device does.

Its specification is that of Pulser's own AnalogDevice under the name that the service knows, with detection errors of the size that Pasqal
reports: that is its noise, and what it tells of its calibration.
"""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.sequences import emulate
from qhub_ext.virtualqpu.calendar import Calendar
from qhub_ext.virtualqpu.line import VirtualTask

DEVICES = ("FRESNEL", "FRESNEL_CAN1", "EMU_FREE", "EMU_FRESNEL", "EMU_MPS")
"""The names that QRMI's type pasqal-cloud accepts."""

SHOT_S = 0.25
"""Loading, rearranging and imaging the atoms, once per run: a few runs in a second."""
TASK_S = 2.0
FALSE_POSITIVE, FALSE_NEGATIVE = 0.01, 0.05


@dataclass(frozen=True)
class SequenceProgram:
    """`text` is Pulser's abstract representation, `runs` how often it is run."""

    text: str
    runs: int
    name: str = "pulser"


class SequenceMachine:
    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def device(self) -> Any:
        model = import_module("pulser").NoiseModel(p_false_pos=FALSE_POSITIVE, p_false_neg=FALSE_NEGATIVE)
        return replace(import_module("pulser.devices").AnalogDevice, name=self.name, noise_model=model)

    def specs(self) -> str:
        return str(self.device.to_abstract_repr())

    def read(self, body: dict[str, Any]) -> SequenceProgram:
        """Raises InvalidOptionError in the words of a service that refuses a request."""
        jobs, text = body.get("jobs"), body.get("sequence_builder")
        if not isinstance(jobs, list) or len(jobs) != 1 or not isinstance(jobs[0], dict):
            raise InvalidOptionError("`jobs` must be a list with one job.")
        runs = jobs[0].get("runs")
        if isinstance(runs, bool) or not isinstance(runs, int) or not 1 <= runs <= self.device.max_runs:
            raise InvalidOptionError(
                f"{runs!r} runs are not accepted.", advice=f"Accepted: 1 to {self.device.max_runs}."
            )
        sequence = self._sequence(text)
        if sequence.is_parametrized() or sequence.is_register_mappable():
            raise InvalidOptionError("The sequence still has variables without values.")
        return SequenceProgram(str(text), runs)

    def perform(self, task: VirtualTask, program: SequenceProgram, calendar: Calendar, speed: float) -> str | None:
        while not calendar.occupy():
            if task.stop.wait(0.01):
                return None
        try:
            began = time.monotonic()
            counts = self._counts(program)
            task.qpu_s = TASK_S + program.runs * SHOT_S
            if task.stop.wait(max(0.0, task.qpu_s / speed - (time.monotonic() - began))):
                return None
            return json.dumps({"counter": counts})
        finally:
            calendar.leave()

    def _sequence(self, text: Any) -> Any:
        try:
            return import_module("pulser").Sequence.from_abstract_repr(text)
        except Exception as error:
            raise InvalidOptionError(f"The sequence cannot be read: {error}") from error

    def _counts(self, program: SequenceProgram) -> dict[str, int]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a device does not warn
            results = emulate(self._sequence(program.text), program.runs, noise_model=self.device.noise_model)
        return {str(bits): int(count) for bits, count in results.final_bitstrings.items()}
