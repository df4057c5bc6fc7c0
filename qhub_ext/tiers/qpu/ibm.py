"""Circuits for the types of IBM: PUBs of one sampler task, whose result has a BitArray per register; and of one of the service's estimator."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BitArray, PrimitiveResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.qpu.wire import quantum_intervals, quantum_seconds, to_qasm, untagged
from qhub_ext.tiers.qpu.writing import Answer, Bits, Group, UnreadableError, Written, packed

T = TypeVar("T")


class IbmWriter:
    def plan(self, circuit: QuantumCircuit, device: Device) -> str:  # noqa: ARG002 - OpenQASM is the same for every device
        return to_qasm(circuit)

    def tasks(self, groups: Sequence[Group]) -> list[list[int]]:
        return [list(range(len(groups)))]

    def write(self, groups: Sequence[Group], device: Device, options: Mapping[str, Any]) -> Written:  # noqa: ARG002
        pubs = [_pub(group) for group in groups]
        chosen = {name: value for name, value in options.items() if value is not None}
        content = json.dumps({"pubs": pubs, "version": 2, "support_qiskit": True, "options": chosen})
        return Written({"kind": "primitive", "program": "sampler", "input": content}, pubs)

    def read(self, text: str, groups: Sequence[Group]) -> Answer[Bits]:
        result = read_primitive(text)
        if len(result) != len(groups):
            raise UnreadableError(f"it has {len(result)} parts for {len(groups)} PUBs")
        bits = [_bits(part.data, group) for group, part in zip(groups, result, strict=True)]
        return _answer(bits, result)


def write_estimator(pubs: Sequence[EstimatorPub], options: Mapping[str, Any]) -> Written:
    """For the service's own estimator: PUBs as they are, observables and all, and what it is to do against errors."""
    given = [
        [
            to_qasm(pub.circuit),
            pub.observables.tolist(),
            pub.parameter_values.as_array(pub.circuit.parameters).tolist() if pub.circuit.num_parameters else None,
            pub.precision,
        ]
        for pub in pubs
    ]
    chosen = {name: value for name, value in options.items() if value is not None}
    level = {"resilience_level": chosen.pop("resilience_level")} if "resilience_level" in chosen else {}
    content = {"pubs": given, "version": 2, "support_qiskit": True, "options": chosen, **level}
    return Written({"kind": "primitive", "program": "estimator", "input": json.dumps(content)}, given)


def read_estimator(text: str, pubs: Sequence[EstimatorPub]) -> Answer[PrimitiveResult[Any]]:
    """Raises UnreadableError."""
    result = read_primitive(text)
    if len(result) != len(pubs):
        raise UnreadableError(f"it has {len(result)} parts for {len(pubs)} PUBs")
    for number, (part, pub) in enumerate(zip(result, pubs, strict=True)):
        for name in ("evs", "stds"):
            if np.shape(getattr(part.data, name, "missing")) != pub.shape or not hasattr(part.data, name):
                raise UnreadableError(f"PUB {number} has no {name} of shape {pub.shape}")
    return _answer(result, result)


def _answer(content: T, result: PrimitiveResult[Any]) -> Answer[T]:
    snapshots = tuple(str(identity) for identity in result.metadata.get("snapshots") or ())
    return Answer(content, snapshots, quantum_seconds(result.metadata), quantum_intervals(result.metadata))


def read_primitive(text: str) -> PrimitiveResult[Any]:
    """Raises UnreadableError, and DeviceError for values that are torn."""
    try:
        result = untagged(json.loads(text))
    except ValueError:
        raise UnreadableError("it is no JSON") from None
    if not isinstance(result, PrimitiveResult):
        raise UnreadableError("it is no result of a primitive")
    return result


def _pub(group: Group) -> list[Any]:
    first = group[0]
    values = [list(execution.values) for execution in group]
    if len(group) == 1:
        return [first.prepared.plan, values[0] or None, first.shots]
    return [first.prepared.plan, values, first.shots]


def _bits(data: Any, group: Group) -> list[NDArray[np.uint8]]:
    circuit, shots = group[0].prepared.circuit, group[0].shots
    single = np.zeros((len(group), shots, circuit.num_clbits), dtype=np.uint8)
    for register in circuit.cregs:
        array = data.get(register.name) if isinstance(data, dict) else getattr(data, register.name, None)
        if not isinstance(array, BitArray):
            if register.size == 0:
                continue
            raise UnreadableError(f"it has no register {register.name!r}")
        if array.num_shots != shots or array.size != len(group) or array.num_bits != register.size:
            raise UnreadableError(
                f"register {register.name!r} has {array.size} x {array.num_shots} shots of {array.num_bits} bits, "
                f"not {len(group)} x {shots} of {register.size}"
            )
        bits = np.unpackbits(array.array.reshape(len(group), shots, -1), axis=-1)[..., -register.size :]
        places = [circuit.num_clbits - 1 - circuit.find_bit(bit).index for bit in reversed(register)]
        single[..., places] = bits
    return list(packed(single))
