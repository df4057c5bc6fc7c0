"""What `--dry-run` says of the circuits that go along: how well the device would do them, and for how long it would be busy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qhub_ext.settings import Settings

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit

    from qhub_ext.job.spec import JobSpec
    from qhub_ext.tiers.devices import Device

LARGE = 20_000
LEVEL = 1


def foresee(circuits: Mapping[str, QuantumCircuit], spec: JobSpec, settings: Settings) -> list[str]:
    """A few sentences per circuit, by name. One that the device cannot take as it is is transpiled first, and the line says so."""
    if not circuits:
        return []
    from qhub_ext.tiers import devices

    device = devices.load(spec.device)
    lines = [f"{device.name}: calibration snapshot of {device.snapshot.taken_at[:10]}; {_DIFFERENCE[spec.tier]}"]
    for name, circuit in circuits.items():
        lines += [f"`{name}` {sentence}" for sentence in _sentences(circuit, spec, device, settings)]
    return lines


_DIFFERENCE = {
    "local": "the tier local is ideal, so the errors below are the device's and not this run's.",
    "emulation": "the tier emulation has its errors, without crosstalk, leakage and drift.",
    "qpu": "the device may have drifted since.",
}


def _sentences(circuit: QuantumCircuit, spec: JobSpec, device: Device, settings: Settings) -> list[str]:
    from qhub_ext.tiers.backend import DEFAULT_SHOTS
    from qhub_ext.tiers.facts import circuit_seconds, shot_seconds
    from qhub_ext.tiers.preflight import Rules, check_isa, check_qpu_time, check_sampled

    if circuit.num_qubits > device.qubits:
        return [f"has {circuit.num_qubits} qubits, {device.name} has {device.qubits}: it cannot run there."]
    if circuit.size() > LARGE:
        return [f"has {circuit.size():,} operations: too many to look into here."]
    rules = Rules(settings.preflight.dead, settings.preflight.success_warn, settings.preflight.success_min, noisy=True)
    which, laid_out = "as it is", circuit
    if any(f.kind == "isa" for f in check_isa(circuit, device, "it")):
        which, laid_out = f"transpiled at level {LEVEL}", _transpiled(circuit, device)
    findings = check_isa(laid_out, device, which, rules)
    if circuit.num_clbits:
        findings += check_sampled(laid_out, "it")
    shots = spec.shots or DEFAULT_SHOTS
    per_shot = shot_seconds(laid_out, device)
    if per_shot is None:
        least = circuit_seconds(laid_out, device)
        told = [
            "has no estimate of its time on the device."
            if least is None
            else f"{which} takes {least * shots:.3g} s of QPU for {shots:,} shots at least; {device.name} does not tell the pause between shots, which comes on top."
        ]
    else:
        told = [f"{which} takes some {per_shot * shots:.3g} s of QPU for {shots:,} shots."]
        profile = settings.profiles.get(spec.profile)
        cap = None if profile is None else profile.qpu_s
        findings += check_qpu_time(per_shot * shots, 0.0, cap, spec.profile, on_device=spec.tier == "qpu")
    return [*(f"{f.sentence} {f.advice}".strip() for f in findings), *told]


def _transpiled(circuit: QuantumCircuit, device: Device) -> Any:
    from qiskit.transpiler import generate_preset_pass_manager

    return generate_preset_pass_manager(LEVEL, target=device.target, seed_transpiler=0).run(circuit)
