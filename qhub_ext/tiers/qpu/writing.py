"""How the circuits of a call are written for the type of a resource, and how its answer is read: `ibm` and `iqm` do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qhub_ext.tiers.backend import Execution
from qhub_ext.tiers.devices import Device

Group = Sequence[Execution]
"""Executions of one circuit with one number of shots, which differ in their values."""


@dataclass(frozen=True)
class Written:
    """`payload` for the helper of the resource; `content` is what a digest of it is made of."""

    payload: dict[str, Any]
    content: Sequence[Any]


Bits = Sequence[Sequence[NDArray[np.uint8]]]
"""`bits[i][j]` belongs to execution j of group i: packed big-endian, the last clbit first, a row per shot."""

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """`content` is what was asked for. `snapshots` are the calibrations that it ran under, where the service says; `qpu_s` the device's
    time where it is told; `intervals` when it was on the device by the device's own clock, in s since 1970 UTC.
    """

    content: T
    snapshots: tuple[str, ...] = ()
    qpu_s: float | None = None
    intervals: Sequence[tuple[float, float]] = ()


class UnreadableError(ValueError):
    """An answer that is not what was asked for; its message says how."""


class Writer(Protocol):
    def plan(self, circuit: QuantumCircuit, device: Device) -> Any:
        """What a circuit becomes, before it has values. Raises PreflightError for what cannot be written."""
        ...

    def tasks(self, groups: Sequence[Group]) -> list[list[int]]:
        """Which groups, by their places, go into one task."""
        ...

    def write(self, groups: Sequence[Group], device: Device, options: Mapping[str, Any]) -> Written: ...

    def read(self, text: str, groups: Sequence[Group]) -> Answer[Bits]:
        """Raises UnreadableError."""
        ...


def packed(single: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bits of shape (..., clbits), the last clbit first, padded to whole bytes at their high end."""
    padding = -single.shape[-1] % 8
    widths = [(0, 0)] * (single.ndim - 1) + [(padding, 0)]
    return np.packbits(np.pad(single, widths), axis=-1)
