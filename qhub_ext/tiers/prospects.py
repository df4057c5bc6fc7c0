"""How likely one shot of a circuit is to pass without an error on a device: the estimated success probability,

    ESP = product over gates of (1 - gate error) x product over readouts of (1 - readout error)

(Nishio et al. 2020, doi:10.1145/3386162). Decoherence while qubits idle is left out, so it is on the hopeful side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qhub_ext.job.calibration import DEAD
from qhub_ext.tiers.devices import Device

Use = tuple[str, tuple[int, ...]]
"""An instruction and the qubits that it acts on."""


@dataclass(frozen=True)
class Prospect:
    """`success` per shot, without the `dead` gates (their answer is noise) and those of `unknown` error.

    `worst` are the places that cost most: (instruction, qubits, how often, factor).
    """

    success: float
    gates: int
    two_qubit: int
    readouts: int
    dead: int
    unknown: int
    worst: tuple[tuple[str, tuple[int, ...], int, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def expected_success(uses: Mapping[Use, int], device: Device) -> Prospect:
    """`uses` counts each instruction at its physical qubits, all of them in the device's target."""
    target = device.target
    costs: list[tuple[float, Use, int]] = []
    dead = unknown = 0
    for (name, places), count in uses.items():
        properties = target[name][places]
        error = None if properties is None else properties.error
        if error is None:
            unknown += count if name not in ("delay", "reset") else 0
        elif error >= DEAD:
            dead += count
        elif error > 0:
            costs.append((count * math.log1p(-error), (name, places), count))
    costs.sort()
    return Prospect(
        success=math.exp(math.fsum(cost for cost, _, _ in costs)),
        gates=sum(count for (name, _), count in uses.items() if name not in ("measure", "delay", "reset")),
        two_qubit=sum(count for (_, places), count in uses.items() if len(places) == 2),
        readouts=sum(count for (name, _), count in uses.items() if name == "measure"),
        dead=dead,
        unknown=unknown,
        worst=tuple((*use, count, math.exp(cost)) for cost, use, count in costs[:_WORST]),
    )


_WORST = 5
