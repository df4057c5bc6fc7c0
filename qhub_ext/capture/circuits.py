"""Circuits as QPY, Qiskit's own format: smaller and faster than a pickle, and reading it runs no code.

Only where nothing is lost: a circuit with operations of classes that QPY does not know goes as a pickle instead.
"""

from __future__ import annotations

import io
import json
import sys
import warnings
from functools import lru_cache
from typing import Any, NamedTuple


class Circuits(NamedTuple):
    """`order` gives the place in the file of each element: 100 times the same circuit is stored once."""

    data: bytes
    container: str
    order: tuple[int, ...]


def to_qpy(value: Any, *, layouts: bool = True) -> Circuits | None:
    """None for whatever is not a circuit or a list or tuple of circuits, or would not survive.

    Without `layouts` one circuit always makes the same bytes: QPY writes the registers of a layout in no fixed order.
    """
    qiskit = sys.modules.get("qiskit")
    if qiskit is None:
        return None
    kind = getattr(qiskit, "QuantumCircuit", None)
    if type(value) is kind:
        items: tuple[Any, ...] = (value,)
        container = ""
    elif type(value) in (list, tuple) and value and all(type(item) is kind for item in value):
        items, container = tuple(value), type(value).__name__
    else:
        return None
    places: dict[int, int] = {}
    unique: list[Any] = []
    for item in items:
        if id(item) not in places:
            places[id(item)] = len(unique)
            unique.append(item)
    if not all(_is_plain(circuit) for circuit in unique):
        return None
    if not layouts:
        unique = [circuit if circuit.layout is None else _without_layout(circuit) for circuit in unique]
    data = _dump(unique)
    if data is None or not (all(_is_common(c) for c in unique) or _survive(unique, data)):
        return None
    return Circuits(data, container, tuple(places[id(item)] for item in items) if container else ())


def from_qpy(data: bytes | memoryview, container: str, order: tuple[int, ...]) -> Any:
    from qiskit import qpy

    circuits = qpy.load(io.BytesIO(data))
    if not container:
        return circuits[0]
    items = [circuits[place] for place in order]
    return tuple(items) if container == "tuple" else items


def layouts_of(value: Any) -> list[Any]:
    """The layout of each circuit of what `to_qpy` takes, in an order of its own: plain values, equal for equal layouts."""
    return [_layout(circuit) for circuit in (value if isinstance(value, (list, tuple)) else [value])]


def _layout(circuit: Any) -> Any:
    layout = circuit.layout
    if layout is None:
        return None
    places = {qubit: place for place, qubit in enumerate(circuit.qubits)}
    inputs = layout.input_qubit_mapping or {}

    def plain(physical_to_virtual: Any) -> Any:
        if physical_to_virtual is None:
            return None
        pairs = sorted(physical_to_virtual.get_physical_bits().items())
        return [(physical, places.get(qubit), inputs.get(qubit), _of_register(qubit)) for physical, qubit in pairs]

    mapping = sorted((index, _of_register(qubit)) for qubit, index in inputs.items())
    outputs = [places.get(qubit) for qubit in layout._output_qubit_list or ()]
    return [plain(layout.initial_layout), plain(layout.final_layout), mapping, layout._input_qubit_count, outputs]


def _of_register(qubit: Any) -> tuple[str, int, int]:
    register = getattr(qubit, "_register", None)
    return ("", -1, -1) if register is None else (register.name, register.size, qubit._index)


def _without_layout(circuit: Any) -> Any:
    copy = circuit.copy()
    copy._layout = None
    return copy


def _dump(circuits: list[Any]) -> bytes | None:
    from qiskit import qpy

    file = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # the newest version: from 17 on it is written by compiled code, five times as fast as 13. Older Qiskits cannot
            # read it, but values are only read where Qiskit's major.minor is the same
            qpy.dump(circuits, file)
    except Exception:  # noqa: BLE001 - QPY raises many kinds for what it does not know; a pickle is tried next
        return None
    return file.getvalue()


def _is_plain(circuit: Any) -> bool:
    """False if the object carries what QPY has no place for."""
    unusual = {name for name, value in vars(circuit).items() if value is not None and name not in _usual_attributes()}
    if unusual or getattr(circuit, "_op_start_times", None) is not None:
        return False
    try:
        return bool(json.loads(json.dumps(circuit.metadata)) == circuit.metadata)
    except (TypeError, ValueError):
        return False


@lru_cache(maxsize=1)
def _usual_attributes() -> frozenset[str]:
    from qiskit import QuantumCircuit

    return frozenset(vars(QuantumCircuit(1, 1)))


def _is_common(circuit: Any) -> bool:
    """Only operations that QPY is known to keep exactly; spares reading it back."""
    for instruction in circuit.data:
        if not instruction.is_standard_gate() and _home(instruction.operation) not in _COMMON:
            return False
    return True


def _home(operation: Any) -> str:
    """The module of its class; a Measure is a singleton of a class without one."""
    return str(getattr(operation, "base_class", type(operation)).__module__)


_COMMON = frozenset(
    {"qiskit.circuit.measure", "qiskit.circuit.barrier", "qiskit.circuit.reset", "qiskit.circuit.delay"}
)


def _survive(circuits: list[Any], data: bytes) -> bool:
    try:
        restored = from_qpy(data, "list", tuple(range(len(circuits))))
        return all(_same(before, after) for before, after in zip(circuits, restored, strict=True))
    except Exception:  # noqa: BLE001 - whatever it is, a pickle is tried next
        return False


def _same(before: Any, after: Any) -> bool:
    if len(before.data) != len(after.data) or before != after:
        return False
    for one, other in zip(before.data, after.data, strict=True):
        if not one.is_standard_gate() and type(one.operation) is not type(other.operation):
            return False
    return True
