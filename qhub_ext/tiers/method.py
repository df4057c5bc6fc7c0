"""Which simulation method runs a circuit, how much memory and time it will take, and why that one. Pure.

    stabilizer             Clifford gates; exact with noise only where every error is a mixture of Paulis and resets
    density_matrix         noise exactly, once for all shots: 4^n numbers, 2^(2n+4) B
    statevector            2^n numbers, 2^(n+4) B; once when ideal, once per shot with noise or measurements on the way
    matrix_product_state   as long as little is entangled across any cut of the line of qubits

The fastest that fits in memory is taken, and a density matrix whenever it is quick. No method approximates: bonds of a matrix product state are not cut short, and noise
is never turned into another noise to suit a method.

Times are forecasts within a factor of about three, from constants measured on two cores of a 2020s server.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import Cause, PreflightError, UnknownNameError

METHODS = ("stabilizer", "density_matrix", "statevector", "matrix_product_state")
AUTOMATIC = "automatic"

MIB = 2**20

# seconds, measured with sx, rz and cz gates: per number that a gate touches, per gate, per gate and shot, per cubed bond
_S_PER_AMPLITUDE = 0.8e-9
_S_PER_AMPLITUDE_AND_SHOT = 4.0e-9
_S_PER_DENSITY_ELEMENT = 4.2e-9
_S_PER_NOISY_GATE = 1.5e-4  # Aer reads the noise model again at every run
_S_PER_GATE_AND_SHOT = 1.0e-6
_S_PER_SHARED_GATE_AND_SHOT = 2.0e-6
_SHARED_QUBITS = 14
_S_PER_STABILIZER_GATE_AND_SHOT = 3.0e-6
_S_PER_BOND_GATE = 1.7e-5
_S_PER_BOND_CUBE = 2.0e-8
_S_PER_SAMPLE = 1.0e-6
_PATIENCE_S = 1.5
"""A density matrix that is done in this time is taken even where trajectories would be faster: it is free of their noise."""
_GPU_SPEEDUP = 20.0
_GPU_NUMBERS = 2**22
"""Below this many numbers the transfers to a GPU cost more than they save."""

_MAX_BOND_BITS = 14


@dataclass(frozen=True)
class CircuitFacts:
    """What the choice depends on. `crossing[k]` bounds log2 of the bond dimension between qubits k and k+1.

    `sampled`: every measurement comes last, so one final state serves all shots. `expected_errors` per shot, from the reported
    gate errors; None where shots must not share what they have in common.
    """

    qubits: int
    gates: int
    crossing: tuple[int, ...]
    sampled: bool
    clifford: bool
    resets: bool = False
    expected_errors: float | None = None

    @property
    def bond_bits(self) -> int:
        return max(self.crossing, default=0)


@dataclass(frozen=True)
class Forecast:
    """Of one method for one circuit: MiB and s."""

    method: str
    memory_mb: float
    seconds: float
    device: str = "CPU"
    shared: bool = False


@dataclass(frozen=True)
class Choice:
    """`shared`: shots are simulated as one until an error tells them apart."""

    method: str
    device: str
    reason: str
    memory_mb: float
    seconds: float
    shared: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "simulated_on": self.device,
            "reason": self.reason,
            "shots_share_their_past": self.shared,
            "forecast_memory_mb": round(self.memory_mb, 3),
            "forecast_s": float(f"{self.seconds:.2g}"),
        }


def choose_method(
    facts: CircuitFacts,
    shots: int,
    *,
    noisy: bool,
    stabilizer_noise: bool,
    limit_mb: float,
    asked: str = AUTOMATIC,
    devices: tuple[str, ...] = ("CPU",),
    branching: bool = False,
) -> Choice:
    """The method for `shots` of a circuit under `limit_mb` MiB; `asked` names one instead of leaving the choice here.

    `branching` lets trajectories share their past: faster where errors are rare, but Aer has crashed in it.

    Raises UnknownNameError for a method that does not exist, and PreflightError where none fits or the asked one does not.
    """
    if asked != AUTOMATIC and asked not in METHODS:
        raise UnknownNameError.among("method", asked, [AUTOMATIC, *METHODS])
    possible = [
        forecast(method, facts, shots, noisy=noisy, devices=devices)
        for method in METHODS
        if method != "stabilizer" or (facts.clifford and (stabilizer_noise or not noisy))
    ]
    if branching and asked == AUTOMATIC and noisy and (together := forecast_shared(facts, shots, limit_mb)) is not None:
        possible.append(together)
    if asked != AUTOMATIC:
        named = next((f for f in possible if f.method == asked), None)
        if named is None:
            why = "the noise is not made of Paulis and resets" if facts.clifford else "the circuit is not Clifford"
            raise PreflightError(
                f"The method {asked!r} cannot run this circuit exactly: {why}.", advice="Leave the method out."
            )
        if named.memory_mb > limit_mb:
            raise PreflightError(too_large(facts, [named], limit_mb), advice=_ADVICE, cause=Cause.RESOURCES)
        return Choice(named.method, named.device, "as asked", named.memory_mb, named.seconds)
    fitting = [f for f in possible if f.memory_mb <= limit_mb]
    if not fitting:
        raise PreflightError(too_large(facts, possible, limit_mb), advice=_ADVICE, cause=Cause.RESOURCES)
    best = min(fitting, key=lambda f: f.seconds)
    exact = next((f for f in fitting if f.method == "density_matrix"), None)
    if noisy and exact is not None and exact.seconds <= _PATIENCE_S:
        best = exact
    reason = _reason(best, facts, shots, noisy)
    return Choice(best.method, best.device, reason, best.memory_mb, best.seconds, best.shared)


def forecast(
    method: str, facts: CircuitFacts, shots: int, *, noisy: bool, devices: tuple[str, ...] = ("CPU",)
) -> Forecast:
    """Memory and time of one method."""
    n, gates = facts.qubits, max(1, facts.gates)
    once = facts.sampled and (not facts.resets or method == "density_matrix")
    trajectories = shots if noisy or not once else 1
    fixed = shots * _S_PER_SAMPLE + (gates * _S_PER_NOISY_GATE if noisy else 0.0)
    if method == "stabilizer":
        per_gate = n * 4e-9 + (_S_PER_STABILIZER_GATE_AND_SHOT if noisy else 1e-7)
        return Forecast(method, n * n / 4 / MIB + 1, trajectories * gates * per_gate + fixed)
    if method == "density_matrix":
        numbers = 4.0**n
        runs = 1 if facts.sampled else shots
        seconds = runs * gates * (numbers * _S_PER_DENSITY_ELEMENT + 2e-6) + fixed
        return _on_device(Forecast(method, 16 * numbers / MIB, seconds), numbers, devices)
    if method == "statevector":
        numbers = 2.0**n
        per_gate = numbers * (_S_PER_AMPLITUDE if trajectories == 1 else _S_PER_AMPLITUDE_AND_SHOT)
        seconds = trajectories * gates * (per_gate + _S_PER_GATE_AND_SHOT) + fixed
        return _on_device(Forecast(method, 16 * numbers / MIB, seconds), numbers, devices)
    # a bond of dimension chi between two qubits holds 2 chi^2 numbers on either side
    sizes = [2.0 ** min(bits, _MAX_BOND_BITS) for bits in facts.crossing]
    memory = sum(2 * 16 * chi * chi for chi in sizes) / MIB + 1
    if facts.bond_bits > _MAX_BOND_BITS:
        memory = float("inf")
    work = sum(chi**3 for chi in sizes) / max(1, len(sizes)) * _S_PER_BOND_CUBE
    per_state = gates * (_S_PER_BOND_GATE + work)
    per_sample = n * (2e-6 + (max(sizes, default=1.0) ** 2) * 2e-9)
    return Forecast(method, memory, trajectories * per_state + shots * per_sample + fixed)


def forecast_shared(facts: CircuitFacts, shots: int, limit_mb: float) -> Forecast | None:
    """Of trajectories that are simulated as one until an error tells them apart; None where that is not to be done.

    Aer keeps a state for every branch, and has crashed where memory was short: half of the limit must hold one for each shot.
    """
    n, gates, errors = facts.qubits, max(1, facts.gates), facts.expected_errors
    memory_mb = 2.0**n * 16 * shots / MIB
    if errors is None or not facts.sampled or n > _SHARED_QUBITS or 2 * memory_mb > limit_mb:
        return None
    apart = (
        1 - (1 - math.exp(-errors)) / errors if errors > 1e-9 else 0.0
    )  # mean share of shots with an error behind them
    per_gate = 1.3 * apart * 2.0**n * _S_PER_AMPLITUDE_AND_SHOT + _S_PER_SHARED_GATE_AND_SHOT
    seconds = shots * gates * per_gate + shots * _S_PER_SAMPLE + gates * _S_PER_NOISY_GATE
    return Forecast("statevector", memory_mb, seconds, shared=True)


def too_large(facts: CircuitFacts, possible: list[Forecast], limit_mb: float) -> str:
    """The sentence for a circuit that fits in no way."""
    needs = ", ".join(f"{f.method} {_size(f.memory_mb)}" for f in sorted(possible, key=lambda f: f.memory_mb))
    return f"Simulating {facts.qubits} active qubits needs more than the {_size(limit_mb)} this job may use ({needs})."


_ADVICE = "Use fewer qubits, entangle them less, ask for more memory, or run it on the qpu tier."


def _reason(best: Forecast, facts: CircuitFacts, shots: int, noisy: bool) -> str:
    n = facts.qubits
    if best.method == "stabilizer":
        return "all gates are Clifford" + (" and the noise keeps stabilizer states" if noisy else "")
    if best.method == "density_matrix":
        return f"{n} qubits: one density matrix holds the noise of all {shots} shots exactly"
    if best.method == "matrix_product_state":
        return f"{n} qubits with bonds of at most {2**facts.bond_bits}: little entanglement across any cut"
    if best.shared:
        return f"{n} qubits: {shots} trajectories of a statevector, one until an error tells them apart"
    if noisy or not facts.sampled:
        return f"{n} qubits: {shots} trajectories of a statevector"
    return f"{n} qubits without noise: one statevector serves all shots"


def _on_device(plan: Forecast, numbers: float, devices: tuple[str, ...]) -> Forecast:
    if "GPU" in devices and numbers >= _GPU_NUMBERS:
        return Forecast(plan.method, plan.memory_mb, plan.seconds / _GPU_SPEEDUP, "GPU")
    return plan


_NO_MACHINE_MB = 2.0**40
"""An EiB."""


def _size(mb: float) -> str:
    if mb == float("inf"):
        return "without bound"
    if mb >= _NO_MACHINE_MB:
        return "more than any machine has"
    for unit, scale in (("TiB", 2**20), ("GiB", 2**10)):
        if mb >= scale:
            return f"{mb / scale:,.1f} {unit}" if mb < 1e4 * scale else f"{mb / scale:,.0f} {unit}"
    return f"{mb:,.1f} MiB"
