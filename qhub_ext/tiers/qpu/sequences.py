"""Pulser sequences on a device, through QRMI's types of Pasqal."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

from qhub_ext.errors import Cause, DeviceError, PreflightError
from qhub_ext.job.context import current
from qhub_ext.jobfolder.device_tasks import payload_digest
from qhub_ext.settings import current_settings
from qhub_ext.tiers.pulser_specs import specs_of
from qhub_ext.tiers.qpu.capabilities import SEQUENCES
from qhub_ext.tiers.qpu.resources import Resource
from qhub_ext.tiers.qpu.sending import Record, Sender
from qhub_ext.tiers.qpu.standing import find_resource, look_at, require
from qhub_ext.tiers.qpu.target import Asked, ask_target
from qhub_ext.tiers.qpu.task_spans import task_span


def sequence_resource(device: str, *, to_look: bool = False) -> Resource:
    """The resource that stands for a device and takes sequences, or only tells what the device is like. Raises DeviceError, PreflightError."""
    find = look_at if to_look else find_resource
    resource = find(device, current_settings().qpu, current().site)
    require(resource, SEQUENCES)
    return resource


def ask_device(resource: Resource) -> tuple[Any, Asked]:
    """The pulser Device that the service describes, and what of that is calibration. Raises DeviceError."""
    asked = ask_target(resource, current_settings().qpu)
    try:
        specs = specs_of(asked.document, resource.name)
        return import_module("pulser.abstract_repr").deserialize_device(specs), asked
    except Exception as error:
        raise DeviceError(
            f"{resource.title} gave a specification that cannot be used: {error}",
            advice="Ask the operator of the resource.",
            cause=Cause.INTEGRATION,
        ) from error


def fitted(sequence: Any, device: Any) -> tuple[Any, str]:
    """The sequence for the device that it is sent to, and a sentence when it was made for another. Raises PreflightError."""
    if sequence.device.name == device.name:
        return sequence, ""
    try:
        switched = sequence.with_new_device(device, strict=True)
    except (TypeError, ValueError) as error:
        raise PreflightError(
            f"The sequence was made for {sequence.device.name} and does not run the same on {device.name}: {error}",
            advice=f"Make it for {device.name}: qhub_ext.pulser_device() gives it.",
        ) from error
    return (
        switched,
        f"The sequence was made for {sequence.device.name} and is switched to {device.name}, where it does the same.",
    )


def run_sequence(
    sequence: Any, runs: int, resource: Resource, sent: list[Record], stopped: Callable[[], bool] = lambda: False
) -> dict[str, int] | None:
    """How often each pattern was seen; None when `stopped` said so."""
    text = sequence.to_abstract_repr()
    sender = Sender(resource, current_settings().qpu)
    payload = {"kind": "pulser", "sequence": text, "runs": runs}
    with task_span(resource, current_settings().broker.place) as moments:
        answer, record = sender.run(payload, payload_digest([text, runs]), sent, stopped, moments)
    if answer is None:
        return None
    try:
        counts = {str(bits): int(count) for bits, count in json.loads(answer)["counter"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise sender.odd(record, "it has no counter") from None
    if sum(counts.values()) != runs:
        raise sender.odd(record, f"it counts {sum(counts.values())} runs, not {runs}")
    sender.note(record, state="completed")
    return counts
