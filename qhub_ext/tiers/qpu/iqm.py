"""Circuits for IQM's servers: a batch of circuits of `prx`, `cz`, `measure`, with one number of shots for all of them.

What is written is the `PostJobsRequest` of iqm-station-control-client 14 (iqm/station_control/interface/models/circuit.py) with the
`Circuit` and `CircuitOperation` of iqm-pulse 15; keys of measurements are those of `MeasurementKey` in iqm-client 36
(iqm/qiskit_iqm/qiskit_to_iqm.py), so that IQM's own tools can read the result of a task by its id. What comes back is what QRMI makes of
two artifacts of a job (src/iqm/server.rs of qrmi 0.26): {"measurements": [{key: [[bit], ...]}, ...], "measurement_counts": ...}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Clbit, QuantumCircuit

from qhub_ext.errors import PreflightError
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.iqm import LACKS, MARK
from qhub_ext.tiers.qpu.writing import Answer, Bits, Group, UnreadableError, Written, packed

MOST_CIRCUITS = 200
"""Circuits in one task: the least `max_circuits_per_job` that IQM's cloud names for its devices."""

_TO_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12, "dt": 1e-9}


@dataclass(frozen=True)
class Step:
    """One instruction; `angles` may hold numbers or the expressions of parameters."""

    name: str
    locus: tuple[str, ...]
    angles: tuple[Any, ...] = ()
    key: str = ""
    duration_s: float = 0.0


@dataclass(frozen=True)
class Plan:
    """`clbits[key]` is the place of the bit that a measurement writes to."""

    name: str
    steps: tuple[Step, ...]
    clbits: Mapping[str, int]
    parameters: tuple[Any, ...]


class IqmWriter:
    def plan(self, circuit: QuantumCircuit, device: Device) -> Plan:
        names = device.configuration[MARK]["names"]
        calibrated = {tuple(locus) for locus in device.configuration[MARK]["cz"]}
        steps, clbits = [], {}
        for instruction in circuit.data:
            name = instruction.name
            locus = tuple(names[circuit.find_bit(qubit).index] for qubit in instruction.qubits)
            if name == "id":
                continue
            if name == "r":
                steps.append(Step("prx", locus, tuple(instruction.params)))
            elif name == "cz":
                steps.append(Step("cz", locus if locus in calibrated else locus[::-1]))
            elif name == "barrier":
                steps.append(Step("barrier", locus))
            elif name == "delay":
                operation = instruction.operation
                steps.append(Step("delay", locus, duration_s=float(operation.params[0]) * _TO_SECONDS[operation.unit]))
            elif name == "measure":
                (clbit,) = instruction.clbits
                key = _key(clbit, circuit)
                if key in clbits:
                    raise PreflightError(
                        f"{circuit.name} measures into one bit twice ({key}); IQM's servers keep each measurement under its own bit.",
                        advice="Give each measurement a bit of its own.",
                    )
                clbits[key] = circuit.find_bit(clbit).index
                steps.append(Step("measure", locus, key=key))
            else:
                raise PreflightError(
                    f"{circuit.name} has the instruction {name!r}, which is not written for IQM's servers.",
                    advice=f"{LACKS.get(name, '')} Written are r, cz, id, barrier, delay and measure.".strip(),
                )
        return Plan(circuit.name, tuple(steps), clbits, tuple(circuit.parameters))

    def tasks(self, groups: Sequence[Group]) -> list[list[int]]:
        """By their shots, and no more circuits together than a service takes."""
        found: list[list[int]] = []
        open_: dict[int, tuple[list[int], int]] = {}
        for place, group in enumerate(groups):
            shots = group[0].shots
            members, circuits = open_.get(shots, ([], MOST_CIRCUITS))
            if circuits + len(group) > MOST_CIRCUITS:
                members, circuits = [], 0
                found.append(members)
            members.append(place)
            open_[shots] = (members, circuits + len(group))
        return found

    def write(self, groups: Sequence[Group], device: Device, options: Mapping[str, Any]) -> Written:
        circuits = [circuit_json(e.prepared.plan, e.values) for group in groups for e in group]
        decoupled = (options.get("dynamical_decoupling") or {}).get("enable")
        request = {
            "circuits": circuits,
            "calibration_set_id": device.configuration[MARK]["calibration_set_id"],
            "shots": groups[0][0].shots,
            "dd_mode": "enabled" if decoupled else "disabled",
        }
        return Written({"kind": "iqm", "input": json.dumps(request)}, [circuits, request["shots"]])

    def read(self, text: str, groups: Sequence[Group]) -> Answer[Bits]:
        try:
            measured = json.loads(text)["measurements"]
        except (ValueError, KeyError, TypeError):
            raise UnreadableError("it has no measurements") from None
        wanted = sum(len(group) for group in groups)
        if not isinstance(measured, list) or len(measured) != wanted:
            number = len(measured) if isinstance(measured, list) else "no"
            raise UnreadableError(f"it has {number} circuits, not {wanted}")
        rest = iter(measured)
        return Answer([[_bits(next(rest), execution) for execution in group] for group in groups])


