"""What `--dry-run` says before anything is sent: of the calibration, the tier, and the circuits that go along (how well the device would do
them, and for how long it would be busy).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qhub_ext.display.words import duration, limit, moment
from qhub_ext.job.identity import short_id
from qhub_ext.service.job_device import VIRTUAL
from qhub_ext.service.tried import Tried, run_of, tried_before
from qhub_ext.settings import Settings
from qhub_ext.tiers.calibration import known_snapshot
from qhub_ext.tiers.differences import Run, between, of_the_device

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit

    from qhub_ext.job.spec import JobSpec
    from qhub_ext.service.draft import Draft
    from qhub_ext.service.jobs import JobService
    from qhub_ext.tiers.devices import Device

LARGE = 20_000
LEVEL = 1


def outlook_of(service: JobService, draft: Draft, circuits: Mapping[str, QuantumCircuit]) -> list[str]:
    """What `foresee` says of a draft, held against where its cell was tried before."""
    tried = tried_before(draft.spec, draft.cell, service.shelf)
    return foresee(circuits, draft.spec, service.settings, tried)


def foresee(
    circuits: Mapping[str, QuantumCircuit], spec: JobSpec, settings: Settings, tried: Tried | None = None
) -> list[str]:
    """How old the calibration is, what the tier has of the device, and what will differ from where the cell was `tried`; then a few sentences
    per circuit, by name. One that the device cannot take as it is is transpiled first, and the line says so.
    """
    live = spec.tier == "qpu" and spec.resource != VIRTUAL
    known = known_snapshot(spec.device, settings.shelf, settings.cache, live=live)
    lines = [
        _calibration(spec, known, settings, live=live),
        of_the_device(spec.tier, simulated=VIRTUAL in spec.resource),
    ]
    if tried is not None:
        lines.append(_since(tried, run_of(spec, known[1] if known else "")))
    if not circuits:
        return lines
    from qhub_ext.tiers import devices

    device = devices.load(spec.device)
    for name, circuit in circuits.items():
        lines += [f"`{name}` {sentence}" for sentence in _sentences(circuit, spec, device, settings)]
    return lines


def _calibration(spec: JobSpec, known: tuple[str, str] | None, settings: Settings, *, live: bool) -> str:
    if known is None:
        return f"{spec.device}: no calibration of it is known here."
    age_s = max(0.0, time.time() - datetime.fromisoformat(known[1]).timestamp())
    told = f"{spec.device}: its calibration of {known[1]:.16} UTC is {duration(age_s)} old"
    stale = age_s > settings.qpu.stale_s
    if stale:
        told += f", more than {limit(settings.qpu.stale_s)} (qpu.stale_s)"
    if live:
        told += "; the job asks the device for its present one"
        if stale and settings.preflight.stale == "refuse":
            told += ", and sends nothing under one so old (preflight.stale)"
    return f"{told}."


def _since(tried: Tried, asked: Run) -> str:
    there = f"{tried.run.tier} by job {short_id(tried.job)}, {moment(tried.ended_at)}"
    differs = between(tried.run, asked)
    return f"Tried on {there}. On {asked.tier} now: {'; '.join(differs)}."


def _sentences(circuit: QuantumCircuit, spec: JobSpec, device: Device, settings: Settings) -> list[str]:
    from qhub_ext.tiers.backend import DEFAULT_SHOTS
    from qhub_ext.tiers.facts import circuit_seconds, shot_seconds
    from qhub_ext.tiers.isa import Rules, check_isa
    from qhub_ext.tiers.preflight import check_qpu_time, check_sampled

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
