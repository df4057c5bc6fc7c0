"""The vendor's two files about a device -> what the rest of qhub_ext reads. Plain JSON in, plain values out.

IBM's properties have T1 and T2 in us, frequencies in GHz, lengths in ns, and a date with an offset for each value.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from qhub_ext.job.calibration import Column, GateTable, Snapshot, finite

_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "Hz": 1.0, "MHz": 1e6, "GHz": 1e9}

_QUBIT_NAMES = {
    "T1": "t1_s",
    "T2": "t2_s",
    "frequency": "frequency_hz",
    "anharmonicity": "anharmonicity_hz",
    "readout_error": "readout_error",
    "prob_meas0_prep1": "prob_meas0_prep1",
    "prob_meas1_prep0": "prob_meas1_prep0",
    "readout_length": "readout_length_s",
}


def parse_ibm_properties(
    properties: Mapping[str, Any], configuration: Mapping[str, Any], *, device: str, source: str
) -> Snapshot:
    """A snapshot from the contents of `props_*.json` and `conf_*.json`."""
    width = int(configuration["n_qubits"])
    columns: dict[str, list[tuple[float | None, str | None]]] = {}
    for place, parameters in enumerate(properties["qubits"][:width]):
        for parameter in parameters:
            name = _QUBIT_NAMES.get(parameter["name"])
            if name is not None:
                columns.setdefault(name, [(None, None)] * width)[place] = _si(parameter)

    sites: dict[str, list[tuple[tuple[int, ...], tuple[Any, Any], tuple[Any, Any]]]] = {}
    for gate in properties["gates"]:
        known = {p["name"]: _si(p) for p in gate["parameters"]}
        site = (tuple(gate["qubits"]), known.get("gate_error", (None, None)), known.get("gate_length", (None, None)))
        sites.setdefault(gate["gate"], []).append(site)

    return Snapshot(
        device=device,
        taken_at=to_utc(properties["last_update_date"]),
        source=source,
        # the two "fake_" devices of the package describe no machine that ever was; a virtual QPU's drifted numbers no real day
        synthetic=str(configuration.get("backend_name", "")).startswith("fake_") or bool(properties.get("simulated")),
        qubits=width,
        columns={name: Column.of(columns[name]) for name in _QUBIT_NAMES.values() if name in columns},
        gates={
            name: GateTable(
                tuple(site for site, _, _ in rows),
                Column.of(error for _, error, _ in rows),
                Column.of(length for _, _, length in rows),
            )
            for name, rows in sorted(sites.items())
        },
        basis=tuple(configuration.get("basis_gates", ())),
    )


@functools.lru_cache(maxsize=4096)  # thousands of values share a few hundred moments
def to_utc(moment: str) -> str:
    """`2026-04-15T09:15:15+02:00` -> `2026-04-15T07:15:15Z`; a moment without an offset is taken as UTC."""
    parsed = datetime.fromisoformat(moment)
    parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return parsed.isoformat(timespec="seconds").replace("+00:00", "Z")


def _si(parameter: Mapping[str, Any]) -> tuple[float | None, str | None]:
    value = finite(parameter.get("value"))
    scale = _UNITS.get(parameter.get("unit", ""))
    at = parameter.get("date")
    return (None if value is None or scale is None else value * scale, to_utc(at) if at else None)
