"""IQM's quality metrics and calibration set -> what the rest of qhub_ext reads. Names of observations (`dut_field`) are those of
iqm-station-control-client 14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import Column, Snapshot, finite
from qhub_ext.tiers.reading import Reading, Unread, Value, gate_tables, list_in, moment_of, to_utc

_QUBITS = {
    ("characterization", "t1_time"): "t1_s",
    ("characterization", "t2_time"): "t2_s",
    ("ssro", "fidelity"): "readout_error",
    ("ssro", "error_0_to_1"): "prob_meas1_prep0",
    ("ssro", "error_1_to_0"): "prob_meas0_prep1",
}
_LENGTH = re.compile(r"gates\.(?P<gate>prx|cz|measure)\.(?P<implementation>\w+)\.(?P<locus>\w+)\.duration")
_FIELD = re.compile(
    r"(?P<kind>characterization)\.model\.(?P<locus>\w+)\.(?P<quantity>t1_time|t2_time|t2_echo_time)"
    r"|metrics\.(?P<kind2>ssro|rb|irb)\.(?P<gate>\w+)\.\w+\.(?P<locus2>\w+)\.(?P<quantity2>fidelity|error_0_to_1|error_1_to_0)"
)


def read_iqm(document: Mapping[str, Any], *, device: str, source: str) -> Reading:
    """IQM's quality metrics; `extra["names"]` has IQM's own names of the qubits, in the order of ours."""
    unread = Unread()
    architecture = document.get("dynamic_quantum_architecture") or document.get("static_quantum_architecture") or {}
    metrics = document.get("quality_metrics") or {}
    observations = [
        o for o in list_in(metrics, "observations", unread) if isinstance(o, Mapping) and not o.get("invalid")
    ]
    names = [str(name) for name in architecture.get("qubits") or ()]
    if not names:
        found = {word for o in observations for word in re.findall(r"\bQB\d+\b", str(o.get("dut_field")))}
        names = sorted(found, key=lambda name: int(name[2:]))
    if not names:
        raise InvalidOptionError("It does not say which qubits the device has.")
    place = {name: number for number, name in enumerate(names)}
    columns: dict[str, list[Value]] = {}
    errors: dict[str, dict[tuple[int, ...], Value]] = {}
    lengths = _lengths(document, place, columns)
    for observation in observations:
        field = str(observation.get("dut_field", ""))
        at = observation.get("created_timestamp")
        value, moment = finite(observation.get("value")), to_utc(at) if at else None
        match = _FIELD.fullmatch(field.partition(":")[0])
        if match is None:
            unread.skip(f"observations of {'.'.join(field.split('.')[:2])}")
            continue
        kind, quantity = match["kind"] or match["kind2"], match["quantity"] or match["quantity2"]
        locus = tuple(place.get(name, -1) for name in (match["locus"] or match["locus2"]).split("__"))
        if -1 in locus:
            unread.add(field, "it names a component that is no qubit")
            continue
        key = _QUBITS.get((kind, quantity))
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
    sites = {
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
            taken_at=moment_of(dated, columns, sites, unread),
            source=source,
            synthetic=bool(architecture.get("simulated")),
            qubits=len(names),
            columns={name: Column.of(columns[name]) for name in sorted(columns)},
            gates=gate_tables(sites),
            basis=tuple(sorted(architecture.get("gates") or errors)),
            extra={"names": names},
        ),
        unread.sentences,
    )


def _lengths(
    document: Mapping[str, Any], place: Mapping[str, int], columns: dict[str, list[Value]]
) -> dict[str, dict[tuple[int, ...], Value]]:
    """Gate -> locus -> duration in s and its moment, of the implementation that is the default; that of a measurement goes to `columns`.

    They stand in the calibration set, among much that a snapshot does not keep.
    """
    gates = (document.get("dynamic_quantum_architecture") or {}).get("gates") or {}
    calibration = document.get("calibration_set") or {}
    found: dict[str, dict[tuple[int, ...], Value]] = {}
    for observation in calibration.get("observations") or () if isinstance(calibration, Mapping) else ():
        match = _LENGTH.fullmatch(str(observation.get("dut_field", ""))) if isinstance(observation, Mapping) else None
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
