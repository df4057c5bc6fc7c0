"""What a vendor says about a device -> what the rest of qhub_ext reads. Plain JSON in, plain values out.

IBM's properties have T1 and T2 in us, frequencies in GHz, lengths in ns, and a date with an offset for each value.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import Column, GateTable, Snapshot, finite
from qhub_ext.tiers import pulser_specs

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

_IQM_QUBITS = {
    ("characterization", "t1_time"): "t1_s",
    ("characterization", "t2_time"): "t2_s",
    ("ssro", "fidelity"): "readout_error",
    ("ssro", "error_0_to_1"): "prob_meas1_prep0",
    ("ssro", "error_1_to_0"): "prob_meas0_prep1",
}


@dataclass(frozen=True)
class Reading:
    """A snapshot, and a sentence for each thing in the vendor's document that could not be read. `document` is that in the shape in which it is
    kept; `dated` where it tells its own moment.
    """

    snapshot: Snapshot
    unread: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    dated: bool = True


def parse_ibm_properties(
    properties: Mapping[str, Any], configuration: Mapping[str, Any], *, device: str, source: str
) -> Snapshot:
    """A snapshot from the contents of `props_*.json` and `conf_*.json`."""
    return read_ibm(properties, configuration, device=device, source=source).snapshot


def read_ibm(properties: Mapping[str, Any], configuration: Mapping[str, Any], *, device: str, source: str) -> Reading:
    """Raises InvalidOptionError where not even the number of qubits is to be had."""
    unread = _Unread()
    listed = _list(properties, "qubits", unread)
    width = configuration.get("n_qubits") or len(listed)
    if not isinstance(width, int) or width < 1:
        raise InvalidOptionError("It does not say how many qubits the device has.")
    columns: dict[str, list[tuple[float | None, str | None]]] = {}
    for place, parameters in enumerate(listed[:width]):
        for key, value in _parameters(parameters, f"qubits[{place}]", unread).items():
            name = _QUBIT_NAMES.get(key)
            if name is not None:
                columns.setdefault(name, [(None, None)] * width)[place] = value

    sites: dict[str, list[tuple[tuple[int, ...], tuple[Any, Any], tuple[Any, Any]]]] = {}
    for number, gate in enumerate(_list(properties, "gates", unread)):
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
            taken_at=_moment(properties, columns, sites, unread),
            source=source,
            # the two "fake_" devices of the package describe no machine that ever was; a virtual QPU's drifted numbers no real day
            synthetic=str(configuration.get("backend_name", "")).startswith("fake_")
            or bool(properties.get("simulated")),
            qubits=width,
            columns={name: Column.of(columns[name]) for name in _QUBIT_NAMES.values() if name in columns},
            gates=_tables(sites),
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


def read_iqm(document: Mapping[str, Any], *, device: str, source: str) -> Reading:
    """IQM's quality metrics; `extra["names"]` has IQM's own names of the qubits, in the order of ours."""
    unread = _Unread()
    architecture = document.get("dynamic_quantum_architecture") or document.get("static_quantum_architecture") or {}
    metrics = document.get("quality_metrics") or {}
    observations = [
        o for o in _list(metrics, "observations", unread) if isinstance(o, Mapping) and not o.get("invalid")
    ]
    names = [str(name) for name in architecture.get("qubits") or ()]
    if not names:
        found = {word for o in observations for word in re.findall(r"\bQB\d+\b", str(o.get("dut_field")))}
        names = sorted(found, key=lambda name: int(name[2:]))
    if not names:
        raise InvalidOptionError("It does not say which qubits the device has.")
    place = {name: number for number, name in enumerate(names)}
    columns: dict[str, list[tuple[float | None, str | None]]] = {}
    errors: dict[str, dict[tuple[int, ...], tuple[float | None, str | None]]] = {}
    lengths = _iqm_lengths(document, place, columns)
    for observation in observations:
        field = str(observation.get("dut_field", ""))
        at = observation.get("created_timestamp")
        value, moment = finite(observation.get("value")), to_utc(at) if at else None
        match = _IQM_FIELD.fullmatch(field.partition(":")[0])
        if match is None:
            unread.skip(f"observations of {'.'.join(field.split('.')[:2])}")
            continue
        kind, quantity = match["kind"] or match["kind2"], match["quantity"] or match["quantity2"]
        locus = tuple(place.get(name, -1) for name in (match["locus"] or match["locus2"]).split("__"))
        if -1 in locus:
            unread.add(field, "it names a component that is no qubit")
            continue
        key = _IQM_QUBITS.get((kind, quantity))
        if key is not None:
            measured = 1 - value if quantity == "fidelity" and value is not None else value
            columns.setdefault(key, [(None, None)] * len(names))[locus[0]] = (measured, moment)
        elif quantity == "fidelity" and match["gate"] in ("prx", "cz"):
            error = None if value is None else max(0.0, 1 - value)
            before = errors.setdefault(match["gate"], {}).get(locus)
            if before is None or before[0] is None or (error is not None and error < before[0]):
                errors[match["gate"]][locus] = (error, moment)
        else:
            unread.skip(f"observations of {'.'.join(field.split('.')[:3])}")
    sites: dict[str, list[tuple[tuple[int, ...], tuple[Any, Any], tuple[Any, Any]]]] = {
        gate: [
            (site, errors.get(gate, {}).get(site, (None, None)), lengths.get(gate, {}).get(site, (None, None)))
            for site in sorted({*errors.get(gate, ()), *lengths.get(gate, ())})
        ]
        for gate in sorted({*errors, *lengths})
    }
    dated = {"last_update_date": metrics.get("end_timestamp") or metrics.get("created_timestamp")}
    return Reading(
        Snapshot(
            device=device,
            taken_at=_moment(dated, columns, sites, unread),
            source=source,
            synthetic=bool(architecture.get("simulated")),
            qubits=len(names),
            columns={name: Column.of(columns[name]) for name in sorted(columns)},
            gates=_tables(sites),
            basis=tuple(sorted(architecture.get("gates") or errors)),
            extra={"names": names},
        ),
        unread.sentences,
    )


_Value = tuple[float | None, str | None]


def _iqm_lengths(
    document: Mapping[str, Any], place: Mapping[str, int], columns: dict[str, list[_Value]]
) -> dict[str, dict[tuple[int, ...], _Value]]:
    """Gate -> locus -> duration in s and its moment, of the implementation that is the default; that of a measurement goes to `columns`.

    They stand in the calibration set, among much that a snapshot does not keep.
    """
    gates = (document.get("dynamic_quantum_architecture") or {}).get("gates") or {}
    calibration = document.get("calibration_set") or {}
    found: dict[str, dict[tuple[int, ...], _Value]] = {}
    for observation in calibration.get("observations") or () if isinstance(calibration, Mapping) else ():
        match = (
            _IQM_LENGTH.fullmatch(str(observation.get("dut_field", ""))) if isinstance(observation, Mapping) else None
        )
        if match is None or observation.get("invalid"):
            continue
        gate, locus = match["gate"], tuple(match["locus"].split("__"))
        known = gates.get(gate) or {}
        overridden = (known.get("override_default_implementation") or {}).get(",".join(locus))
        if match["implementation"] != (overridden or known.get("default_implementation")) or any(
            n not in place for n in locus
        ):
            continue
        at = observation.get("created_timestamp")
        value = (finite(observation.get("value")), to_utc(at) if at else None)
        if gate == "measure":
            columns.setdefault("readout_length_s", [(None, None)] * len(place))[place[locus[0]]] = value
        else:
            found.setdefault(gate, {})[tuple(place[name] for name in locus)] = value
    return found


_IQM_LENGTH = re.compile(r"gates\.(?P<gate>prx|cz|measure)\.(?P<implementation>\w+)\.(?P<locus>\w+)\.duration")
_IQM_FIELD = re.compile(
    r"(?P<kind>characterization)\.model\.(?P<locus>\w+)\.(?P<quantity>t1_time|t2_time|t2_echo_time)"
    r"|metrics\.(?P<kind2>ssro|rb|irb)\.(?P<gate>\w+)\.\w+\.(?P<locus2>\w+)\.(?P<quantity2>fidelity|error_0_to_1|error_1_to_0)"
)


def _tables(
    sites: Mapping[str, list[tuple[tuple[int, ...], tuple[Any, Any], tuple[Any, Any]]]],
) -> dict[str, GateTable]:
    return {
        name: GateTable(
            tuple(site for site, _, _ in rows),
            Column.of(error for _, error, _ in rows),
            Column.of(length for _, _, length in rows),
        )
        for name, rows in sorted(sites.items())
    }


class _Unread:
    """What could not be read, in the order in which it came; of the same kind, how many."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._skipped: Counter[str] = Counter()

    def add(self, where: str, why: object) -> None:
        self._found.append(f"{where}: {why}.")

    def skip(self, what: str) -> None:
        self._skipped[what] += 1

    @property
    def sentences(self) -> tuple[str, ...]:
        return (
            *self._found,
            *(f"{number} {what}: not among what a snapshot keeps." for what, number in self._skipped.items()),
        )


def _list(record: Any, key: str, unread: _Unread) -> list[Any]:
    value = record.get(key) if isinstance(record, Mapping) else None
    if isinstance(value, list):
        return value
    unread.add(key, "it is missing" if value is None else f"a list was expected, not {type(value).__name__}")
    return []


def _parameters(parameters: Any, where: str, unread: _Unread) -> dict[str, tuple[float | None, str | None]]:
    found: dict[str, tuple[float | None, str | None]] = {}
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


def _moment(
    properties: Mapping[str, Any], columns: Mapping[str, Any], sites: Mapping[str, Any], unread: _Unread
) -> str:
    """The document's own date; else the latest date of a value; else 1970, said."""
    try:
        return to_utc(properties["last_update_date"])
    except (KeyError, TypeError, ValueError):
        values = [at for column in columns.values() for _, at in column]
        values += [pair[1] for rows in sites.values() for row in rows for pair in row[1:]]
        unread.add("last_update_date", "it is missing or no date; the latest date of a value stands for it")
        return max((at for at in values if at), default="1970-01-01T00:00:00Z")


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
