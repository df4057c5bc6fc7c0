"""A device to practise IQM's gates on: the square lattice of 20 qubits of IQM's Garnet, with numbers that were drawn.

The package has no snapshot of a device of IQM. The lattice and the size of the numbers are what IQM has published of Garnet
(arXiv:2408.12433; `fake_garnet` of iqm-client): medians here, each value a fixed draw around them. So it says `simulated` wherever it can.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qhub_ext.tiers.devices import Device

NAME = "garnet"
SOURCE = "virtual QPU: drawn around the medians that IQM published of Garnet"
TAKEN_AT = "2025-01-01T00:00:00+00:00"

_ROWS = (range(1, 3), range(3, 8), range(8, 13), range(13, 18), range(18, 21))
"""IQM's numbers of the qubits, row by row of the lattice."""
_COLUMNS = (1, 0, 0, 0, 1)
"""The column that each row begins in."""

_T1_US, _T2_US = 37.0, 9.6
_READOUT_0, _READOUT_1 = 0.025, 0.025
_ONE_QUBIT, _TWO_QUBITS = 1.0e-3, 5.6e-3
PRX_NS, CZ_NS, READOUT_NS = 20.0, 40.0, 1000.0


def lattice() -> tuple[dict[str, tuple[int, int]], list[tuple[str, str]]]:
    """Each qubit's (row, column), and the pairs of neighbours as loci of cz."""
    at = {
        f"QB{number}": (row, start + step)
        for row, (numbers, start) in enumerate(zip(_ROWS, _COLUMNS, strict=True))
        for step, number in enumerate(numbers)
    }
    qubit = {place: name for name, place in at.items()}
    pairs = [
        (name, qubit[neighbour])
        for name, (row, column) in at.items()
        for neighbour in ((row, column + 1), (row + 1, column))
        if neighbour in qubit
    ]
    return at, pairs


def garnet(name: str = NAME) -> Device:
    at, pairs = lattice()
    names = list(at)
    rng = np.random.default_rng(20)
    sites = [(names.index(a), names.index(b)) for a, b in pairs]

    def drawn(median: float, spread: float, number: int) -> list[float]:
        return [float(f"{value:.4g}") for value in median * np.exp(rng.normal(0.0, spread, number))]

    t1, t2 = drawn(_T1_US, 0.35, len(names)), drawn(_T2_US, 0.08, len(names))
    reads_1, reads_0 = drawn(_READOUT_0, 0.07, len(names)), drawn(_READOUT_1, 0.05, len(names))
    ones, twos = drawn(_ONE_QUBIT, 0.5, len(names)), drawn(_TWO_QUBITS, 0.35, len(pairs))
    configuration = {
        "backend_name": name,
        "backend_version": "1",
        "n_qubits": len(names),
        "basis_gates": ["cz", "id", "r"],
        "supported_instructions": ["cz", "delay", "id", "measure", "r"],
        "simulator": False,
        "local": False,
        "max_shots": 100_000,
        "coords": [list(place) for place in at.values()],
        "coupling_map": [list(turned) for a, b in sites for turned in ((a, b), (b, a))],
        "gates": [
            {"name": "id", "parameters": [], "coupling_map": [[q] for q in range(len(names))]},
            {"name": "r", "parameters": ["theta", "phi"], "coupling_map": [[q] for q in range(len(names))]},
            {"name": "cz", "parameters": [], "coupling_map": [list(t) for a, b in sites for t in ((a, b), (b, a))]},
        ],
        "iqm": {"names": names, "cz": [list(pair) for pair in pairs], "calibration_set_id": None},
    }
    properties = {
        "backend_name": name,
        "backend_version": "1",
        "last_update_date": TAKEN_AT,
        "qubits": [
            [
                _value("T1", t1[q], "us"),
                _value("T2", min(t2[q], 2 * t1[q]), "us"),
                _value("readout_error", (reads_1[q] + reads_0[q]) / 2),
                _value("prob_meas1_prep0", reads_1[q]),
                _value("prob_meas0_prep1", reads_0[q]),
                _value("readout_length", READOUT_NS, "ns"),
            ]
            for q in range(len(names))
        ],
        "gates": [
            *(_gate("r", (q,), ones[q], PRX_NS) for q in range(len(names))),
            *(_gate("cz", turned, error, CZ_NS) for (a, b), error in zip(sites, twos, strict=True) for turned in ((a, b), (b, a))),
        ],
        "general": [],
    }  # fmt: skip
    return Device(name, configuration, properties, SOURCE)


def _value(name: str, value: float, unit: str = "") -> dict[str, Any]:
    return {"name": name, "unit": unit, "value": value, "date": TAKEN_AT}


def _gate(name: str, qubits: tuple[int, ...], error: float, length_ns: float) -> dict[str, Any]:
    parameters = [_value("gate_error", error), _value("gate_length", length_ns, "ns")]
    return {"gate": name, "qubits": list(qubits), "parameters": parameters, "name": f"{name}{'_'.join(map(str, qubits))}"}  # fmt: skip
