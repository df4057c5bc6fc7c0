"""What every tier offers to the primitives: prepare a circuit, then execute it as often as asked.

A tier promises the same things for the same device: the same target, limits, defaults and checks. What it cannot honour is an
error, or a line in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.findings import Finding

DEFAULT_SHOTS = 4096
"""Per circuit, on every tier: what the device's own service takes when nothing is said."""

DEFAULT_PRECISION = 1 / 64
"""Standard error of an expectation value on every tier: 1 / sqrt(DEFAULT_SHOTS)."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A circuit that a tier has made ready: `circuit` on its `active` qubits of the device, parameters still open.

    `parameters[i]` is the place of its i-th parameter among those of the circuit that was given; values go by place, because
    another circuit that does the same has other Parameter objects.
    `qpu_s_per_shot` is the device's time for one shot with its pause, None where the snapshot lacks durations or the device does not tell its pause;
    `least_s_per_shot` the circuit's own duration, where that is known.
    """

    circuit: QuantumCircuit
    active: tuple[int, ...]
    fingerprint: bytes
    parameters: tuple[int, ...] = ()
    note: str = ""
    qpu_s_per_shot: float | None = None
    least_s_per_shot: float | None = None
    plan: Any = None


@dataclass(frozen=True, eq=False)
class Execution:
    """One circuit with one set of parameter values, in the order of its `parameters`. `memory` asks for the bits of each shot in order, not only for counts.

    `seed` is the simulator's own; None lets it follow from the batch's.
    """

    prepared: Prepared
    shots: int
    values: tuple[float, ...] = ()
    memory: bool = True
    seed: int | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """`bits` uint8 of shape (rows, bytes): all clbits of the circuit, packed big-endian, the last clbit first.

    A row is a shot, or with `numbers` a pattern that came up that many times. `method` says how it was computed (see
    `Choice.to_json`), empty on a device. `seconds` of execution; circuits that ran together share them evenly.
    """

    bits: NDArray[np.uint8]
    numbers: NDArray[np.int64] | None
    shots: int
    seed: int | None
    method: Mapping[str, Any]
    seconds: float


class TierBackend(Protocol):
    """`tier` is the user's word for it, `device` what it stands for, `options` those that it honours, with their values.

    `together`: what one call of user code asks for is executed as one batch, because each batch waits in a queue. `sent` has a
    line for each task that went to a device. `findings` are about the device itself, such as an old calibration.
    """

    @property
    def tier(self) -> str: ...

    @property
    def device(self) -> Device: ...

    @property
    def options(self) -> Mapping[str, Any]: ...

    @property
    def together(self) -> bool: ...

    @property
    def sent(self) -> Sequence[Mapping[str, Any]]: ...

    @property
    def findings(self) -> Sequence[Finding]: ...

    def prepare(self, circuit: QuantumCircuit, shots: int, mark: bytes | None = None) -> Prepared:
        """Makes an ISA circuit ready; `mark` is its fingerprint where the caller has it.

        Raises PreflightError for what this tier cannot hold, such as memory.
        """
        ...

    def execute(
        self, batch: Sequence[Execution], seed: int, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Outcome]:
        """Outcomes of a batch in order, fixed by its content and seed; fewer of them when `stopped` says so in between."""
        ...
