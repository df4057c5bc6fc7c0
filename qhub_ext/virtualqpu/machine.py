"""What a payload is, how long the device would be busy with it, and its results with the noise of the snapshot."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import PrimitiveResult
from qiskit.primitives.containers import ObservablesArray

from qhub_ext.errors import InvalidOptionError, QhubError
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.tiers.backend import DEFAULT_PRECISION, DEFAULT_SHOTS
from qhub_ext.tiers.devices import Device, load
from qhub_ext.tiers.facts import shot_seconds
from qhub_ext.tiers.qpu.wire import execution_spans, tagged, untagged

PROGRAMS = ("sampler", "estimator")
TASK_S = 0.5
"""Loading a task into the control electronics, once per task."""


@dataclass(frozen=True, eq=False)
class Pub:
    """`values` of shape (..., parameters); `observables` for an estimator only. `shots` per set of values and group."""

    circuit: QuantumCircuit
    values: NDArray[np.float64] | None
    shots: int
    precision: float = DEFAULT_PRECISION
    observables: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.values is None else self.values.shape[:-1]


@dataclass(frozen=True, eq=False)
class Program:
    name: str
    pubs: tuple[Pub, ...]


class Machine:
    """One device. `execute` gives the encoded result and the seconds that the device would have been busy."""

    def __init__(self, name: str) -> None:
        self.device: Device = load(name)

    @cached_property
    def target(self) -> Any:
        return self.device.target

    def read(self, program: str, params: Mapping[str, Any]) -> Program:
        """Raises InvalidOptionError in the words of a service that refuses a request."""
        if program not in PROGRAMS:
            raise InvalidOptionError(f"There is no program {program!r}.", advice=f"Known: {', '.join(PROGRAMS)}.")
        pubs = params.get("pubs")
        if not isinstance(pubs, list) or not pubs:
            raise InvalidOptionError("`pubs` must be a list with at least one PUB.")
        return Program(program, tuple(self._pub(program, pub, params, number) for number, pub in enumerate(pubs)))

    def seconds(self, program: Program) -> float:
        """QPU time: per shot the circuit's duration and the pause, and the loading."""
        return TASK_S + sum(self._pub_seconds(pub) for pub in program.pubs)

    def execute(self, program: Program, clock: Callable[[], float]) -> tuple[str, float]:
        """`clock` in s since 1970 UTC gives the start; spans of execution follow it in the device's own time."""
        place = backend(self.device.name, tier="emulation")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a device does not warn; the client has
            if program.name == "sampler":
                result = Sampler(backend=place, options={"readout": "asymmetric"}).run(
                    [(pub.circuit, pub.values, pub.shots) for pub in program.pubs]
                ).result()  # fmt: skip
            else:
                result = Estimator(backend=place, options={"readout": "asymmetric"}).run(
                    [(pub.circuit, pub.observables, pub.values, pub.precision) for pub in program.pubs]
                ).result()  # fmt: skip
        begin = datetime.fromtimestamp(clock(), UTC)
        spans = []
        for number, pub in enumerate(program.pubs):
            end = begin + timedelta(seconds=self._pub_seconds(pub))
            spans.append((begin, end, {number: (pub.shape, pub.shots)}))
            begin = end
        metadata = {
            **result.metadata,
            "simulated": True,
            "device": self.device.name,
            "snapshot": self.device.snapshot.id,
        }
        encoded = tagged(PrimitiveResult(list(result), metadata=metadata))
        encoded["__value__"]["metadata"]["execution"] = {"execution_spans": execution_spans(spans)}
        return json.dumps(encoded), self.seconds(program)

    def _pub_seconds(self, pub: Pub) -> float:
        each = shot_seconds(pub.circuit, self.device)
        each = each if each is not None else (self.device.rep_delay_s or 250e-6)
        groups = 1 if pub.observables is None else max(1, _groups(pub.observables))
        return float(each * pub.shots * groups * int(np.prod(pub.shape, dtype=int)))

    def _pub(self, program: str, given: Any, params: Mapping[str, Any], number: int) -> Pub:
        which = f"PUB {number}"
        if not isinstance(given, list) or not given:
            raise InvalidOptionError(f"{which} must be a list that begins with a circuit.")
        circuit = _circuit(given[0], which)
        if circuit.num_qubits > self.device.qubits:
            raise InvalidOptionError(
                f"{which} has {circuit.num_qubits} qubits, {self.device.name} has {self.device.qubits}."
            )
        rest = [*given[1:], None, None, None]
        if program == "sampler":
            values, shots = rest[0], rest[1] or params.get("shots") or DEFAULT_SHOTS
            return Pub(circuit, _values(values, circuit, which), _whole(shots, which, self.device.max_shots))
        observables = _observables(rest[0], self.device.qubits, which)
        precision = float(rest[2] or params.get("precision") or DEFAULT_PRECISION)
        if not 0 < precision < 10:
            raise InvalidOptionError(f"{which}: a precision of {precision} is not accepted.")
        shots = _whole(int(np.ceil(precision**-2 * (1 - 1e-12))), which, self.device.max_shots)
        widened = _widened(circuit, observables.num_qubits)
        return Pub(widened, _values(rest[1], circuit, which), shots, precision, observables)


