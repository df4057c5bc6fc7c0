"""What the device would refuse or spoil, said before anything is sent, in the same words on every tier."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qiskit.circuit import QuantumCircuit

from qhub_ext.errors import Cause, PreflightError
from qhub_ext.job.calibration import DEAD
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.differences import of_the_device
from qhub_ext.tiers.iqm import LACKS, MARK
from qhub_ext.tiers.prospects import Use, expected_success

REFUSE, WARN, NOTE = "refuse", "warn", "note"

_ALWAYS = frozenset({"barrier", "store", "break_loop", "continue_loop"})
_NEVER_OFF = frozenset({"measure", "delay", "reset"})
_NOT_WRITTEN = dict.fromkeys(("if_else", "switch_case", "while_loop"), f"{LACKS['conditional gates']} Measure, and decide in Python.") | {
    "reset": f"{LACKS['reset']} Begin another circuit in its place: every shot begins in 0.",
    "for_loop": "Loops are not written for IQM's servers. Unroll it in Python.",
}  # fmt: skip
_TRANSPILE = "Transpile it: generate_preset_pass_manager(optimization_level=3, backend=backend()).run(circuit)."


# a refusal of another kind is the code's
_CAUSES = {"dead": Cause.CALIBRATION, "calibration-age": Cause.CALIBRATION, "qpu-time": Cause.QUEUE_POLICY}


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
        cause = _CAUSES.get(refusals[0].kind)
        raise PreflightError(refusals[0].sentence + more, advice=refusals[0].advice, cause=cause)


def note_tier(tier: str, *, simulated: bool = False) -> Finding:
    """What a run on this tier has of its device: whoever reads the record need not know it by heart."""
    return Finding(NOTE, "tier-difference", of_the_device(tier, simulated=simulated), numbers={"tier": tier})


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
                f"{which} has the instruction {name!r} on {_qubits(places)}, which {device.name} does not take.",
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


def check_qpu_time(
    estimated_s: float | None,
    before_s: float,
    cap_s: float | None,
    profile: str,
    *,
    on_device: bool,
    least_s: float = 0.0,
) -> list[Finding]:
    """This task and those `before_s` of its job against what the profile gives one job, in seconds of QPU. `least_s` are those of the circuits alone, where
    the device does not tell its pause between shots.
    """
    at_least = estimated_s is None
    known_s = least_s if estimated_s is None else estimated_s
    numbers = {"estimated_s": estimated_s, "least_s": known_s, "before_s": before_s, "cap_s": cap_s}
    if cap_s is not None and before_s + known_s > cap_s:
        with_others = f" after {before_s:.3g} s in this job" if before_s else ""
        needs = "at least " if at_least else ""
        sentence = f"The task needs {needs}{known_s:.3g} s of QPU{with_others}; the profile {profile!r} gives a job {cap_s:g} s."
        advice = "Ask for fewer shots or circuits, or for a profile that gives more."
        if on_device:
            return [Finding(REFUSE, "qpu-time", sentence, advice, numbers)]
        return [Finding(WARN, "qpu-time", f"{sentence} On the device it would be refused.", advice, numbers)]
    if not at_least or not on_device:
        return []
    known = f"its circuits take {known_s:.3g} s" if known_s else "not even its circuits' durations are"
    sentence = f"How long the device would be busy is not known; {known}."
    if cap_s is None:
        return [Finding(NOTE, "qpu-time-unknown", sentence, _PAUSE, numbers)]
    told = f"{sentence} What the profile {profile!r} gives a job, {cap_s:g} s of QPU, is held against that alone."
    return [Finding(WARN, "qpu-time-unknown", told, _PAUSE, numbers)]


_PAUSE = "The device does not tell its pause between shots or a gate's duration, or a circuit branches; `usage` has what it was busy for, where it counts that."


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
