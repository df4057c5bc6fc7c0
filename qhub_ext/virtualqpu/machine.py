"""What a payload is, how long the device would be busy with it, and its results with the noise of the snapshot."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import PrimitiveResult
from qiskit.primitives.containers import ObservablesArray

from qhub_ext.errors import InvalidOptionError, QhubError
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.tiers import devices
from qhub_ext.tiers.backend import DEFAULT_PRECISION, DEFAULT_SHOTS
from qhub_ext.tiers.devices import Device, load
from qhub_ext.tiers.facts import shot_seconds
from qhub_ext.tiers.noise import forget
from qhub_ext.tiers.qpu.wire import execution_spans, tagged, untagged
from qhub_ext.virtualqpu.drift import drifted

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
    rep_delay_s: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return () if self.values is None else self.values.shape[:-1]


@dataclass(frozen=True, eq=False)
class Program:
    """`ignored` names what was asked for and is not simulated."""

    name: str
    pubs: tuple[Pub, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Run:
    """A PUB that was executed: under which calibration, from when to when (UTC, the device's own time)."""

    result: Any
    device: Device
    cycle: int
    start: datetime
    stop: datetime


class Machine:
    """One device over its calibrations, called `name` and made as `model` of the catalog. `replay` are the vendor's documents of several real snapshots, to be gone through in turn instead of
    drifting: {"configuration": ..., "properties": ...} each, the oldest first.
    """

    def __init__(self, name: str, model: str = "", *, seed: int = 0, replay: Sequence[Mapping[str, Any]] = ()) -> None:
        self.device: Device = load(model or name)
        if model and name != model:
            configuration = {**self.device.configuration, "backend_name": name}
            self.device = Device(name, configuration, self.device.properties, f"virtual QPU, as {model}")
            devices.install(self.device)
        self.seed = seed
        self._replay = replay
        self._made = threading.Lock()
        self._latest: tuple[int, Device] = (-1, self.device)

    def at(self, cycle: int, since: float) -> Device:
        """The device as it is after `cycle` calibrations, the last of which ended at `since` (s since 1970 UTC)."""
        with self._made:
            if self._latest[0] != cycle:
                self._latest = (cycle, self._calibrated(cycle, since))
                devices.install(self._latest[1])
                forget()  # the noise of a calibration that is over
            return self._latest[1]

    def _calibrated(self, cycle: int, since: float) -> Device:
        name, configuration = self.device.name, self.device.configuration
        if self._replay:
            chosen = self._replay[cycle % len(self._replay)]
            return Device(name, chosen["configuration"], chosen["properties"], "a real snapshot, replayed")
        if cycle == 0:
            return self.device
        moved = drifted(self.device.properties, name, self.seed, cycle, since)
        return Device(name, configuration, moved, f"virtual QPU, drifted from {self.device.snapshot.id}")

    def read(self, program: str, params: Mapping[str, Any]) -> Program:
        """Raises InvalidOptionError in the words of a service that refuses a request."""
        if program not in PROGRAMS:
            raise InvalidOptionError(f"There is no program {program!r}.", advice=f"Known: {', '.join(PROGRAMS)}.")
        pubs = params.get("pubs")
        if not isinstance(pubs, list) or not pubs:
            raise InvalidOptionError("`pubs` must be a list with at least one PUB.")
        made = tuple(self._pub(program, pub, params, number) for number, pub in enumerate(pubs))
        return Program(program, made, ignored(params))

    def results(self, name: str, pubs: Sequence[Pub], device: Device) -> list[Any]:
        """Of each PUB, with the noise that the device has in this calibration."""
        devices.install(device)
        place = backend(device.name, tier="emulation")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a device does not warn; the client has
            if name != "estimator":
                return list(Sampler(backend=place, options={"readout": "asymmetric"}).run(
                    [(pub.circuit, pub.values, pub.shots) for pub in pubs]
                ).result())  # fmt: skip
            return list(Estimator(backend=place, options={"readout": "asymmetric"}).run(
                [(pub.circuit, pub.observables, pub.values, pub.precision) for pub in pubs]
            ).result())  # fmt: skip

    def execute(self, program: Program, clock: Callable[[], float]) -> tuple[str, float]:
        """The encoded result of a whole program under the calibration that was asked for last, and the seconds that it takes there.

        `clock` in s since 1970 UTC gives the start.
        """
        cycle, device = self._latest
        begin, runs = datetime.fromtimestamp(clock(), UTC), []
        for pub, result in zip(program.pubs, self.results(program.name, program.pubs, device), strict=True):
            end = begin + timedelta(seconds=self.seconds(pub, device))
            runs.append(Run(result, device, max(cycle, 0), begin, end))
            begin = end
        return self.encode(program, runs), TASK_S + sum((run.stop - run.start).total_seconds() for run in runs)

    def encode(self, program: Program, runs: Sequence[Run]) -> str:
        """The result of a task as the service sends it; it says under which calibration each PUB ran."""
        ids = [run.device.snapshot.id for run in runs]
        for run, snapshot in zip(runs, ids, strict=True):
            run.result.metadata["snapshot"] = snapshot
        metadata = {
            "version": 2,
            "simulated": True,
            "device": self.device.name,
            "snapshot": ids[0],
            "snapshots": list(dict.fromkeys(ids)),
            "cycle": runs[0].cycle,
            **({"not_simulated": list(program.ignored)} if program.ignored else {}),
        }
        encoded = tagged(PrimitiveResult([run.result for run in runs], metadata=metadata))
        encoded["__value__"]["metadata"]["execution"] = {
            "execution_spans": execution_spans(
                [
                    (run.start, run.stop, {number: (pub.shape, pub.shots)})
                    for number, (run, pub) in enumerate(zip(runs, program.pubs, strict=True))
                ]
            )
        }
        return json.dumps(encoded)

    def seconds(self, pub: Pub, device: Device) -> float:
        """QPU time: per shot the circuit's duration and the pause."""
        each = shot_seconds(pub.circuit, device)
        each = each if each is not None else (device.rep_delay_s or 250e-6)
        if pub.rep_delay_s is not None:
            each += pub.rep_delay_s - (device.rep_delay_s or 0.0)
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
        delay = ((params.get("options") or {}).get("execution") or {}).get("rep_delay")
        pause = None if delay is None else float(delay)
        if program == "sampler":
            values, shots = rest[0], rest[1] or params.get("shots") or DEFAULT_SHOTS
            return Pub(
                circuit,
                _values(values, circuit, which),
                _whole(shots, which, self.device.max_shots),
                rep_delay_s=pause,
            )
        observables = _observables(rest[0], self.device.qubits, which)
        precision = float(rest[2] or params.get("precision") or DEFAULT_PRECISION)
        if not 0 < precision < 10:
            raise InvalidOptionError(f"{which}: a precision of {precision} is not accepted.")
        shots = _whole(int(np.ceil(precision**-2 * (1 - 1e-12))), which, self.device.max_shots)
        widened = _widened(circuit, observables.num_qubits)
        return Pub(widened, _values(rest[1], circuit, which), shots, precision, observables, pause)


def ignored(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what a payload asks for beyond circuits, shots and the pause between them."""
    options = params.get("options") or {}
    found = [name for name, value in options.items() if value not in (None, {}) and name != "execution"]
    found += [f"execution.{name}" for name in options.get("execution") or {} if name != "rep_delay"]
    return tuple(sorted([*found, *(("resilience_level",) if params.get("resilience_level") else ())]))


def _circuit(given: Any, which: str) -> QuantumCircuit:
    if not isinstance(given, str):
        raise InvalidOptionError(f"{which}: the circuit must be OpenQASM 3 text.")
    import qiskit_qasm3_import

    try:
        circuit: QuantumCircuit = qiskit_qasm3_import.parse(given)
    except Exception as error:
        told = " ".join(str(error).split()) or "it does not follow the grammar"  # which its parser leaves unsaid
        raise InvalidOptionError(f"{which}: the circuit cannot be read as OpenQASM 3: {told}.") from error
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
