"""Devices of the site that no package describes: those that its quantum resources stand for, and those whose snapshots were met.

What is known of them is on the shelf, as their own service gave it. Reading that is cheap; only `ensure` asks the resource itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from qhub_ext.errors import DeviceError, PreflightError, QhubError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.job.context import current
from qhub_ext.jobfolder.calibrations import CalibrationStore, Entry, document_of, read_document, read_snapshot
from qhub_ext.settings import current_settings
from qhub_ext.tiers.iqm import as_vendor_document, is_iqm
from qhub_ext.tiers.pulser_specs import is_pulser


def shelf() -> Path:
    """Of the job that this process runs, else of the settings."""
    return current().shelf or current_settings().shelf


def names(packaged: Mapping[str, Any]) -> list[str]:
    """Without those that the installed package describes."""
    from qhub_ext.tiers.qpu.resources import list_resources

    try:
        standing = [resource.device for resource in list_resources(current_settings().qpu)]
    except QhubError:  # whoever asks for the resources is told; a list of names need not fail for it
        standing = []
    met = [*CalibrationStore(shelf()).devices(), *_virtual_devices()]
    return sorted({name for name in (*standing, *met) if name and name not in packaged})


def _virtual_devices() -> tuple[str, ...]:
    """Those that a virtual QPU can stand for beside the packaged ones."""
    from qhub_ext.tiers.qpu.virtual import IQM_DEVICES, SEQUENCE_DEVICES, missing_packages

    if not current_settings().qpu.virtual_at(current_settings().site_of("qpu")):
        return ()
    return tuple(name for name in (*IQM_DEVICES, *SEQUENCE_DEVICES) if not missing_packages(name))


def takes_circuits(name: str) -> bool:
    """Whether what stands for a device takes Qiskit's circuits; so does everything that is not known here."""
    from qhub_ext.tiers.qpu.capabilities import CIRCUITS

    return takes([name])[name] in CIRCUITS


def require_circuits(name: str) -> None:
    """Raises PreflightError for a device that takes sequences."""
    if not takes_circuits(name):
        raise PreflightError(
            f"{name} takes Pulser sequences, not Qiskit circuits: it has no target that circuits could be made ready for.",
            advice="`qhub_ext.pulser_device()` is what it tells of itself, `qhub_ext.PulserBackend` runs sequences on it.",
        )


def takes(names: Iterable[str]) -> dict[str, str]:
    """What each device takes on the tier qpu, in the words of the table of types."""
    from qhub_ext.tiers.qpu.capabilities import IQM_CIRCUITS, PRIMITIVES, SEQUENCES
    from qhub_ext.tiers.qpu.resources import list_resources
    from qhub_ext.tiers.qpu.virtual import IQM_DEVICES, SEQUENCE_DEVICES

    try:
        usable = [r for r in list_resources(current_settings().qpu) if not r.trouble]
    except QhubError:
        usable = []
    told = {word: r.can.takes for r in reversed(usable) for word in (r.name, r.device)}
    virtual = dict.fromkeys(IQM_DEVICES, IQM_CIRCUITS) | dict.fromkeys(SEQUENCE_DEVICES, SEQUENCES)
    return {name: (virtual | told).get(name, PRIMITIVES) for name in names}


def newest(name: str) -> Entry | None:
    """The newest snapshot whose document is there too: a Target needs it."""
    entries = reversed(CalibrationStore(shelf()).history(name))
    return next((entry for entry in entries if document_of(entry.path).exists()), None)


def document(name: str) -> Mapping[str, Any]:
    """What the service said when it was last asked, as configuration and properties.

    Raises PreflightError when it never was, or is not of a kind with a Target; InvalidOptionError for gates that are not written here.
    """
    entry = newest(name)
    found = None if entry is None else read_document(entry.path)
    if found is None or is_pulser(found):
        require_circuits(name)
    if found is None:
        raise PreflightError(
            f"Nothing is known of the device {name!r} yet: its target was never asked for.",
            advice=f"`qhub calibration {name} --refresh` asks the resource that stands for it.",
        )
    if entry is not None and is_iqm(found):
        return as_vendor_document(found, read_snapshot(entry.path))
    if not isinstance(found.get("configuration"), Mapping) or not isinstance(found.get("properties"), Mapping):
        raise PreflightError(
            f"What is known of the device {name!r} has no configuration and properties: circuits cannot be made ready for it.",
            advice=f"`qhub calibration {name}` shows what there is.",
        )
    return found


def snapshot(name: str) -> Snapshot:
    """Raises PreflightError where none is known."""
    entry = newest(name)
    if entry is None:
        document(name)
        raise AssertionError
    return read_snapshot(entry.path)


def ensure(name: str) -> None:
    """Asks what stands for a device, where nothing is known of it yet: the site's broker, where there is one, and it alone. Raises DeviceError,
    PreflightError.
    """
    if newest(name) is not None:
        return
    require_circuits(name)
    from qhub_ext.tiers.qpu.resources import resource_for
    from qhub_ext.tiers.qpu.virtual import virtual_resource

    settings = current_settings().qpu
    if current_settings().broker.shared is not None:
        resource = import_module("qhub_ext.tiers.qpu.standing").look_at(name, settings, "")
    else:
        resource = resource_for(name, settings)
        if resource is None and name in _virtual_devices():
            resource = virtual_resource(name, settings)
        if resource is None:
            raise DeviceError(f"No quantum resource of this site stands for {name}.")
    import_module("qhub_ext.tiers.qpu.target").ask_target(resource, settings)  # by name: it needs what needs this