def _circuit(given: Any, which: str) -> QuantumCircuit:
    if not isinstance(given, str):
        raise InvalidOptionError(f"{which}: the circuit must be OpenQASM 3 text.")
    import qiskit_qasm3_import

    try:
        circuit: QuantumCircuit = qiskit_qasm3_import.parse(given)
    except Exception as error:
        raise InvalidOptionError(f"{which}: the circuit cannot be read as OpenQASM 3: {error}") from error
    return circuit


def _values(given: Any, circuit: QuantumCircuit, which: str) -> NDArray[np.float64] | None:
    if given is None or (isinstance(given, list | dict) and not given and not circuit.num_parameters):
        if circuit.num_parameters:
            raise InvalidOptionError(f"{which} has {circuit.num_parameters} parameters and no values for them.")
        return None
    if isinstance(given, dict) and "__type__" not in given:
        # by name: {"a": [...]} or {"a,b": [[...], ...]}
        raise InvalidOptionError(f"{which}: values must be a list or an array in the order of the parameters.")
    try:
        values = np.asarray(untagged(given), dtype=float)
    except (QhubError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"{which}: its values are no numbers: {error}") from error
    if values.ndim == 0 or values.shape[-1] != circuit.num_parameters:
        raise InvalidOptionError(
            f"{which}: values of shape {values.shape} do not fit {circuit.num_parameters} parameters."
        )
    return values


def _observables(given: Any, qubits: int, which: str) -> ObservablesArray:
    try:
        if isinstance(given, dict) and given.get("__type__") == "ObservablesArray":
            given = given["__value__"]
        array = ObservablesArray.coerce(given)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidOptionError(f"{which}: its observables cannot be read: {error}") from error
    if array.num_qubits > qubits:
        raise InvalidOptionError(f"{which}: its observables have {array.num_qubits} qubits, the device has {qubits}.")
    return array


def _widened(circuit: QuantumCircuit, width: int) -> QuantumCircuit:
    """Physical qubits in text make a circuit only as wide as the highest that it names."""
    if circuit.num_qubits >= width:
        return circuit
    wide = QuantumCircuit(width, name=circuit.name)
    wide.compose(circuit, range(circuit.num_qubits), inplace=True)
    return wide


def _groups(observables: Any) -> int:
    bases = {term for observable in observables.ravel() for term in observable}
    return len({str(term).replace("Z", "I") for term in bases})


def _whole(given: Any, which: str, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise InvalidOptionError(f"{which}: {given!r} shots are not accepted.", advice=f"Accepted: 1 to {most}.")
    return given
