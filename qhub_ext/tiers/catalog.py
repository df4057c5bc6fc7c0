"""Which devices there are, and how they were doing: listed from the snapshots' JSON, without importing qiskit.

The snapshots come with qiskit-ibm-runtime; those of the site's own devices lie on the shelf (`site_devices`).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qhub_ext.errors import QhubError, UnknownNameError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.tiers import site_devices
from qhub_ext.tiers.device_summary import DeviceSummary, SummaryFile, summarise
from qhub_ext.tiers.snapshots import parse_ibm_properties

PACKAGE = "qiskit_ibm_runtime"


@dataclass(frozen=True)
class DeviceBounds:
    """What a submission is checked against; `max_shots` per circuit; 0 where it is not known."""

    name: str
    qubits: int
    max_shots: int


@dataclass(frozen=True)
class DeviceFiles:
    """Where a device's two files lie."""

    name: str
    properties: Path
    configuration: Path


def list_devices(cache_dir: Path | None = None) -> list[DeviceSummary]:
    """Every device, by name; of the site's own those whose target was asked for. `cache_dir` holds the summaries' cache; None means the
    user's cache directory.
    """
    own = [found for name in site_devices.names(_files()) if (found := _describe_own(name)) is not None]
    return (
        sorted([*_list_packaged(cache_dir), *own], key=lambda summary: summary.name)
        if own
        else _list_packaged(cache_dir)
    )


def _list_packaged(cache_dir: Path | None) -> list[DeviceSummary]:
    kept = _kept(cache_dir)
    known = kept.read()
    if known is not None:
        return known
    summaries = [summarise(read_snapshot(files.name), read_configuration(files.name)) for files in _files().values()]
    kept.write(summaries)
    return summaries


def _kept(cache_dir: Path | None) -> SummaryFile:
    spec = find_spec(PACKAGE)
    where = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ""
    return SummaryFile({"package": package_version(), "path": str(where)}, cache_dir)


def undescribed(known: Iterable[DeviceSummary]) -> list[str]:
    """Devices of the site's own without calibration data that are read here: never asked for, or of another kind, as those of Pasqal."""
    described = {one.name for one in known}
    return [name for name in site_devices.names(_files()) if name not in described]


def is_cached(cache_dir: Path) -> bool:
    """Whether `list_devices` opens one file, or every snapshot that there is: seconds of work."""
    return _kept(cache_dir).read() is not None


def describe(name: str) -> DeviceSummary:
    """One device, by any of its names; its snapshot is read once per process. Raises UnknownNameError."""
    own_name = resolve(name)
    return (
        _describe(own_name)
        if own_name in _files()
        else summarise(read_snapshot(own_name), read_configuration(own_name))
    )


def _describe_own(name: str) -> DeviceSummary | None:
    """None of a device of which nothing is known yet, or whose documents are of another kind."""
    try:
        return summarise(site_devices.snapshot(name), site_devices.document(name)["configuration"])
    except QhubError:
        return None


@functools.lru_cache(maxsize=128)
def _describe(own_name: str) -> DeviceSummary:
    return summarise(read_snapshot(own_name), read_configuration(own_name))


def bounds_of(name: str) -> DeviceBounds:
    """Of one device, by any of its names, without reading its snapshot. Raises UnknownNameError."""
    own_name = resolve(name)
    configuration = read_configuration(own_name)
    return DeviceBounds(own_name, int(configuration.get("n_qubits", 0)), int(configuration.get("max_shots") or 0))


def snapshot_of(name: str, cache_dir: Path | None = None) -> tuple[str, str]:
    """(id, moment) of a device's snapshot, from the cache of summaries where that is at hand. Raises UnknownNameError."""
    own_name = resolve(name)
    if own_name not in _files():
        entry = site_devices.newest(own_name)
        return ("", "") if entry is None else (entry.id, entry.taken_at)
    return _packaged_snapshot(own_name, cache_dir)


@functools.lru_cache(maxsize=128)
def _packaged_snapshot(own_name: str, cache_dir: Path | None) -> tuple[str, str]:
    kept = _kept(cache_dir).read() or [_describe(own_name)]
    return next((s.snapshot_id, s.snapshot_at) for s in kept if s.name == own_name)


