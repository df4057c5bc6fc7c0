"""How each device was doing, in a row: medians, dead qubits and edges, limits. All rows of the installed package are kept in one file.

That is named by the package's version and path; one that is torn, old or cannot be written is made anew or done without, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.job.calibration_flags import flags_of
from qhub_ext.jobfolder.atomic import read_json, write_json

SCHEMA = "qhub.catalog/2"


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
        flags=tuple(flag.kind for flag in flags_of(snapshot)),
    )


@dataclass(frozen=True)
class SummaryFile:
    """In `folder`, or the user's cache directory; `package` says whose rows they are."""

    package: Mapping[str, str]
    folder: Path | None

    @property
    def path(self) -> Path:
        if self.folder is not None:
            return self.folder / "devices.json"
        import platformdirs  # only a listing pays for it

        return Path(platformdirs.user_cache_dir("qhub")) / "devices.json"

    @property
    def _key(self) -> dict[str, str]:
        return {"schema": SCHEMA, **self.package}

    def read(self) -> list[DeviceSummary] | None:
        try:
            record = read_json(self.path)
            if record["key"] != self._key:
                return None
            return [DeviceSummary.from_json(entry) for entry in record["devices"]]
        except (OSError, JobFolderError, KeyError, TypeError, ValueError):
            return None

    def write(self, summaries: list[DeviceSummary]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, {"key": self._key, "devices": [summary.to_json() for summary in summaries]})
        except OSError:
            return  # read-only homes are common on compute nodes: the next listing parses again
