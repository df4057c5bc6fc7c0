"""What the device would refuse or spoil of a task: its measurements, shots, repeats and time, besides each circuit's instructions (`isa`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from qiskit.circuit import QuantumCircuit

from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.differences import of_the_device
from qhub_ext.tiers.findings import NOTE, REFUSE, WARN, Finding
from qhub_ext.tiers.isa import qubits_named


def note_tier(tier: str, *, simulated: bool = False) -> Finding:
    """What a run on this tier has of its device: whoever reads the record need not know it by heart."""
    return Finding(NOTE, "tier-difference", of_the_device(tier, simulated=simulated), numbers={"tier": tier})


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
            f"{which} ends with measurements of {qubits_named(tuple(measured))}; an estimator adds its own.",
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