def names() -> list[str]:
    """Names of all devices, without opening a snapshot."""
    return sorted([*_files(), *site_devices.names(_files())])


def packaged_names() -> Mapping[str, DeviceFiles]:
    """Those that the installed qiskit-ibm-runtime describes."""
    return _files()


def packaged(name: str) -> str | None:
    """The own name of a device of the installed package, from any of its names; None for any other."""
    files = _files()
    for candidate in _spellings(name):
        if candidate in files:
            return candidate
    for known in files:  # ibmqx2 is yorktown, ibmq_16_melbourne is melbourne: only their configurations say so
        if name.lower() in _old_names().get(known, ()):
            return known
    return None


def resolve(name: str) -> str:
    """The device's own name, from any of `kingston`, `ibm_kingston`, `fake_kingston`, `FakeKingston`, `FakeHanoiV2`; one of the site's
    has only the one that its resource gives it, in large or small letters.

    Raises UnknownNameError, with the nearest names.
    """
    found = packaged(name)
    if found is not None:
        return found
    own = site_devices.names(_files())
    name = name.strip()
    if name in own:
        return name
    alike = [known for known in own if known.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    advice = "" if _files() else "Install the snapshots: pip install qiskit-ibm-runtime."
    raise UnknownNameError.among("device", name, [*_files(), *own], advice=advice)


def read_snapshot(name: str) -> Snapshot:
    """The calibration snapshot of a device, by its own name (see `resolve`). Raises PreflightError where nothing is known of it yet."""
    return _read_snapshot(name) if name in _files() else site_devices.snapshot(name)


def read_configuration(name: str) -> dict[str, Any]:
    """The vendor's configuration of a device, as it is: `rep_delay` in us, `dt` in ns."""
    return _read_configuration(name) if name in _files() else dict(site_devices.document(name)["configuration"])


def read_properties(name: str) -> dict[str, Any]:
    """The vendor's properties of a device, as they are."""
    if name not in _files():
        return dict(site_devices.document(name)["properties"])
    properties: dict[str, Any] = json.loads(_files()[name].properties.read_bytes())
    return properties


@functools.lru_cache(maxsize=8)
def _read_snapshot(name: str) -> Snapshot:
    properties = json.loads(_files()[name].properties.read_bytes())
    return parse_ibm_properties(properties, read_configuration(name), device=name, source=package_version())


@functools.lru_cache(maxsize=8)
def _read_configuration(name: str) -> dict[str, Any]:
    configuration: dict[str, Any] = json.loads(_files()[name].configuration.read_bytes())
    return configuration


@functools.cache
def package_version() -> str:
    """`qiskit-ibm-runtime 0.51.0`, the source that snapshots name."""
    try:
        return f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')}"
    except PackageNotFoundError:
        return "qiskit-ibm-runtime"


@functools.cache
def _files() -> dict[str, DeviceFiles]:
    spec = find_spec(PACKAGE)  # of a top-level package: finds it without importing it
    if spec is None or not spec.submodule_search_locations:
        return {}
    root = Path(spec.submodule_search_locations[0]) / "fake_provider" / "backends"
    found = {}
    # not __pycache__, which may be closed to everybody but who installed the package
    for folder in sorted(root.glob("[!_]*")):
        files = DeviceFiles(folder.name, folder / f"props_{folder.name}.json", folder / f"conf_{folder.name}.json")
        if files.properties.is_file() and files.configuration.is_file():
            found[folder.name] = files
    return found


def _spellings(name: str) -> list[str]:
    """What a name may mean, the most literal first."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).lower().replace("-", "_")
    bare = re.sub(r"^(fake|ibmq|ibm|alt)_", "", words)
    return [words, bare, re.sub(r"_backend$", "", bare), re.sub(r"_?v2$", "", bare)]


@functools.cache
def _old_names() -> dict[str, tuple[str, ...]]:
    return {name: (str(json.loads(f.configuration.read_bytes())["backend_name"]),) for name, f in _files().items()}
