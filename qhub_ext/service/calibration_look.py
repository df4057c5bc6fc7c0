"""Looks at a calibration: of a device or of a snapshot, with a circuit on it, or against another."""

from __future__ import annotations

import json
import re
import struct
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qhub_ext.display.calibration import Edge, Look, Placement
from qhub_ext.display.calibration_scale import find_metric
from qhub_ext.errors import CaptureError, InvalidOptionError, UnknownNameError
from qhub_ext.job.calibration import SCHEMA, Snapshot
from qhub_ext.job.calibration_flags import flags_of
from qhub_ext.service.calibrations import JobCalibration, is_known, snapshot_of
from qhub_ext.tiers import catalog
from qhub_ext.tiers import snapshots as vendors
from qhub_ext.tiers.chart import chart
from qhub_ext.tiers.site_devices import takes_circuits

_DIGITS = re.compile(r"(sha256:)?[0-9a-f]{4,64}")
_NO_GATES = frozenset({"barrier", "delay"})


def look_at(
    device: str, shelf: Path, *, metric: str = "readout", circuit: tuple[str, Any] | None = None, versus: str = ""
) -> Look:
    """`device` is a name (its newest known snapshot), `NAME@DIGITS` of a snapshot's id, or a file with one; `versus` may also be
    the digits alone. `circuit` is a transpiled one with its name.
    """
    snapshot = find_snapshot(device, shelf)
    drawn = _chart(snapshot)
    against = None
    if versus:
        own = versus if is_known(versus, shelf) or not _DIGITS.fullmatch(versus) else f"{snapshot.device}@{versus}"
        against = _chart(find_snapshot(own, shelf))
        if len(against["qubits"]) != len(drawn["qubits"]):
            raise InvalidOptionError(
                f"{drawn['device']} has {len(drawn['qubits'])} qubits and {against['device']} has {len(against['qubits'])}: "
                "their calibrations cannot be laid over each other."
            )
    placement = None if circuit is None else place(*circuit, drawn)
    return Look(drawn, time.time(), find_metric(metric), placement, against)


def job_look(job: str, seen: JobCalibration, metric: str) -> Look | None:
    """The snapshot of a job's last task with the places that its tasks used; None where no task ran or its numbers are not kept."""
    ids = [identity for task in seen.tasks for identity in task.snapshots]
    snapshot = next((seen.snapshots[i] for i in reversed(ids) if i in seen.snapshots), None)
    if snapshot is None:
        return None
    qubits = {qubit: "" for task in seen.tasks for qubit in task.qubits}
    gates: Counter[Edge] = Counter()
    for task in seen.tasks:
        gates.update(task.edges)
    return Look(_chart(snapshot), time.time(), find_metric(metric), Placement(f"job {job}", qubits, dict(gates)))


def snapshot_look(snapshot: Snapshot, metric: str) -> Look:
    """A snapshot with nothing on it."""
    return Look(_chart(snapshot), time.time(), find_metric(metric))


def find_snapshot(name: str, shelf: Path) -> Snapshot:
    """By `NAME`, `NAME@DIGITS` or a file."""
    if not name.endswith(".json"):
        device, _, digits = name.partition("@")
        return snapshot_of(device, shelf, digits)
    try:
        record = json.loads(Path(name).read_bytes())
    except OSError as error:
        raise InvalidOptionError(f"{name} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidOptionError(f"{name} is not JSON ({error}).") from error
    try:
        if isinstance(record, dict) and record.get("schema") == SCHEMA:
            return Snapshot.from_json(record)
        return vendors.read_document(record, device=Path(name).stem, source=f"file {Path(name).name}").snapshot
    except (LookupError, TypeError, AttributeError) as error:
        raise InvalidOptionError(f"{name} holds no calibration snapshot ({error!r}).") from error


def _chart(snapshot: Snapshot) -> dict[str, Any]:
    known = snapshot.device in catalog.names() and takes_circuits(snapshot.device)
    drawn = chart(snapshot, catalog.read_configuration(snapshot.device) if known else {}, dates=True)
    return drawn | {"flags": [flag.to_json() for flag in flags_of(snapshot)]}


def read_circuit(name: str, namespace: Mapping[str, Any] | None) -> Any:
    """A variable of the notebook, or the first circuit of a .qpy file."""
    if name.endswith(".qpy"):
        from qiskit import qpy
        from qiskit.exceptions import QiskitError

        try:
            with open(name, "rb") as file:
                return qpy.load(file)[0]
        except OSError as error:
            raise CaptureError(f"{name} cannot be read: {error.strerror}.") from error
        except (QiskitError, LookupError, ValueError, struct.error) as error:
            raise CaptureError(f"{name} holds no circuit ({error}).") from error
    if namespace is None:
        raise InvalidOptionError(f"--circuit {name!r} is not a .qpy file, and a terminal has no variables.")
    if name not in namespace:
        raise UnknownNameError.among("variable", name, [n for n in namespace if not n.startswith("_")])
    return namespace[name]


def place(name: str, circuit: Any, drawn: Mapping[str, Any]) -> Placement:
    """Where a circuit lies on the device. Raises CaptureError for one that was not transpiled for it."""
    width = len(drawn["qubits"])
    if type(circuit).__name__ != "QuantumCircuit":
        raise CaptureError(f"`{name}` is a {type(circuit).__name__}, not a QuantumCircuit.")
    if circuit.num_qubits != width:
        raise CaptureError(
            f"`{name}` has {circuit.num_qubits} qubits and is not laid out on the {width} of {drawn['device']}.",
            advice="Transpile it first: generate_preset_pass_manager(3, backend=backend()).run(circuit).",
        )
    gates: Counter[Edge] = Counter()
    touched: set[int] = set()
    _count(circuit, tuple(range(width)), gates, touched)
    edges = {(e["a"], e["b"]) for e in drawn["edges"]}
    strange = next((edge for edge in gates if edge not in edges), None)
    if strange is not None:
        raise CaptureError(
            f"`{name}` has a gate on qubits {strange[0]} and {strange[1]}, which {drawn['device']} does not connect.",
            advice="Transpile it for this device first.",
        )
    own = _own_numbers(circuit)
    return Placement(name, {q: own.get(q, "") for q in sorted(touched)}, dict(gates))


def _count(circuit: Any, places: tuple[int, ...], gates: Counter[Edge], touched: set[int]) -> None:
    for instruction in circuit.data:
        if instruction.name in _NO_GATES:
            continue
        at = tuple(places[circuit.find_bit(q).index] for q in instruction.qubits)
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                _count(block, at, gates, touched)
            continue
        touched.update(at)
        if len(at) == 2:
            gates[min(at), max(at)] += 1


def _own_numbers(circuit: Any) -> dict[int, str]:
    """The device's qubit -> the number that the circuit before transpiling gave to it."""
    layout = getattr(circuit, "layout", None)
    if layout is None:
        return {}
    return {physical: str(own) for own, physical in enumerate(layout.initial_index_layout(filter_ancillas=True))}
