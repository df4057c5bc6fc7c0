"""The snapshot's noise on the active qubits, for the instructions that a circuit really uses.

The model is the one that `qiskit_aer.noise.NoiseModel.from_backend` builds from the device's Target: a gate's error is thermal
relaxation over its length (T1, T2, at zero temperature) followed by depolarisation up to the reported error; a delay relaxes;
a measurement flips its bit. Restricted to what is used, it gives the same counts for the same seed as the whole device's model.

Two readings of the measurement error:

    symmetric    both flips have the reported `readout_error`: what from_backend does, and the default
    asymmetric   prob_meas1_prep0 and prob_meas0_prep1 as the device reports them, usually 1 -> 0 more often than 0 -> 1
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import Target
from qiskit_aer.noise import NoiseModel, ReadoutError

from qhub_ext.tiers.devices import Device

_STABILIZER_STEPS = frozenset({"id", "x", "y", "z", "pauli", "reset"})

Site = tuple[str, tuple[int, ...]]
"""An instruction's name and its qubits, as indices of the reduced circuit."""


class FrozenNoiseModel(NoiseModel):
    """A noise model that is not changed any more: Aer asks for its dict at every run, and making it costs more than a run."""

    _frozen: dict[str, Any] | None = None

    def to_dict(self, serializable: bool = False) -> dict[str, Any]:
        if not serializable:
            return super().to_dict(serializable=False)
        if self._frozen is None:
            self._frozen = super().to_dict(serializable=True)
        return self._frozen

    def __deepcopy__(self, memo: dict[int, Any]) -> NoiseModel:
        """Aer adds the errors of delays to a copy: that one is not frozen."""
        copied = NoiseModel()
        copied.__dict__.update(copy.deepcopy({k: v for k, v in self.__dict__.items() if k != "_frozen"}, memo))
        return copied


class _Snippet(BackendV2):
    """As much of a backend as `NoiseModel.from_backend` reads."""

    def __init__(self, target: Target) -> None:
        super().__init__(name="snippet")
        self._snippet = target

    @property
    def target(self) -> Target:
        return self._snippet

    @property
    def max_circuits(self) -> None:
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: Any, **options: Any) -> Any:
        raise NotImplementedError


def used_sites(circuit: QuantumCircuit) -> frozenset[Site]:
    """Every instruction of a circuit with its qubits, inside control flow too."""
    return frozenset(_walk(circuit, tuple(range(circuit.num_qubits))))


def _walk(circuit: QuantumCircuit, outer: tuple[int, ...]) -> Iterable[Site]:
    index = {qubit: outer[i] for i, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        places = tuple(index[q] for q in instruction.qubits)
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                yield from _walk(block, places)
        elif instruction.name != "barrier":
            yield instruction.name, places


@functools.lru_cache(maxsize=256)
def noise_for(device: Device, active: tuple[int, ...], used: frozenset[Site], readout: str) -> FrozenNoiseModel | None:
    """The noise of `used` on the qubits `active` of a device; None where the snapshot has none for them."""
    by_outcome = readout == "asymmetric"
    sites = frozenset(site for site in used if not (by_outcome and site[0] == "measure"))
    model = NoiseModel.from_backend(_Snippet(reduced_target(device, active, sites)))
    if by_outcome:
        _add_readout(model, device, active, sorted(places for name, places in used if name == "measure"))
    if not any(name == "delay" for name, _ in used):
        model._custom_noise_passes.clear()  # they look for delays in every circuit of every run
    if model.is_ideal() and not model._custom_noise_passes:
        return None
    model.__class__ = FrozenNoiseModel
    model.to_dict(serializable=True)  # paid here, where it is cached, and not in the first run
    frozen: FrozenNoiseModel = model
    return frozen


def _add_readout(model: NoiseModel, device: Device, active: tuple[int, ...], measured: list[tuple[int, ...]]) -> None:
    reads_0_for_1 = device.snapshot.column("prob_meas0_prep1")
    reads_1_for_0 = device.snapshot.column("prob_meas1_prep0")
    for places in measured:
        p0, p1 = reads_0_for_1[active[places[0]]], reads_1_for_0[active[places[0]]]
        if p0 is not None and p1 is not None:
            model.add_readout_error(ReadoutError([[1 - p1, p1], [p0, 1 - p0]]), list(places))


Flips = dict[int, tuple[float, float]]
"""Per qubit, the probabilities to read 1 for 0 and 0 for 1."""


@functools.lru_cache(maxsize=64)
def without_readout(
    device: Device, active: tuple[int, ...], used: frozenset[Site], readout: str
) -> tuple[FrozenNoiseModel | None, Flips]:
    """The same noise in two parts: that of the gates, and the flips of the measurements."""
    whole = noise_for(device, active, used, readout)
    flips: Flips = {}
    if whole is not None:
        for error in whole.to_dict(serializable=True)["errors"]:
            if error["type"] == "roerror":
                (_, reads_1), (reads_0, _) = error["probabilities"]
                flips[error["gate_qubits"][0][0]] = (reads_1, reads_0)
    gates = frozenset(site for site in used if site[0] != "measure")
    return noise_for(device, active, gates, readout), flips


def forget() -> None:
    """Gives the noise of devices back that are no more as they were."""
    noise_for.cache_clear()
    without_readout.cache_clear()


def expected_errors(device: Device, active: tuple[int, ...], circuit: QuantumCircuit) -> float:
    """Errors per shot that the reported gate errors add up to, in a circuit without control flow."""
    total, target = 0.0, device.target
    index = {qubit: active[i] for i, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        if instruction.name in ("measure", "delay") or instruction.name not in target.operation_names:
            continue
        properties = target[instruction.name].get(tuple(index[q] for q in instruction.qubits))
        total += (properties.error or 0.0) if properties is not None else 0.0
    return total


def reduced_target(device: Device, active: tuple[int, ...], used: frozenset[Site]) -> Target:
    """The device's Target with the sites `used` alone, on `len(active)` qubits."""
    full = device.target
    target = Target(num_qubits=len(active), dt=full.dt, qubit_properties=[full.qubit_properties[q] for q in active])
    by_name: dict[str, list[tuple[int, ...]]] = {}
    for name, places in sorted(used):
        by_name.setdefault(name, []).append(places)
    for name, sites in by_name.items():
        if name in full.operation_names:
            known = full[name]
            properties = {site: known.get(tuple(active[i] for i in site)) for site in sites}
            target.add_instruction(full.operation_from_name(name), properties, name=name)
    return target


def is_stabilizer(model: NoiseModel | None) -> bool:
    """Whether every error is a mixture of Pauli gates and resets, so that a Clifford circuit keeps a stabilizer state.

    Relaxation is one where T2 <= T1, and a Kraus channel elsewhere. A model that relaxes delays is counted as a channel.
    """
    if model is None:
        return True
    if model._custom_noise_passes:
        return False
    errors = (error for error in model.to_dict(serializable=True)["errors"] if error["type"] == "qerror")
    steps = (step["name"] for error in errors for circuit in error["instructions"] for step in circuit)
    return all(name in _STABILIZER_STEPS for name in steps)
