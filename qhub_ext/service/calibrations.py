"""Calibration snapshots as people ask for them: a device's history, a vendor's file in or out, what a job ran under."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.errors import InvalidOptionError, JobFolderError, UnknownNameError, UserError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.calibrations import DIGITS, CalibrationStore, Entry, read_document, read_pinned, read_snapshot
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.tasks import read_tasks
from qhub_ext.settings import Settings
from qhub_ext.tiers import catalog
from qhub_ext.tiers import snapshots as vendors


@dataclass(frozen=True)
class Imported:
    """`unread` has a sentence for each thing in the file that could not be read."""

    snapshot: Snapshot
    unread: tuple[str, ...]
    path: Path


def own_name(device: str) -> str:
    """A device that is known by its own name; any other as it is called."""
    try:
        return catalog.resolve(device)
    except UnknownNameError:
        return device.strip()


def is_known(device: str, shelf: Path) -> bool:
    """Whether a name is one of a device whose calibration is known."""
    return own_name(device) in {*catalog.packaged_names(), *CalibrationStore(shelf).devices()}


def refresh(device: str, settings: Settings) -> Imported:
    """Asks the resource that stands for a device for its calibration now. Raises DeviceError, PreflightError."""
    from qhub_ext.tiers.qpu.standing import look_at
    from qhub_ext.tiers.qpu.target import ask_target

    name = own_name(device)
    asked = ask_target(look_at(name, settings.qpu, settings.site_of("qpu")), settings.qpu)
    path = CalibrationStore(settings.shelf).put(asked.snapshot, lambda: asked.document)
    return Imported(asked.snapshot, asked.unread, path)


def before(snapshot: Snapshot, shelf: Path) -> Snapshot:
    """The calibration of the same device before this one. Raises UnknownNameError where none is known."""
    older = [
        entry
        for entry in history(snapshot.device, shelf)
        if entry.taken_at < snapshot.taken_at and (snapshot.synthetic or not entry.simulated)
    ]
    if not older:
        raise UnknownNameError(
            f"Of {snapshot.device} no calibration before that of {snapshot.taken_at:.16} is known.",
            advice="`--drift SNAPSHOT` compares with any other; `--history` lists them, `--import FILE` adds one.",
        )
    return snapshot_of(snapshot.device, shelf, older[-1].digest)


def snapshot_of(device: str, shelf: Path, which: str = "") -> Snapshot:
    """A snapshot by the first digits of its id, or the newest that is known. Raises UnknownNameError."""
    name, store = own_name(device), CalibrationStore(shelf)
    packaged = catalog.read_snapshot(name) if name in catalog.packaged_names() else None
    if not which:
        latest = store.latest(name)
        if latest is None and packaged is None:  # of one that only a virtual QPU stands for, what that told
            latest = next(iter(reversed(store.history(name))), None)
        if latest is not None and (packaged is None or latest.taken_at > packaged.taken_at):
            return read_snapshot(latest.path)
        if packaged is not None:
            return packaged
        if name in catalog.names():
            raise UnknownNameError(
                f"Nothing is known of {name} yet: it was never asked for its calibration.",
                advice=f"`qhub calibration {name} --refresh` asks what stands for it.",
            )
        known = [*store.devices(), *catalog.names()]
        raise UnknownNameError.among("calibration of the device", device, known)
    digits = which.removeprefix("sha256:")
    if packaged is not None and packaged.id.removeprefix("sha256:").startswith(digits):
        return packaged
    entry = store.find(which, name)
    if entry is None:
        known = [e.digest for e in store.history(name)]
        raise UnknownNameError.among(f"snapshot of {name}", which, known)
    return read_snapshot(entry.path)


def history(device: str, shelf: Path) -> list[Entry]:
    """The snapshots of a device that were met, the one of the installed package among them; the oldest first."""
    name = own_name(device)
    found = CalibrationStore(shelf).history(name)
    if name in catalog.packaged_names():
        identity, taken_at = catalog.snapshot_of(name)
        digest = identity.removeprefix("sha256:")[:DIGITS]
        if digest not in {entry.digest for entry in found}:
            found.append(Entry(name, taken_at, digest, Path()))
    if not found:
        raise UnknownNameError.among("calibration of the device", device, catalog.names())
    return sorted(found, key=lambda entry: entry.taken_at)


def import_document(path: Path, device: str, shelf: Path) -> Imported:
    """Reads a vendor's JSON, as QRMI gives it, into the store. Raises UserError with what is wrong with the file."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.") from error
    try:
        reading = vendors.read_document(document, device=own_name(device), source=f"file {path.name}")
    except InvalidOptionError as error:
        raise InvalidOptionError(f"{path}: {error.message}", advice=error.advice) from error
    placed = CalibrationStore(shelf).put(reading.snapshot, lambda: reading.document)
    return Imported(reading.snapshot, reading.unread, placed)