def circuit_json(plan: Plan, values: Sequence[float]) -> dict[str, Any]:
    """A circuit with its values, as IQM's servers read it."""
    bound = dict(zip(plan.parameters, values, strict=True))
    return {"name": plan.name or "circuit", "instructions": [_instruction(step, bound) for step in plan.steps]}


def _instruction(step: Step, bound: Mapping[Any, float]) -> dict[str, Any]:
    args: dict[str, Any] = {}
    if step.name == "prx":
        args = {"angle": _number(step.angles[0], bound), "phase": _number(step.angles[1], bound)}
    elif step.name == "measure":
        args = {"key": step.key}
    elif step.name == "delay":
        args = {"duration": step.duration_s}
    return {"name": step.name, "locus": list(step.locus), "args": args}


def _number(angle: Any, bound: Mapping[Any, float]) -> float:
    if hasattr(angle, "parameters"):
        angle = angle.bind({parameter: bound[parameter] for parameter in angle.parameters})
    return float(angle)


def _key(clbit: Clbit, circuit: QuantumCircuit) -> str:
    location = circuit.find_bit(clbit)
    if not location.registers:  # Qiskit allows a bit of no register; it stands in one behind the others
        return f"loose_{circuit.num_clbits}_{len(circuit.cregs)}_{location.index}"
    register, place = location.registers[0]
    return f"{register.name}_{register.size}_{circuit.cregs.index(register)}_{place}"


def _bits(measured: Any, execution: Any) -> NDArray[np.uint8]:
    plan, width, shots = execution.prepared.plan, execution.prepared.circuit.num_clbits, execution.shots
    single = np.zeros((shots, width), dtype=np.uint8)
    for key, place in plan.clbits.items():
        try:
            column = np.asarray(measured[key])
        except (KeyError, TypeError, ValueError):
            raise UnreadableError(f"{plan.name} has no measurement {key}") from None
        if column.shape != (shots, 1) or not np.isin(column, (0, 1)).all():
            raise UnreadableError(f"the measurement {key} is no column of {shots} bits")
        single[:, width - 1 - place] = column[:, 0]
    return packed(single)


_EVENT = re.compile(
    r"^\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) \[[^\]]*\] (received|execution_started|execution_ended)\s*$", re.M
)


def timeline_seconds(log: str) -> tuple[float | None, float | None]:
    """Seconds in the service's queue and on the device, from the timeline that QRMI gives as the log of a task; None where it does not
    tell both moments.
    """
    at = {event: datetime.fromisoformat(moment) for moment, event in _EVENT.findall(log)}

    def between(first: str, last: str) -> float | None:
        return max(0.0, (at[last] - at[first]).total_seconds()) if first in at and last in at else None

    return between("received", "execution_started"), between("execution_started", "execution_ended")
