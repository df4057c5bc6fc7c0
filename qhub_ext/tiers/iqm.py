"""What an IQM server says of a quantum computer, as the configuration and properties that the rest of the tiers reads.

IQM's gates are `prx(angle, phase)`, which is Qiskit's `r`, and `cz`; a rotation about z is a change of phases and no gate. Names and
meanings are those of IQM's public packages: `DynamicQuantumArchitecture` and the observation names (`dut_field`) of
iqm-station-control-client 14, `_QISKIT_IQM_GATE_MAP` of iqm-client 36.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import Snapshot

Locus = tuple[str, ...]

MARK = "iqm"
"""The key of a configuration that was made here; under it the names of the qubits, the loci of cz and the calibration set."""

LACKS = {
    "MOVE gates": "Two-qubit gates that go through a resonator (MOVE) are not written.",
    "conditional gates": "Conditional gates (cc_prx) are not written for IQM's servers.",
    "reset": "A reset in the middle of a circuit is not written for IQM's servers.",
}
"""What IQM's devices may do and this version does not ask of them."""


def is_iqm(document: Mapping[str, Any]) -> bool:
    return "dynamic_quantum_architecture" in document


def loci(architecture: Mapping[str, Any], gate: str) -> list[Locus]:
    """Where a gate is calibrated, in any of its implementations, in the service's order of components."""
    known = (architecture.get("gates") or {}).get(gate) or {}
    implementations = known.get("implementations") or {}
    return sorted({tuple(map(str, locus)) for one in implementations.values() for locus in one.get("loci") or ()})


def vendor_document(document: Mapping[str, Any], snapshot: Snapshot) -> Mapping[str, Any]:
    """What a service said, as configuration and properties. Raises InvalidOptionError as `as_vendor_document` does."""
    return as_vendor_document(document, snapshot) if is_iqm(document) else document


def as_vendor_document(document: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    """{"configuration", "properties"} of an IQM target that was read as `snapshot`.

    Raises InvalidOptionError for a device whose gates cannot be written as `r` and `cz` on qubits.
    """
    architecture = document.get("dynamic_quantum_architecture") or {}
    names = [str(name) for name in snapshot.extra.get("names") or ()]
    place = {name: number for number, name in enumerate(names)}
    rotations = [locus for locus in loci(architecture, "prx") if locus[0] in place]
    pairs = [locus for locus in loci(architecture, "cz") if all(name in place for name in locus)]
    if not rotations:
        raise InvalidOptionError(
            f"The architecture of {snapshot.device} has no calibrated prx: circuits cannot be made ready for it."
        )
    if not pairs and loci(architecture, "move"):
        raise InvalidOptionError(
            f"The two-qubit gates of {snapshot.device} go through a resonator (MOVE gates), which this version does not write.",
            advice="IQM's own package qiskit-iqm writes them; devices with cz between qubits are taken here.",
        )
    date = snapshot.taken_at
    ones = [[place[locus[0]]] for locus in rotations]
    # a cz does the same in both directions; the writer turns it to the one that is calibrated
    twos = sorted({turned for a, b in pairs for turned in ((place[a], place[b]), (place[b], place[a]))})
    width = len(names)
    configuration = {
        "backend_name": snapshot.device,
        "backend_version": str(architecture.get("calibration_set_id", "")),
        "n_qubits": width,
        "basis_gates": ["cz", "id", "r"] if twos else ["id", "r"],
        "supported_instructions": ["cz", "delay", "id", "measure", "r"],
        "simulator": False,
        "local": False,
        "max_shots": 0,
        "coupling_map": [list(site) for site in twos],
        "gates": [
            {"name": "id", "parameters": [], "coupling_map": [[q] for q in range(width)]},
            {"name": "r", "parameters": ["theta", "phi"], "coupling_map": ones},
            {"name": "cz", "parameters": [], "coupling_map": [list(site) for site in twos]},
        ],
        MARK: {
            "names": names,
            "cz": [list(locus) for locus in pairs],
            "calibration_set_id": architecture.get("calibration_set_id"),
        },
        **({"simulated": True} if architecture.get("simulated") else {}),
    }
    properties = {
        "backend_name": snapshot.device,
        "backend_version": configuration["backend_version"],
        "last_update_date": date,
        "qubits": [list(_qubit(snapshot, number, date)) for number in range(width)],
        "gates": [
            *(_gate(snapshot, "r", "prx", (qubit,), date) for (qubit,) in ones),
            *(_gate(snapshot, "cz", "cz", site, date) for site in twos),
        ],
        "general": [],
    }
    return {"configuration": configuration, "properties": properties}


def _qubit(snapshot: Snapshot, qubit: int, date: str) -> Iterator[dict[str, Any]]:
    for name, column, unit, scale in (
        ("T1", "t1_s", "us", 1e6),
        ("T2", "t2_s", "us", 1e6),
        ("frequency", "frequency_hz", "GHz", 1e-9),
        ("readout_error", "readout_error", "", 1.0),
        ("prob_meas0_prep1", "prob_meas0_prep1", "", 1.0),
        ("prob_meas1_prep0", "prob_meas1_prep0", "", 1.0),
        ("readout_length", "readout_length_s", "ns", 1e9),
    ):
        found = snapshot.columns.get(column)
        if found is not None and found[qubit] is not None:
            yield {"name": name, "unit": unit, "value": (found[qubit] or 0.0) * scale, "date": found.at[qubit] or date}


def _gate(snapshot: Snapshot, name: str, iqms: str, site: tuple[int, ...], date: str) -> dict[str, Any]:
    table = snapshot.gates.get(iqms)
    row = None
    if table is not None:
        row = next((i for i, known in enumerate(table.qubits) if known in (site, site[::-1])), None)
    parameters = []
    if table is not None and row is not None:
        for key, column, unit, scale in (
            ("gate_error", table.error, "", 1.0),
            ("gate_length", table.length_s, "ns", 1e9),
        ):
            value = column[row]
            if value is not None:
                parameters.append({"name": key, "unit": unit, "value": value * scale, "date": column.at[row] or date})
    return {"gate": name, "qubits": list(site), "parameters": parameters, "name": f"{name}{'_'.join(map(str, site))}"}
