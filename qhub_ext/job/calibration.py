"""What a device said about itself at one moment: the snapshot `qhub.calibration/1`.

Units are SI (s, Hz, probabilities), moments are UTC (ISO 8601, `Z`), and each value has the moment of its own measurement.
Three things that averages must not mix up are told apart:

    a number    measured
    dead        an error of exactly 1.0: the vendor's way of saying "this gate is off"
    null        not known (missing, or not a finite number)

The id is the hash of the content, so that two snapshots with one id are the same calibration wherever they were stored.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

from qhub_ext.errors import InvalidOptionError

SCHEMA = "qhub.calibration/1"

DEAD = 1.0

QUBIT_FIELDS = (
    "t1_s",
    "t2_s",
    "frequency_hz",
    "anharmonicity_hz",
    "readout_error",
    "prob_meas0_prep1",
    "prob_meas1_prep0",
    "readout_length_s",
)
ONE_QUBIT_GATES = ("sx", "x", "u2", "u3", "prx", "r")
"""Those that cost a pulse; the first that a device has stands for its one-qubit error."""


@dataclass(frozen=True)
class Column:
    """One quantity over all qubits or gate sites: values (None where null) and the moment of each measurement."""

    values: tuple[float | None, ...]
    at: tuple[str | None, ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[float | None, str | None]]) -> Column:
        pairs = list(pairs)
        return cls(tuple(finite(value) for value, _ in pairs), tuple(at for _, at in pairs))

    def __getitem__(self, place: int) -> float | None:
        return self.values[place]


@dataclass(frozen=True)
class GateTable:
    """One gate at all its sites: `qubits[i]` is the ordered site that `error[i]` and `length_s[i]` belong to."""

    qubits: tuple[tuple[int, ...], ...]
    error: Column
    length_s: Column


@dataclass(frozen=True)
class Spread:
    """A median with what was left out of it."""

    median: float | None
    measured: int
    dead: int = 0
    null: int = 0

    def to_json(self) -> dict[str, Any]:
        return {"median": self.median, "measured": self.measured, "dead": self.dead, "null": self.null}


@dataclass(frozen=True)
class Snapshot:
    """`taken_at` ISO 8601 UTC; `source` says where the numbers came from; `synthetic` when no device ever had them."""

    device: str
    taken_at: str
    source: str
    synthetic: bool
    qubits: int
    columns: Mapping[str, Column]
    gates: Mapping[str, GateTable]
    basis: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """sha256 of the content, without the source: the same numbers are the same calibration.

        Numbers count to nine digits: QRMI's JSON reader changes the last of seventeen in one value of a hundred.
        """
        content = _rounded({k: v for k, v in self._content().items() if k != "source"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()

    def _content(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "device": self.device,
            "taken_at": self.taken_at,
            "source": self.source,
            "synthetic": self.synthetic,
            "num_qubits": self.qubits,
            "basis": list(self.basis),
            "qubits": {name: _column_to_json(column) for name, column in self.columns.items()},
            "gates": {
                name: {
                    "qubits": [list(site) for site in table.qubits],
                    "error": _column_to_json(table.error),
                    "length_s": _column_to_json(table.length_s),
                }
                for name, table in self.gates.items()
            },
            "extra": dict(self.extra),
        }

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, **self._content()}

    @staticmethod
    def from_json(record: Mapping[str, Any]) -> Snapshot:
        """Raises InvalidOptionError for another schema, or for content that does not hash to its own id."""
        if record.get("schema") != SCHEMA:
            raise InvalidOptionError(
                f"A calibration snapshot of schema {record.get('schema')!r} cannot be read.",
                advice=f"Accepted: {SCHEMA}.",
            )
        snapshot = Snapshot(
            device=record["device"],
            taken_at=record["taken_at"],
            source=record["source"],
            synthetic=record["synthetic"],
            qubits=record["num_qubits"],
            columns={name: _column_from_json(column) for name, column in record["qubits"].items()},
            gates={
                name: GateTable(
                    tuple(tuple(site) for site in table["qubits"]),
                    _column_from_json(table["error"]),
                    _column_from_json(table["length_s"]),
                )
                for name, table in record["gates"].items()
            },
            basis=tuple(record.get("basis", ())),
            extra=record.get("extra", {}),
        )
        if record.get("id") not in (None, snapshot.id):
            raise InvalidOptionError(
                f"The calibration snapshot of {snapshot.device} was changed after it was written.",
                advice=f"It says {record['id']}, its content hashes to {snapshot.id}.",
            )
        return snapshot

    def column(self, name: str) -> Column:
        """A quantity of QUBIT_FIELDS; all null where the device does not report it."""
        return self.columns.get(name) or Column((None,) * self.qubits, (None,) * self.qubits)

    @cached_property
    def edges(self) -> dict[tuple[int, int], float | None]:
        """Undirected edges with the lowest error that any two-qubit gate of the basis has there: DEAD, or None for null.

        An edge is dead when all that is known about it is dead.
        """
        found: dict[tuple[int, int], list[float | None]] = {}
        for name, table in self.gates.items():
            if self.basis and name not in self.basis:
                continue
            for site, error in zip(table.qubits, table.error.values, strict=True):
                if len(site) == 2:
                    found.setdefault((min(site), max(site)), []).append(error)
        return {edge: min((e for e in errors if e is not None), default=None) for edge, errors in sorted(found.items())}

    @property
    def dead_edges(self) -> tuple[tuple[int, int], ...]:
        return tuple(edge for edge, error in self.edges.items() if error == DEAD)

    @cached_property
    def one_qubit_errors(self) -> tuple[float | None, ...]:
        """Per qubit, of the first gate that costs a pulse on this device."""
        for name in ONE_QUBIT_GATES:
            if name in self.gates and (not self.basis or name in self.basis):
                by_qubit = dict(zip(self.gates[name].qubits, self.gates[name].error.values, strict=True))
                return tuple(by_qubit.get((q,)) for q in range(self.qubits))
        return (None,) * self.qubits

    @property
    def dead_qubits(self) -> tuple[int, ...]:
        return tuple(q for q, error in enumerate(self.one_qubit_errors) if error == DEAD)

    def medians(self) -> dict[str, Spread]:
        """t1_s, t2_s, readout_error, one_qubit_error, two_qubit_error: without dead and null values, which are counted."""
        return {
            "t1_s": spread(self.column("t1_s").values),
            "t2_s": spread(self.column("t2_s").values),
            "readout_error": spread(self.column("readout_error").values, errors=True),
            "one_qubit_error": spread(self.one_qubit_errors, errors=True),
            "two_qubit_error": spread(self.edges.values(), errors=True),
        }


def spread(values: Iterable[float | None], *, errors: bool = False) -> Spread:
    """The median of what was measured; with `errors`, a value of exactly 1.0 counts as dead."""
    values = list(values)
    dead = sum(v == DEAD for v in values) if errors else 0
    null = sum(v is None for v in values)
    measured = [v for v in values if v is not None and not (errors and v == DEAD)]
    return Spread(median(measured) if measured else None, len(measured), dead, null)


def finite(value: Any) -> float | None:
    """A finite float, or None."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def _column_to_json(column: Column) -> dict[str, Any]:
    return {"values": list(column.values), "at": list(column.at)}


def _column_from_json(record: Mapping[str, Any]) -> Column:
    return Column(tuple(finite(v) for v in record["values"]), tuple(record["at"]))
