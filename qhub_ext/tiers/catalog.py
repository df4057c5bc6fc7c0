"""Which devices there are, and how they were doing: listed from the snapshots' JSON, without importing qiskit.

The snapshots come with qiskit-ibm-runtime; those of the site's own devices lie on the shelf (`site_devices`). Summaries are cached in one file, named by the package's version and path; a cache
that is torn, old or cannot be written is rebuilt or done without, never an error.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError, QhubError, UnknownNameError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.jobfolder.atomic import read_json, write_json
from qhub_ext.tiers import site_devices
from qhub_ext.tiers.snapshots import parse_ibm_properties

SCHEMA = "qhub.catalog/2"
PACKAGE = "qiskit_ibm_runtime"


@dataclass(frozen=True)
class DeviceSummary:
    """`snapshot_at` ISO 8601 UTC, `rep_delay_s` in s, `max_shots` per circuit.

    `medians` has t1_s, t2_s, readout_error, one_qubit_error and two_qubit_error, each without the dead and null values that
    `left_out` counts: {"two_qubit_error": {"dead": 7, "null": 0}, ...}.
    """

    name: str
    backend_name: str
    qubits: int
    family: str
    revision: str
    snapshot_at: str
    snapshot_id: str
    synthetic: bool
    max_shots: int
    basis_gates: tuple[str, ...]
    rep_delay_s: float | None
    edges: int
    dead_edges: tuple[tuple[int, int], ...]
    dead_qubits: tuple[int, ...]
    medians: dict[str, float | None]
    left_out: dict[str, dict[str, int]]
    flags: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> DeviceSummary:
        fields = dict(record)
        for name in ("basis_gates", "dead_qubits", "flags"):
            fields[name] = tuple(fields[name])
        fields["dead_edges"] = tuple((a, b) for a, b in fields["dead_edges"])
        return DeviceSummary(**fields)


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
    cache = _cache_file(_user_cache() if cache_dir is None else cache_dir)
    kept = _read_cache(cache)
    if kept is not None:
        return kept
    summaries = [summarise(read_snapshot(files.name), read_configuration(files.name)) for files in _files().values()]
    _write_cache(cache, summaries)
    return summaries


def undescribed(known: Iterable[DeviceSummary]) -> list[str]:
    """Devices of the site's own without calibration data that are read here: never asked for, or of another kind, as those of Pasqal."""
    described = {one.name for one in known}
    return [name for name in site_devices.names(_files()) if name not in described]


def is_cached(cache_dir: Path) -> bool:
    """Whether `list_devices` opens one file, or every snapshot that there is: seconds of work."""
    return _read_cache(_cache_file(cache_dir)) is not None


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
    kept = _read_cache(_cache_file(_user_cache() if cache_dir is None else cache_dir)) or [_describe(own_name)]
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


def summarise(snapshot: Snapshot, configuration: Mapping[str, Any]) -> DeviceSummary:
    medians = snapshot.medians()
    processor = configuration.get("processor_type") or {}
    rep_delay_us = configuration.get("default_rep_delay")
    return DeviceSummary(
        name=snapshot.device,
        backend_name=str(configuration.get("backend_name", snapshot.device)),
        qubits=snapshot.qubits,
        family=str(processor.get("family", "")),
        revision=str(processor.get("revision", "")),
        snapshot_at=snapshot.taken_at,
        snapshot_id=snapshot.id,
        synthetic=snapshot.synthetic,
        max_shots=int(configuration.get("max_shots") or 0),
        basis_gates=snapshot.basis,
        rep_delay_s=None if rep_delay_us is None else rep_delay_us * 1e-6,
        edges=len(snapshot.edges),
        dead_edges=snapshot.dead_edges,
        dead_qubits=snapshot.dead_qubits,
        medians={name: value.median for name, value in medians.items()},
        left_out={name: {"dead": value.dead, "null": value.null} for name, value in medians.items()},
        flags=tuple(flag.kind for flag in snapshot.flags()),
    )


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


def _user_cache() -> Path:
    import platformdirs  # only a listing pays for it

    return Path(platformdirs.user_cache_dir("qhub"))


def _cache_file(cache_dir: Path) -> Path:
    return cache_dir / "devices.json"


def _cache_key() -> dict[str, str]:
    spec = find_spec(PACKAGE)
    where = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ""
    return {"schema": SCHEMA, "package": package_version(), "path": str(where)}


def _read_cache(path: Path) -> list[DeviceSummary] | None:
    try:
        record = read_json(path)
        if record["key"] != _cache_key():
            return None
        return [DeviceSummary.from_json(entry) for entry in record["devices"]]
    except (OSError, JobFolderError, KeyError, TypeError, ValueError):
        return None


def _write_cache(path: Path, summaries: list[DeviceSummary]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"key": _cache_key(), "devices": [summary.to_json() for summary in summaries]})
    except OSError:
        return  # read-only homes are common on compute nodes: the next listing parses again
