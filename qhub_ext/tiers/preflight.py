"""What the device would refuse or spoil, said before anything is sent, in the same words on every tier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qiskit.circuit import QuantumCircuit

from qhub_ext.errors import PreflightError
from qhub_ext.job.calibration import DEAD
from qhub_ext.tiers.devices import Device

REFUSE, WARN, NOTE = "refuse", "warn", "note"

_ALWAYS = frozenset({"barrier", "store", "break_loop", "continue_loop"})
_TRANSPILE = "Transpile it: generate_preset_pass_manager(optimization_level=3, backend=backend()).run(circuit)."


class PreflightWarning(UserWarning):
    """A finding that does not stop a task."""


@dataclass(frozen=True)
class Finding:
    """`severity` is refuse, warn (told to the user) or note (kept in the record). `numbers` are the evidence."""

    severity: str
    kind: str
    sentence: str
    advice: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "kind": self.kind,
            "sentence": self.sentence,
            "advice": self.advice,
            "numbers": dict(self.numbers),
        }


def raise_refusals(findings: Iterable[Finding]) -> None:
    """Raises PreflightError with the first refusal, and how many more there are."""
    refusals = [finding for finding in findings if finding.severity == REFUSE]
    if refusals:
        more = f" ({len(refusals) - 1} more like it.)" if len(refusals) > 1 else ""
        raise PreflightError(refusals[0].sentence + more, advice=refusals[0].advice)


def check_isa(circuit: QuantumCircuit, device: Device, which: str) -> list[Finding]:
    """Width, and every instruction at its place, against the device's target. `which` names the circuit in the sentence."""
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
    unsupported: Counter[tuple[str, tuple[int, ...]]] = Counter()
    dead: Counter[tuple[str, tuple[int, ...]]] = Counter()
    _check_block(circuit, tuple(range(circuit.num_qubits)), device, unsupported, dead)
    findings = []
    if unsupported:
        (name, places), _ = next(iter(unsupported.items()))
        findings.append(
            Finding(
                REFUSE,
                "isa",
                f"{which} has the instruction {name!r} on {_qubits(places)}, which {device.name} does not take.",
                _TRANSPILE,
                {"instructions": [[n, list(p), count] for (n, p), count in unsupported.items()][:20]},
            )
        )
    if dead:
        off = sorted({p for _, p in dead})
        findings.append(
            Finding(
                WARN,
                "dead",
                f"{which} has {sum(dead.values())} gates where {device.name} has them switched off "
                f"({', '.join('-'.join(map(str, p)) for p in off[:6])}{', ...' if len(off) > 6 else ''}): "
                "what comes out of them is noise.",
                "Lay the circuit out elsewhere: pass initial_layout to the pass manager.",
                {"gates": sum(dead.values()), "places": [list(p) for p in off]},
            )
        )
    return findings


def _check_block(
    circuit: QuantumCircuit,
    outer: tuple[int, ...],
    device: Device,
    unsupported: Counter[tuple[str, tuple[int, ...]]],
    dead: Counter[tuple[str, tuple[int, ...]]],
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
        elif known and name not in ("measure", "delay", "reset"):
            properties = known[places]
            if properties is not None and properties.error == DEAD:
                dead[name, places] += 1
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                _check_block(block, places, device, unsupported, dead)


def _sites(target: Any, name: str) -> Mapping[tuple[int, ...], Any] | None:
    """Where an instruction is possible: empty for everywhere, None for nowhere."""
    if name not in target.operation_names:
        return None
    known = target[name]
    return {} if None in known else known


def check_sampled(circuit: QuantumCircuit, which: str) -> list[Finding]:
    """A sampler's circuit must have somewhere to put its bits, and put some there."""
    if not circuit.cregs:
        return [
            Finding(
                REFUSE,
                "no-classical-register",
                f"{which} has no classical register, so a sampler has nothing to return.",
                "Add measurements: circuit.measure_all().",
            )
        ]
    written = _written_clbits(circuit)
    if not written:
        return [
            Finding(
                REFUSE,
                "no-measurement",
                f"{which} measures nothing: all its bits would read 0.",
                "Add measurements: circuit.measure_all(), or circuit.measure(qubits, clbits).",
            )
        ]
    empty = [r.name for r in circuit.cregs if len(r) and not any(circuit.find_bit(bit).index in written for bit in r)]
    findings = [
        Finding(
            WARN,
            "register-without-measurement",
            f"{which} never writes to its register {name!r}: all its bits will read 0.",
            "Measure into it, or leave it out.",
        )
        for name in empty
    ]
    loose = sorted(b for b in written if not circuit.find_bit(circuit.clbits[b]).registers)
    if loose:
        findings.append(
            Finding(
                WARN,
                "loose-clbits",
                f"{which} measures into {len(loose)} bits of no register: a sampler does not return them.",
                "Put them into a ClassicalRegister.",
                {"clbits": loose},
            )
        )
    return findings


def _written_clbits(circuit: QuantumCircuit) -> set[int]:
    written: set[int] = set()
    for instruction in circuit.data:
        places = [circuit.find_bit(c).index for c in instruction.clbits]
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                written.update(places[inner] for inner in _written_clbits(block))
        elif instruction.name == "store":
            written.update(range(circuit.num_clbits))  # it may write any of them, and says so only in an expression
        else:
            written.update(places)
    return written


def check_estimated(circuit: QuantumCircuit, which: str) -> list[Finding]:
    """An estimator measures for itself: what the circuit measures last would be lost and spoil the observables."""
    last: dict[Any, str] = {}
    for instruction in circuit.data:
        if instruction.name not in ("barrier", "delay"):
            last.update(dict.fromkeys(instruction.qubits, instruction.name))
    measured = sorted(circuit.find_bit(q).index for q, name in last.items() if name == "measure")
    if not measured:
        return []
    return [
        Finding(
            REFUSE,
            "measured-circuit",
            f"{which} ends with measurements of {_qubits(tuple(measured))}; an estimator adds its own.",
            "Leave them out: circuit.remove_final_measurements(inplace=False).",
            {"qubits": measured},
        )
    ]


def check_shots(shots: int, device: Device, which: str, *, why: str = "") -> list[Finding]:
    if shots <= device.max_shots:
        return []
    return [
        Finding(
            REFUSE,
            "shots",
            f"{which} asks for {shots:,} shots{why}, {device.name} takes at most {device.max_shots:,}.",
            "Ask for fewer, or split the work over several PUBs.",
            {"asked": shots, "limit": device.max_shots},
        )
    ]


def check_duplicates(marks: Sequence[bytes]) -> list[Finding]:
    """Identical PUBs in one task: meant or not, each costs its time on the device."""
    repeated = sum(count - 1 for count in Counter(marks).values())
    if not repeated:
        return []
    return [
        Finding(
            NOTE,
            "duplicates",
            f"{repeated} of {len(marks)} PUBs repeat another one exactly; each is run with a seed of its own.",
            "More shots in one PUB cost less than a second PUB.",
            {"repeated": repeated, "pubs": len(marks)},
        )
    ]


def _qubits(places: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, places[:8])) + (", ..." if len(places) > 8 else "")
    return f"qubit {shown}" if len(places) == 1 else f"qubits {shown}"
