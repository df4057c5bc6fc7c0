"""The tier qpu: circuits go to the device as those of one task, written as its type reads them, and come back as bits.

A task is written down before it is sent. When the answer to the start is lost, the task may exist: it is said to be uncertain and is
never sent again.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import PrimitiveResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qhub_ext.errors import DeviceError
from qhub_ext.job.context import current
from qhub_ext.jobfolder.device_tasks import payload_digest
from qhub_ext.settings import QpuSettings, current_settings
from qhub_ext.tiers.backend import Execution, Outcome, Prepared
from qhub_ext.tiers.device_options import ESTIMATED, SENT, check_randomizations, check_rep_delay, own_estimator
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.facts import circuit_seconds, shot_seconds
from qhub_ext.tiers.findings import WARN, Finding, PreflightWarning
from qhub_ext.tiers.fingerprint import fingerprint
from qhub_ext.tiers.preflight import note_tier
from qhub_ext.tiers.qpu.brokered import resource_at
from qhub_ext.tiers.qpu.capabilities import CIRCUITS, IQM_CIRCUITS
from qhub_ext.tiers.qpu.ibm import IbmWriter, read_estimator, write_estimator
from qhub_ext.tiers.qpu.iqm import IqmWriter, timeline_seconds
from qhub_ext.tiers.qpu.pool import _processes, process_for  # noqa: F401 - tests look into the pool through the tier
from qhub_ext.tiers.qpu.resources import Resource, resource_for
from qhub_ext.tiers.qpu.sending import Sender
from qhub_ext.tiers.qpu.standing import find_resource, require
from qhub_ext.tiers.qpu.target import ask_target, live_device
from qhub_ext.tiers.qpu.task_spans import task_span
from qhub_ext.tiers.qpu.virtual import running_resource
from qhub_ext.tiers.qpu.writing import Answer, UnreadableError, Writer, Written
from qhub_ext.tiers.reduce import active_qubits

T = TypeVar("T")


def present_device(device: Device) -> Device:
    """The device as what stands for it describes it now. A virtual QPU is not started for that."""
    settings, broker = current_settings().qpu, current_settings().broker.shared
    resource = resource_for(device.name, settings) if broker is None else resource_at(broker, device.name)
    if resource is None and broker is None and settings.virtual_at(current().site):
        resource = running_resource(device.name, settings)
    if resource is None:
        return device
    require(resource, *CIRCUITS)
    return live_device(device.name, resource, settings).device


def open_qpu(device: Device, options: Mapping[str, Any], *, memory_mb: int | None, cpus: int | None) -> DeviceBackend:  # noqa: ARG001 - the device needs neither
    settings = current_settings().qpu
    resource = find_resource(device.name, settings, current().site)
    require(resource, *CIRCUITS)
    live = live_device(device.name, resource, settings)
    check_rep_delay(options, live.device.configuration, device.name)
    simulated = resource.virtual or live.simulated
    findings = [note_tier("qpu", simulated=simulated), *live.findings]
    findings += _not_simulated(options, device.name) if resource.virtual else []
    return DeviceBackend(live.device, options, settings, resource, findings, live.asked_at)


def _not_simulated(options: Mapping[str, Any], device: str) -> list[Finding]:
    names = ", ".join(name for name in options if name in (*SENT, *ESTIMATED))
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
        if not own_estimator(self.options):  # which chooses its own shots
            check_randomizations(self.options, shots)
        return Prepared(
            circuit=circuit,
            active=active_qubits(circuit),
            fingerprint=fingerprint(circuit) if mark is None else mark,
            parameters=tuple(range(circuit.num_parameters)),
            qpu_s_per_shot=self._shot_seconds(circuit),
            least_s_per_shot=circuit_seconds(circuit, self.device) if self.device.rep_delay_s is None else None,
            plan=self.writer.plan(circuit, self.device),
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
        rows: dict[int, tuple[NDArray[np.uint8], float]] = {}
        numbered = list(places.values())
        for members in self.writer.tasks(groups):
            some = [groups[member] for member in members]
            written = self.writer.write(some, self.device, self.options)
            answer, record = self._settled(written, lambda text, some=some: self.writer.read(text, some), stopped)  # type: ignore[misc]
            if answer is None:
                return
            seconds = (record.get("qpu_s") or record["running_s"] or 0.0) / sum(len(group) for group in some)
            for member, bits in zip(members, answer.content, strict=True):
                rows |= {place: (one, seconds) for place, one in zip(numbered[member], bits, strict=True)}
        for place, execution in enumerate(batch):
            yield Outcome(rows[place][0], None, execution.shots, None, self.method, rows[place][1])

    # ------------------------------------------------------------------ one task

    def _settled(
        self, written: Written, read: Callable[[str], Answer[T]], stopped: Callable[[], bool]
    ) -> tuple[Answer[T] | None, dict[str, Any]]:
        """A task's answer; of a second one where the device was calibrated in the middle of the first, and the site wants that."""
        answer, record = self._run(written, read, stopped)
        if len(record.get("snapshots", ())) > 1 and answer is not None:
            if self.settings.on_calibration_change == "restart":
                # once: a device that is calibrated all the time must not cost for ever
                return self._run(written, read, stopped)
            if self.settings.on_calibration_change == "flag":
                warnings.warn(
                    f"{self.device.name} was calibrated while the task {record['task']} ran: its PUBs have different noise.",
                    PreflightWarning,
                    stacklevel=3,
                )
        return answer, record

    def _run(
        self, written: Written, read: Callable[[str], Answer[T]], stopped: Callable[[], bool]
    ) -> tuple[Answer[T] | None, dict[str, Any]]:
        with task_span(self.resource, current_settings().broker.place) as moments:
            digest = payload_digest(written.content)
            text, record = self.sender.run(written.payload, digest, self.sent, stopped, moments)
            if text is None:
                return None, record
            try:
                answer = read(text)
            except (UnreadableError, DeviceError) as error:  # it ran all the same, and that is known
                self.sender.note(record, state="completed")
                raise self.sender.odd(record, error) from None
            record["qpu_s"] = answer.qpu_s
            if self.resource.can.timeline:
                queued, record["qpu_s"] = self._told_seconds(record["task"])
                if queued is not None:  # from here only the end was seen
                    whole = record["queued_s"] + record["running_s"]
                    record["queued_s"] = min(queued, whole)
                    record["running_s"] = whole - record["queued_s"]
            moments.qpu_s, moments.intervals = record["qpu_s"], answer.intervals
        self._note_calibration(answer.snapshots, record)
        self.sender.note(record, state="completed")
        return answer, record

    def _told_seconds(self, task: str) -> tuple[float | None, float | None]:
        """Seconds in the device's queue and on it, as its service tells; the broker has those of all slices."""
        if self.resource.brokered:
            process = process_for(self.resource)
            return None, process.call("task_seconds", task, deadline_s=self.settings.deadline_s)
        return timeline_seconds(self.sender.log(task))

    def estimate(
        self, pubs: Sequence[EstimatorPub], stopped: Callable[[], bool] = lambda: False
    ) -> tuple[PrimitiveResult[Any], float] | None:
        """What the service's own estimator makes of PUBs, and its seconds; None when `stopped` said so."""
        written = write_estimator(pubs, self.options)
        answer, record = self._settled(written, lambda text: read_estimator(text, pubs), stopped)
        return None if answer is None else (answer.content, record.get("qpu_s") or record["running_s"] or 0.0)

    @property
    def method(self) -> dict[str, Any]:
        return {"method": "device", "reason": self.resource.name, "virtual": self.resource.virtual}

    @cached_property
    def writer(self) -> Writer:
        return IqmWriter() if self.resource.can.takes == IQM_CIRCUITS else IbmWriter()

    @cached_property
    def sender(self) -> Sender:
        return Sender(self.resource, self.settings)

    def _note_calibration(self, told_ids: Sequence[str], record: dict[str, Any]) -> None:
        """Under which snapshots the task ran, as its result says, or as the device says before and after; new ones are kept."""
        known = self.device.snapshot.id
        if self.resource.can.pinned:
            record["snapshots"], record["snapshots_by"] = [known], "request"
            return
        ids, told = list(told_ids), bool(told_ids)
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
