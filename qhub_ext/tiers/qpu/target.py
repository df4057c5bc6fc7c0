"""What a resource says of its device now: asked through its helper process, kept on the shelf with its date, used again while it is fresh."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qhub_ext.errors import Cause, DeviceError, InvalidOptionError, QhubError
from qhub_ext.job.calibration import Column, Snapshot
from qhub_ext.jobfolder.calibrations import CalibrationStore, read_document, read_snapshot
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers import catalog, devices, site_devices
from qhub_ext.tiers.age import check_age
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.findings import WARN, Finding
from qhub_ext.tiers.iqm import vendor_document
from qhub_ext.tiers.qpu.pool import process_for
from qhub_ext.tiers.qpu.resources import Resource
from qhub_ext.tiers.snapshots import read_document as read_vendor


@dataclass(frozen=True)
class Asked:
    """`unread` names what could not be read; `asked_at` in s since 1970 UTC."""

    snapshot: Snapshot
    document: dict[str, Any]
    unread: tuple[str, ...]
    asked_at: float


@dataclass(frozen=True)
class Live:
    """A device as its resource describes it, and what a user should know about that."""

    device: Device
    asked_at: float
    mark: str = ""
    findings: tuple[Finding, ...] = ()
    simulated: bool = False


_live: dict[str, Live] = {}
_asking = threading.Lock()


def ask_target(resource: Resource, settings: QpuSettings) -> Asked:
    """Asks now and keeps the answer. Raises DeviceError: it does not answer, or answers with nothing."""
    text = process_for(resource).call("target", deadline_s=settings.deadline_s)
    source = f"{'virtual QPU' if resource.virtual else 'resource'} {resource.name}"
    try:
        document = json.loads(text or "null")
        if isinstance(document, dict) and "configuration" in document and document["configuration"] is None:
            raise InvalidOptionError("Its configuration is null: circuits cannot be made ready for it.")
        reading = read_vendor(document, device=resource.device, source=source)
    except (ValueError, InvalidOptionError) as error:
        why = error.message if isinstance(error, QhubError) else "It is no JSON."
        raise DeviceError(
            f"{resource.title} gave a target that cannot be used. {why}",
            advice="The service answers to its name but not with its data: ask the operator of the resource.",
            cause=Cause.INTEGRATION,
        ) from error
    now = time.time()
    snapshot, document = reading.snapshot, dict(reading.document)
    store = CalibrationStore(site_devices.shelf())
    if not reading.dated:
        snapshot = _since(replace(snapshot, synthetic=resource.virtual), store)
    with contextlib.suppress(OSError):  # a shelf that may only be read, or a full one: it is asked again the next time
        store.confirm(store.put(snapshot, lambda: document), resource.name, now)
    return Asked(snapshot, document, reading.unread, now)


def _since(snapshot: Snapshot, store: CalibrationStore) -> Snapshot:
    """The same numbers that the device told before are the same calibration, though their document has no date."""
    try:
        entries = store.history(snapshot.device)
        before = read_snapshot(entries[-1].path) if entries else None
    except QhubError:  # torn
        return snapshot
    if before is None:
        return snapshot
    columns = {name: Column(one.values, before.column(name).at) for name, one in snapshot.columns.items()}
    same = replace(snapshot, taken_at=before.taken_at, columns=columns)
    return before if same.id == before.id else snapshot


def live_device(name: str, resource: Resource, settings: QpuSettings) -> Live:
    """The device as the resource says it is. An answer that is younger than `qpu.target_age_s` is used again; where there is no answer,
    the newest that is known stands in, with a finding. Raises DeviceError where nothing is known.
    """
    uncalibrated = resource.virtual and not resource.mark and not resource.brokered
    if uncalibrated and name in catalog.packaged_names():
        return Live(devices.load_packaged(name), time.time())  # it has not been calibrated yet: it is the package's
    with _asking:
        known = _live.get(name)
        if known is not None and _fresh(known.asked_at, known.mark, resource, settings):
            return known
        found = _kept(name, resource, settings)
        if found is None:
            try:
                asked = ask_target(resource, settings)
            except DeviceError as error:
                found = _stand_in(name, resource, error)
            else:
                found = _made(name, asked.document, asked.snapshot, asked.asked_at, resource.mark)
        if not (found.simulated or resource.virtual):
            found = replace(found, findings=(*found.findings, *check_age(found.device, "qpu")))
        _live[name] = found
        if name not in catalog.packaged_names():  # local and emulation know no other
            devices.install(found.device)
        return found


def _fresh(asked_at: float, mark: str, resource: Resource, settings: QpuSettings) -> bool:
    if resource.mark:
        return mark == resource.mark
    return time.time() - asked_at < settings.target_age_s


def _kept(name: str, resource: Resource, settings: QpuSettings) -> Live | None:
    """What another process asked for a short while ago."""
    if resource.mark:
        return None
    confirmed = CalibrationStore(site_devices.shelf()).confirmed(name, resource.name)
    if confirmed is None or not _fresh(confirmed[1], "", resource, settings):
        return None
    try:
        document = read_document(confirmed[0])
        if document is None:
            return None
        return _made(name, document, read_snapshot(confirmed[0]), confirmed[1])
    except QhubError:  # torn: it is asked anew
        return None


def _stand_in(name: str, resource: Resource, error: DeviceError) -> Live:
    packaged = name in catalog.packaged_names()
    if not packaged and site_devices.newest(name) is None:
        raise error
    if packaged:
        device = devices.load_packaged(name)
    else:
        device = _device(name, site_devices.document(name), site_devices.snapshot(name))
    sentence = (
        f"The present calibration of {name} cannot be had: {error.message.rstrip('.')}. "
        f"The one of {device.snapshot.taken_at:.10} stands in."
    )
    return Live(device, time.time(), resource.mark, (Finding(WARN, "calibration-unknown", sentence, error.advice),))


def _made(name: str, document: Mapping[str, Any], snapshot: Snapshot, asked_at: float, mark: str = "") -> Live:
    device = _device(name, vendor_document(document, snapshot), snapshot)
    return Live(device, asked_at, mark, simulated=bool(device.configuration.get("simulated")))


def _device(name: str, document: Mapping[str, Any], snapshot: Snapshot) -> Device:
    if name in catalog.packaged_names() and snapshot.id == catalog.read_snapshot(name).id:
        return devices.load_packaged(name)  # the package's numbers: one object for both
    return Device(name, document["configuration"], document["properties"], snapshot.source, snapshot)
