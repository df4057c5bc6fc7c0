"""What a vendor says about a device -> what the rest of qhub_ext reads. Plain JSON in, plain values out.

IBM's properties have T1 and T2 in us, frequencies in GHz, lengths in ns, and a date with an offset for each value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import Column, Snapshot, finite
from qhub_ext.tiers import pulser_specs
from qhub_ext.tiers.iqm_metrics import read_iqm
from qhub_ext.tiers.reading import Reading, Unread, Value, gate_tables, list_in, moment_of, to_utc

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
_KEPT_NAMES = frozenset((*_QUBIT_NAMES, "gate_error", "gate_length"))


def parse_ibm_properties(
    properties: Mapping[str, Any], configuration: Mapping[str, Any], *, device: str, source: str
) -> Snapshot:
    """A snapshot from the contents of `props_*.json` and `conf_*.json`."""
    return read_ibm(properties, configuration, device=device, source=source).snapshot


def read_ibm(properties: Mapping[str, Any], configuration: Mapping[str, Any], *, device: str, source: str) -> Reading:
    """Raises InvalidOptionError where not even the number of qubits is to be had."""
    unread = Unread()
    listed = list_in(properties, "qubits", unread)
    width = configuration.get("n_qubits") or len(listed)
    if not isinstance(width, int) or width < 1:
        raise InvalidOptionError("It does not say how many qubits the device has.")
    columns: dict[str, list[Value]] = {}
    for place, parameters in enumerate(listed[:width]):
        for key, value in _parameters(parameters, f"qubits[{place}]", unread).items():
            name = _QUBIT_NAMES.get(key)
            if name is not None:
                columns.setdefault(name, [(None, None)] * width)[place] = value

    sites: dict[str, list[tuple[tuple[int, ...], Value, Value]]] = {}
    for number, gate in enumerate(list_in(properties, "gates", unread)):
        where = f"gates[{number}]"
        try:
            name, qubits = str(gate["gate"]), tuple(int(q) for q in gate["qubits"])
            parameters = gate["parameters"]
        except (KeyError, TypeError, ValueError) as error:
            unread.add(where, error)
            continue
        if any(not 0 <= q < width for q in qubits):
            unread.add(where, f"it is on qubits {qubits}, and there are {width}")
            continue
        known = _parameters(parameters, where, unread)
        sites.setdefault(name, []).append(
            (qubits, known.get("gate_error", (None, None)), known.get("gate_length", (None, None)))
        )
    return Reading(
        Snapshot(
            device=device,
            taken_at=moment_of(properties, columns, sites, unread),
            source=source,
            # the two "fake_" devices of the package describe no machine that ever was; a virtual QPU's drifted numbers no real day
            synthetic=str(configuration.get("backend_name", "")).startswith("fake_")
            or bool(properties.get("simulated")),
            qubits=width,
            columns={name: Column.of(columns[name]) for name in _QUBIT_NAMES.values() if name in columns},
            gates=gate_tables(sites),
            basis=tuple(str(name) for name in configuration.get("basis_gates") or ()),
        ),
        unread.sentences,
    )


def read_document(document: Any, *, device: str, source: str) -> Reading:
    """What QRMI gives as a target, of any vendor whose shape is known. Raises InvalidOptionError for what is none."""
    if isinstance(document, list):
        document = {pulser_specs.KEY: document}
    if isinstance(document, Mapping) and pulser_specs.is_pulser(document):
        at = to_utc(datetime.now(UTC).isoformat())
        snapshot, unread = pulser_specs.read_specs(document, device=device, source=source, at=at)
        return Reading(snapshot, unread, document, dated=False)
    return replace(_read_record(document, device=device, source=source), document=document)


def _read_record(document: Any, *, device: str, source: str) -> Reading:
    if not isinstance(document, Mapping):
        raise InvalidOptionError(f"A target is a JSON object, not {type(document).__name__}.")
    if "quality_metrics" in document or "dynamic_quantum_architecture" in document:
        return read_iqm(document, device=device, source=source)
    if "qubits" in document and "gates" in document:  # properties alone, as IBM's own packages keep them
        document = {"properties": document}
    if "properties" not in document and "configuration" not in document:
        known = ", ".join(list(map(str, document))[:8]) or "nothing"
        raise InvalidOptionError(
            f"It holds {known}: no calibration that is known here.",
            advice='Known: {"configuration", "properties"} of IBM, {"dynamic_quantum_architecture", "quality_metrics"} of IQM, [{"device_type", "specs"}] of Pasqal.',
        )
    properties, configuration = document.get("properties"), document.get("configuration")
    if not isinstance(properties, Mapping):
        raise InvalidOptionError(
            "Its properties are null: the service did not give the device's numbers.",
            advice="Ask again; if it stays so, is the name of the device right?",
        )
    reading = read_ibm(
        properties, configuration if isinstance(configuration, Mapping) else {}, device=device, source=source
    )
    if isinstance(configuration, Mapping):
        return reading
    return Reading(
        reading.snapshot, ("configuration: it is missing, so basis gates and limits are not known.", *reading.unread)
    )


def _parameters(parameters: Any, where: str, unread: Unread) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for parameter in parameters if isinstance(parameters, list) else ():
        try:
            name = str(parameter["name"])
            found[name] = _si(parameter)
            if parameter.get("value") is not None and parameter.get("unit", "") not in _UNITS and name in _KEPT_NAMES:
                unread.add(f"{where}.{name}", f"the unit {parameter['unit']!r} is not known")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            unread.add(where, error)
    if not isinstance(parameters, list):
        unread.add(where, f"a list was expected, not {type(parameters).__name__}")
    return found


def _si(parameter: Mapping[str, Any]) -> Value:
    value = finite(parameter.get("value"))
    scale = _UNITS.get(parameter.get("unit", ""))
    at = parameter.get("date")
    return (None if value is None or scale is None else value * scale, to_utc(at) if at else None)
