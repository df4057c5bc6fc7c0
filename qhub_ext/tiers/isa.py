"""Whether a circuit is one that a device takes: its width, every instruction at its place, and how likely a shot is to pass without an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qiskit.circuit import QuantumCircuit

from qhub_ext.job.calibration import DEAD
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.findings import NOTE, REFUSE, WARN, Finding
from qhub_ext.tiers.iqm import LACKS, MARK
from qhub_ext.tiers.prospects import Use, expected_success

_ALWAYS = frozenset({"barrier", "store", "break_loop", "continue_loop"})
_NEVER_OFF = frozenset({"measure", "delay", "reset"})
_NOT_WRITTEN = dict.fromkeys(("if_else", "switch_case", "while_loop"), f"{LACKS['conditional gates']} Measure, and decide in Python.") | {
    "reset": f"{LACKS['reset']} Begin another circuit in its place: every shot begins in 0.",
    "for_loop": "Loops are not written for IQM's servers. Unroll it in Python.",
}  # fmt: skip
_TRANSPILE = "Transpile it: generate_preset_pass_manager(optimization_level=3, backend=backend()).run(circuit)."


@dataclass(frozen=True)
class Rules:
    """What the site makes of a doubtful circuit. `dead` is warn or refuse; probabilities per shot; `noisy` tiers have errors."""

    dead: str = WARN
    success_warn: float = 0.0
    success_min: float = 0.0
    noisy: bool = False


def check_isa(circuit: QuantumCircuit, device: Device, which: str, rules: Rules | None = None) -> list[Finding]:
    """Width, and every instruction at its place, against the device's target. `which` names the circuit in the sentence.

    With `rules`, also how likely a shot is to pass without an error.
    """
    if circuit.num_qubits > device.qubits:
        return [
            Finding(
                REFUSE,
                "width",
                f"{which} has {circuit.num_qubits} qubits, {device.name} has {device.qubits}.",
                "Choose a larger device or a smaller circuit.",
                {"circuit": circuit.num_qubits, "device": device.qubits},
            )
        ]
    unsupported: Counter[Use] = Counter()
    uses: Counter[Use] = Counter()
    _check_block(circuit, tuple(range(circuit.num_qubits)), device, unsupported, uses)
    dead = {use: count for use, count in uses.items() if use[0] not in _NEVER_OFF and _error(device, use) == DEAD}
    findings = []
    if unsupported:
        (name, places), _ = next(iter(unsupported.items()))
        findings.append(
            Finding(
                REFUSE,
                "isa",
                f"{which} has the instruction {name!r} on {qubits_named(places)}, which {device.name} does not take.",
                _NOT_WRITTEN.get(name, _TRANSPILE) if MARK in device.configuration else _TRANSPILE,
                {"instructions": [[n, list(p), count] for (n, p), count in unsupported.items()][:20]},
            )
        )
    if dead:
        off = sorted({p for _, p in dead})
        count = sum(dead.values())
        gates, them = ("1 gate", "it") if count == 1 else (f"{count} gates", "them")
        findings.append(
            Finding(
                rules.dead if rules else WARN,
                "dead",
                f"{which} has {gates} where {device.name} has {them} switched off "
                f"({', '.join('-'.join(map(str, p)) for p in off[:6])}{', ...' if len(off) > 6 else ''}): "
                f"what comes out of {them} is noise.",
                "Lay the circuit out elsewhere: pass initial_layout to the pass manager.",
                {"gates": count, "places": [list(p) for p in off]},
            )
        )
    if rules is not None and not unsupported:
        findings.append(_judge(uses, device, which, rules))
    return findings


def _judge(uses: Mapping[Use, int], device: Device, which: str, rules: Rules) -> Finding:
    found = expected_success(uses, device)
    sentence = (
        f"{which} is expected to pass without an error on {device.name} in {found.success:.2g} of its shots"
        f" ({_count(found.two_qubit, 'two-qubit gate')}, {_count(found.readouts, 'readout')})."
    )
    advice = "A smaller or shallower circuit, or a better layout, gives more of the answer and less noise."
    if found.success < rules.success_min:
        advice = f"The site wants {rules.success_min:g} at least (preflight.success_min). {advice}"
        return Finding(REFUSE, "expected-success", sentence, advice, found.to_json())
    doubtful = rules.noisy and found.success < rules.success_warn
    return Finding(
        WARN if doubtful else NOTE, "expected-success", sentence, advice if doubtful else "", found.to_json()
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _check_block(
    circuit: QuantumCircuit,
    outer: tuple[int, ...],
    device: Device,
    unsupported: Counter[Use],
    uses: Counter[Use],
) -> None:
    target = device.target
    index = {qubit: outer[i] for i, qubit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        name = instruction.name
        if name in _ALWAYS:
            continue
        places = tuple(index[q] for q in instruction.qubits)
        known = _sites(target, name)
        if known is None or (known and places not in known):
            unsupported[name, places] += 1
        elif known:
            uses[name, places] += 1
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                _check_block(block, places, device, unsupported, uses)


def _error(device: Device, use: Use) -> float | None:
    properties = device.target[use[0]][use[1]]
    return None if properties is None else properties.error


def _sites(target: Any, name: str) -> Mapping[tuple[int, ...], Any] | None:
    """Where an instruction is possible: empty for everywhere, None for nowhere."""
    if name not in target.operation_names:
        return None
    known = target[name]
    return {} if None in known else known


def qubits_named(places: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, places[:8])) + (", ..." if len(places) > 8 else "")
    return f"qubit {shown}" if len(places) == 1 else f"qubits {shown}"
