"""The tier qpu: circuits go to the device as PUBs of one task, and come back as bits.

A task is written down before it is sent. When the answer to the start is lost, the task may exist: it is said to be uncertain and is
never sent again.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BitArray, PrimitiveResult

from qhub_ext.errors import DeviceError
from qhub_ext.job.context import current
from qhub_ext.jobfolder.device_tasks import payload_digest
from qhub_ext.settings import QpuSettings, current_settings
from qhub_ext.tiers.backend import Execution, Outcome, Prepared
from qhub_ext.tiers.device_options import SENT, check_randomizations, check_rep_delay
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.facts import shot_seconds
from qhub_ext.tiers.fingerprint import fingerprint
from qhub_ext.tiers.preflight import WARN, Finding, PreflightWarning
from qhub_ext.tiers.qpu.capabilities import PRIMITIVES
from qhub_ext.tiers.qpu.pool import _processes, process_for  # noqa: F401 - tests look into the pool through the tier
from qhub_ext.tiers.qpu.resources import Resource, resource_for
from qhub_ext.tiers.qpu.sending import Sender
from qhub_ext.tiers.qpu.standing import brokered, find_resource, require
from qhub_ext.tiers.qpu.target import ask_target, live_device
from qhub_ext.tiers.qpu.virtual import running_resource
from qhub_ext.tiers.qpu.wire import quantum_seconds, to_qasm, untagged
from qhub_ext.tiers.reduce import active_qubits


def present_device(device: Device) -> Device:
    """The device as what stands for it describes it now. A virtual QPU is not started for that."""
    settings, broker = current_settings().qpu, current_settings().broker.socket
    resource = resource_for(device.name, settings) if broker is None else brokered(device.name, broker)
    if resource is None and settings.virtual_at(current().site):
        resource = running_resource(device.name, settings)
    if resource is None:
        return device
    require(resource, PRIMITIVES)
    return live_device(device.name, resource, settings).device


def open_qpu(device: Device, options: Mapping[str, Any], *, memory_mb: int | None, cpus: int | None) -> DeviceBackend:  # noqa: ARG001 - the device needs neither
    settings = current_settings().qpu
    resource = find_resource(device.name, settings, current().site)
    require(resource, PRIMITIVES)
    live = live_device(device.name, resource, settings)
    check_rep_delay(options, live.device.configuration, device.name)
    findings = [*live.findings, *(_not_simulated(options, device.name) if resource.virtual else ())]
    return DeviceBackend(live.device, options, settings, resource, findings, live.asked_at)


def _not_simulated(options: Mapping[str, Any], device: str) -> list[Finding]:
    names = ", ".join(name for name in options if name in SENT)
    sentence = f"The virtual {device} takes {names} as the device would, and simulates nothing of it."
    return [Finding(WARN, "option-not-simulated", sentence)] if names else []


@dataclass(eq=False)
class DeviceBackend:
    """`sent` has a line per task that went to the device: its id there, state, times and seconds of QPU. `asked_at` is when the device's
    calibration was asked for, in s since 1970 UTC.
    """

    device: Device
    options: Mapping[str, Any]
    settings: QpuSettings
    resource: Resource
    findings: Sequence[Finding] = ()
    asked_at: float = 0.0
    tier: str = "qpu"
    sent: list[dict[str, Any]] = field(default_factory=list)

    together = True
    """All PUBs of a call are one task: each task waits in the device's queue."""

    def prepare(self, circuit: QuantumCircuit, shots: int, mark: bytes | None = None) -> Prepared:
        check_randomizations(self.options, shots)
        return Prepared(
            circuit=circuit,
            active=active_qubits(circuit),
            fingerprint=fingerprint(circuit) if mark is None else mark,
            parameters=tuple(range(circuit.num_parameters)),
            qpu_s_per_shot=self._shot_seconds(circuit),
            plan=to_qasm(circuit),
        )

    def _shot_seconds(self, circuit: QuantumCircuit) -> float | None:
        seconds, asked = shot_seconds(circuit, self.device), (self.options.get("execution") or {}).get("rep_delay")
        if seconds is None or asked is None:
            return seconds
        return seconds - (self.device.rep_delay_s or 0.0) + float(asked)

    def execute(
        self,
        batch: Sequence[Execution],
        seed: int,  # noqa: ARG002 - a device has none
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Outcome]:
        places: dict[tuple[int, int], list[int]] = {}
        for place, execution in enumerate(batch):
            places.setdefault((id(execution.prepared), execution.shots), []).append(place)
        groups = [[batch[place] for place in some] for some in places.values()]
        if not groups or stopped():
            return
        pubs = [_pub(group) for group in groups]
        result, record = self._run(pubs, stopped)
        if len(record.get("snapshots", ())) > 1 and result is not None:
            if self.settings.on_calibration_change == "restart":
                result, record = self._run(
                    pubs, stopped
                )  # once: a device that is calibrated all the time must not cost for ever
            elif self.settings.on_calibration_change == "flag":
                warnings.warn(
                    f"{self.device.name} was calibrated while the task {record['task']} ran: its PUBs have different noise.",
                    PreflightWarning,
                    stacklevel=2,
                )
        if result is None:
            return
        if len(result) != len(groups):
            raise self.sender.odd(f"it has {len(result)} parts for {len(groups)} PUBs")
        seconds = (record.get("qpu_s") or record["running_s"] or 0.0) / len(batch)
        method = {"method": "device", "reason": self.resource.name, "virtual": self.resource.virtual}
        rows: dict[int, NDArray[np.uint8]] = {}
        for some, group, part in zip(places.values(), groups, result, strict=True):
            rows |= zip(some, self._bits(part.data, group), strict=True)
        for place, execution in enumerate(batch):
            yield Outcome(rows[place], None, execution.shots, None, method, seconds)

    # ------------------------------------------------------------------ one task

    def _run(self, pubs: list[Any], stopped: Callable[[], bool]) -> tuple[PrimitiveResult[Any] | None, dict[str, Any]]:
        content = json.dumps(
            {"pubs": pubs, "version": 2, "support_qiskit": True, "options": _vendor_options(self.options)}
        )
        payload = {"kind": "primitive", "program": "sampler", "input": content}
        text, record = self.sender.run(payload, payload_digest(pubs), self.sent, stopped)
        if text is None:
            return None, record
        try:
            result = untagged(json.loads(text))
        except ValueError:
            raise self.sender.odd("it is no JSON") from None
        if not isinstance(result, PrimitiveResult):
            raise self.sender.odd("it is no result of a primitive")
        record["qpu_s"] = quantum_seconds(result.metadata)
        self._note_calibration(result.metadata, record)
        self.sender.note(record, state="completed")
        return result, record

    @cached_property
    def sender(self) -> Sender:
        return Sender(self.resource, self.settings)

    def _note_calibration(self, metadata: Mapping[str, Any], record: dict[str, Any]) -> None:
        """Under which snapshots the task ran, as its result says, or as the device says before and after; new ones are kept."""
        ids = [str(identity) for identity in metadata.get("snapshots") or ()]
        known = self.device.snapshot.id
        told = bool(ids)
        record["snapshots"], record["snapshots_by"] = ids or [known], "result" if told else "device"
        elsewhere = [identity for identity in ids if identity != known]
        if not elsewhere and (told or time.time() - self.asked_at < self.settings.target_age_s):
            return
        try:
            asked = ask_target(self.resource, self.settings)
        except DeviceError:  # the task has its result; that its calibration cannot be had is in the record
            return
        pin = current().pin
        if pin is not None and (not told or asked.snapshot.id in elsewhere):
            pin(asked.snapshot, lambda: asked.document)
        if not told:
            record["snapshots"] = list(dict.fromkeys([known, asked.snapshot.id]))

    def _bits(self, data: Any, group: list[Execution]) -> list[NDArray[np.uint8]]:
        """Per execution, all clbits of the circuit per shot, packed big-endian, the last clbit first."""
        circuit, shots = group[0].prepared.circuit, group[0].shots
        single = np.zeros((len(group), shots, circuit.num_clbits), dtype=np.uint8)
        for register in circuit.cregs:
            array = data.get(register.name) if isinstance(data, dict) else getattr(data, register.name, None)
            if not isinstance(array, BitArray):
                if register.size == 0:
                    continue
                raise self.sender.odd(f"it has no register {register.name!r}")
            if array.num_shots != shots or array.size != len(group) or array.num_bits != register.size:
                raise self.sender.odd(
                    f"register {register.name!r} has {array.size} x {array.num_shots} shots of {array.num_bits} bits, "
                    f"not {len(group)} x {shots} of {register.size}"
                )
            bits = np.unpackbits(array.array.reshape(len(group), shots, -1), axis=-1)[..., -register.size :]
            places = [circuit.num_clbits - 1 - circuit.find_bit(bit).index for bit in reversed(register)]
            single[..., places] = bits
        padding = -circuit.num_clbits % 8
        packed = np.packbits(np.pad(single, [(0, 0), (0, 0), (padding, 0)]), axis=-1)
        return list(packed)


def _pub(group: list[Execution]) -> list[Any]:
    first = group[0]
    values = [list(execution.values) for execution in group]
    if len(group) == 1:
        return [first.prepared.plan, values[0] or None, first.shots]
    return [first.prepared.plan, values, first.shots]


def _vendor_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