def export_document(device: str, path: Path, shelf: Path, which: str = "") -> Snapshot:
    """Writes the vendor's JSON of a snapshot, which `import_document` and everything that reads QRMI's targets understand."""
    snapshot = snapshot_of(device, shelf, which)
    document: Mapping[str, Any] | None = None
    if snapshot.device in catalog.packaged_names() and snapshot.id == catalog.read_snapshot(snapshot.device).id:
        name = snapshot.device
        document = {"configuration": catalog.read_configuration(name), "properties": catalog.read_properties(name)}
    else:
        entry = CalibrationStore(shelf).find(snapshot.id, snapshot.device)
        document = None if entry is None else read_document(entry.path)
    if document is None:
        raise UserError(
            f"Of the snapshot {snapshot.id[:23]} only the numbers are kept, not what {snapshot.device}'s vendor sent.",
            advice="`--json` prints the snapshot itself.",
        )
    try:
        write_beside(path, json.dumps(document).encode())
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error
    return snapshot


@dataclass(frozen=True)
class Seen:
    """What one task of a job ran under, and where. `snapshots` are ids in order: more than one where the device was calibrated in the
    middle. `edges` counts the two-qubit gates on each; `success` is what was expected of a shot, None where nothing was said.
    """

    task: str
    primitive: str
    snapshots: tuple[str, ...]
    qubits: tuple[int, ...]
    edges: Mapping[tuple[int, int], int]
    success: float | None
    device: str


@dataclass(frozen=True)
class JobCalibration:
    """`at_submission` and `at_start` are ids, "" where they are not known. `missing` are ids whose numbers nobody kept."""

    at_submission: str
    at_start: str
    tasks: tuple[Seen, ...]
    snapshots: Mapping[str, Snapshot]
    missing: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether the device was calibrated between submission and the last task."""
        ids = [self.at_submission, self.at_start, *(i for task in self.tasks for i in task.snapshots)]
        return len({identity[: 7 + DIGITS] for identity in ids if identity}) > 1


def calibration_of(folder: JobFolder, record: JobRecord) -> JobCalibration:
    """What a job saw, from its own folder; from the shelf's store where the folder has only the id. Raises UserError for an array."""
    if record.spec.size is not None:
        raise UserError(
            f"Job {short_id(record.id)} is an array: each element has tasks of its own.",
            advice=f"Ask for one of them: {short_id(record.id)}.0",
        )
    tasks = tuple(_seen(task) for task in read_tasks(folder))
    wanted = [record.snapshots.get("submission", ""), record.snapshots.get("start", "")]
    wanted += [identity for task in tasks for identity in task.snapshots]
    found: dict[str, Snapshot] = {}
    missing = []
    for identity in dict.fromkeys(identity for identity in wanted if identity):
        snapshot = _snapshot(folder, record.spec.device, identity)
        if snapshot is None:
            missing.append(identity)
        else:
            found[snapshot.id] = snapshot
    return JobCalibration(wanted[0], wanted[1], tasks, found, tuple(missing))


def _seen(task: Mapping[str, Any]) -> Seen:
    on_device = [identity for sent in task.get("device_tasks") or () for identity in sent.get("snapshots") or ()]
    own = (task.get("snapshot") or {}).get("id")  # a sequence has none
    ids = on_device or ([str(own)] if own else [])
    numbers = [f.get("numbers", {}).get("success") for f in task.get("findings") or ()]
    expected = [one for one in numbers if isinstance(one, float | int)]
    return Seen(
        task=str(task.get("id", "")),
        primitive=str(task.get("primitive", "")),
        snapshots=tuple(dict.fromkeys(ids)),
        qubits=tuple(int(q) for q in task.get("active_qubits") or ()),
        edges={(a, b): count for a, b, count in (edge for edge in task.get("edges") or () if len(edge) == 3)},
        success=min(expected, default=None),
        device=str(task.get("device", "")),
    )


def _snapshot(folder: JobFolder, device: str, identity: str) -> Snapshot | None:
    snapshot = read_pinned(folder, identity)
    if snapshot is not None:
        return snapshot
    name = own_name(device)
    entry = CalibrationStore(folder.bundle_root.parent).find(identity, name)
    if entry is not None:
        try:
            return read_snapshot(entry.path)
        except JobFolderError:
            return None
    packaged = catalog.read_snapshot(name) if name in catalog.packaged_names() else None
    return packaged if packaged is not None and packaged.id.startswith(identity) else None
