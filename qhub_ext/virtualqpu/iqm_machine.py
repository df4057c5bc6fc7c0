"""A machine of IQM's gates: circuits in IQM's own instructions are read as Qiskit's, and the bits of each measurement come back under its key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qiskit.circuit import ClassicalRegister, QuantumCircuit, QuantumRegister

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers import devices
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.iqm import MARK
from qhub_ext.virtualqpu.garnet import NAME, garnet
from qhub_ext.virtualqpu.machine import Machine, Program, Pub, Run

NAMES = (NAME,)
MOST_CIRCUITS, MOST_SHOTS, MOST_EXECUTIONS = 200, 100_000, 1_000_000


class IqmMachine(Machine):
    """Takes batches of circuits in IQM's own instructions, and gives the bits of each measurement under its key."""

    def __init__(self, name: str, *, seed: int = 0, replay: Sequence[Mapping[str, Any]] = ()) -> None:
        devices.install(garnet(name))
        super().__init__(name, seed=seed, replay=replay)

    def read_batch(self, body: Mapping[str, Any]) -> Program:
        """Raises InvalidOptionError in the words of a service that refuses a request."""
        shots, circuits = body.get("shots", 1), body.get("circuits")
        if isinstance(shots, bool) or not isinstance(shots, int) or not 1 <= shots <= MOST_SHOTS:
            raise InvalidOptionError(f"shots: {shots!r} is not between 1 and {MOST_SHOTS}.")
        if not isinstance(circuits, list) or not 1 <= len(circuits) <= MOST_CIRCUITS:
            raise InvalidOptionError(f"circuits: a list of 1 to {MOST_CIRCUITS} circuits is expected.")
        if shots * len(circuits) > MOST_EXECUTIONS:
            raise InvalidOptionError(f"circuits: {shots * len(circuits)} executions are more than {MOST_EXECUTIONS}.")
        made = [circuit_of(given, self.device, f"circuits.{number}") for number, given in enumerate(circuits)]
        return Program("circuit", tuple(Pub(circuit, None, shots) for circuit in made))

    def encode(self, program: Program, runs: Sequence[Run]) -> str:  # noqa: ARG002 - the keys are in the results
        return json.dumps([_measurements(run.result) for run in runs])


def _measurements(result: Any) -> dict[str, list[list[int]]]:
    """Key -> a row per shot; each key is a register of one bit."""
    found = {}
    for register, array in result.data.items():
        bits = np.unpackbits(array.array, axis=-1)[:, -1]
        found[result.metadata["circuit_metadata"]["keys"][register]] = [[int(bit)] for bit in bits]
    return found


def circuit_of(given: Any, device: Device, where: str) -> QuantumCircuit:
    """A circuit on the device's qubits. Raises InvalidOptionError in the words of a service that refuses a request."""
    if not isinstance(given, dict) or not isinstance(given.get("instructions"), list):
        raise InvalidOptionError(f"{where}: a circuit with a name and instructions is expected.")
    place = {name: number for number, name in enumerate(device.configuration[MARK]["names"])}
    pairs = {frozenset(locus) for locus in device.configuration[MARK]["cz"]}
    circuit = QuantumCircuit(QuantumRegister(device.qubits, "q"), name=str(given.get("name") or "circuit"))
    keys: dict[str, str] = {}
    for number, step in enumerate(given["instructions"]):
        at = f"{where}.instructions.{number}"
        try:
            name, locus, args = step["name"], [str(n) for n in step["locus"]], step.get("args") or {}
            qubits = [place[component] for component in locus]
        except (KeyError, TypeError, AttributeError):
            raise InvalidOptionError(
                f"{at}: a name, and a locus of components of {device.name}, are expected."
            ) from None
        width = {"prx": 1, "cz": 2, "delay": 1, "measure": 1}.get(name)
        if width is not None and (len(qubits) != width or len(set(qubits)) != width):
            raise InvalidOptionError(f"{at}: {name} acts on {width} components, not on {', '.join(locus)}.")
        try:
            if name == "prx":
                circuit.r(_finite(args["angle"]), _finite(args["phase"]), qubits[0])
            elif name == "cz":
                if frozenset(locus) not in pairs:
                    raise InvalidOptionError(f"{at}: cz is not calibrated on {', '.join(locus)}.")
                circuit.cz(*qubits)
            elif name == "barrier":
                circuit.barrier(qubits)
            elif name == "delay":
                circuit.delay(_finite(args["duration"]), qubits[0], unit="s")
            elif name == "measure":
                key = str(args["key"])
                if not key or key in keys.values():
                    raise InvalidOptionError(f"{at}: the measurement key {key!r} is not unique.")
                register = ClassicalRegister(1, f"k{len(keys)}")
                keys[register.name] = key
                circuit.add_register(register)
                circuit.measure(qubits[0], register[0])
            else:
                raise InvalidOptionError(
                    f"{at}: there is no operation {name!r}; there are prx, cz, measure, barrier, delay."
                )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidOptionError(f"{at}: the arguments of {name} cannot be read: {error}") from error
    if not keys:
        raise InvalidOptionError(f"{where}: a circuit without a measurement has no result.")
    circuit.metadata = {"keys": keys}
    return circuit


def _finite(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number
