"""`PulserBackend`: runs a Pulser sequence on the current tier."""

from __future__ import annotations

import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.context import ExecutionContext, current
from qhub_ext.primitives.refusal import told_to_the_caller
from qhub_ext.primitives.task import SCHEMA, error_record, utc
from qhub_ext.tiers.findings import NOTE, WARN, Finding, PreflightWarning, raise_refusals
from qhub_ext.tiers.opening import check_tier
from qhub_ext.tiers.preflight import note_tier
from qhub_ext.tiers.seeds import check_seed, task_seed
from qhub_ext.tiers.sequences import DEFAULT_RUNS, built, check_sequence, emulate, noise_of, results_of

# by name: only a sequence that goes to a device needs its client
_DEVICE = "qhub_ext.tiers.qpu.sequences"


class PulserBackend:
    """A Pulser sequence on the current tier: `PulserBackend(sequence).run(runs=500).final_bitstrings`.

    On `local` it is emulated without noise, on `emulation` with the noise model of its device (or `noise_model`), on `qpu` it goes to the
    device. `seed` makes emulated results repeatable; without one a job draws and keeps it, as for circuits.
    """

    def __init__(self, sequence: Any, *, noise_model: Any = None, seed: int | None = None) -> None:
        self._sequence = sequence
        self._noise_model = noise_model
        self._seed = check_seed(seed)

    @told_to_the_caller
    def run(
        self,
        job_params: Sequence[Mapping[str, Any]] | None = None,
        *,
        runs: int | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Any:
        """Pulser's Results; a list of them for `job_params`, each {"runs": ..., "variables": {...}}, as Pulser's own QPUBackend takes them.

        Raises PreflightError before anything runs.
        """
        if job_params is not None:
            if runs is not None or variables is not None:
                raise InvalidOptionError("Runs and variables belong into `job_params` where that is given.")
            return [self._run(p.get("runs"), p.get("variables")) for p in job_params]
        return self._run(runs, variables)

    def _run(self, runs: int | None, variables: Mapping[str, Any] | None) -> Any:
        context = current()
        check_tier(context.tier)
        wanted = next(n for n in (runs, context.shots, DEFAULT_RUNS) if n is not None)
        sequence = built(self._sequence, None if variables is None else dict(variables))
        seed = self._seed if self._seed is not None else check_seed(context.seed)
        record = _begin(context, sequence, wanted, seed, task_seed(context) if seed is None else seed)
        try:
            results = self._execute(context, sequence, wanted, record)
        except BaseException as error:
            _finish(context, record, error)
            raise
        _finish(context, record)
        return results

    def _execute(self, context: ExecutionContext, sequence: Any, runs: int, record: dict[str, Any]) -> Any:
        if context.tier != "qpu":
            noise = self._noise_model or noise_of(sequence) if context.tier == "emulation" else None
            findings = [note_tier(context.tier), *check_sequence(sequence, runs)]
            if self._noise_model is not None and context.tier == "local":
                findings.append(
                    Finding(NOTE, "option-without-effect", "The noise model has no effect on the tier local.")
                )
            _settle(findings, record)
            return emulate(sequence, runs, noise_model=noise, seed=record["root_seed"])
        device = import_module(_DEVICE)
        resource = device.sequence_resource(context.device)
        target, asked = device.ask_device(resource)
        record["snapshot"] = {
            "id": asked.snapshot.id,
            "taken_at": asked.snapshot.taken_at,
            "source": asked.snapshot.source,
        }
        if context.pin is not None:
            context.pin(asked.snapshot, lambda: asked.document)
        sequence, switched = device.fitted(sequence, target)
        findings = [note_tier("qpu", simulated=resource.virtual), *check_sequence(sequence, runs, device=target)]
        if switched:
            findings.append(Finding(NOTE, "device-switched", switched))
        _settle(findings, record)
        record["device"] = resource.name
        counts = device.run_sequence(sequence, runs, resource, record["device_tasks"])
        return results_of(counts, sequence)


def pulser_device(name: str | None = None) -> Any:
    """The pulser Device that the resource of the current device (or of `name`) describes, to make sequences for."""
    device = import_module(_DEVICE)
    return device.ask_device(device.sequence_resource(name or current().device, to_look=True))[0]


def _begin(context: ExecutionContext, sequence: Any, runs: int, seed: int | None, root_seed: int) -> dict[str, Any]:
    atoms = len(sequence.register.qubit_ids)
    return {
        "schema": SCHEMA,
        "id": uuid.uuid4().hex,
        "job_id": context.job_id,
        "primitive": "sequence",
        "tier": context.tier,
        "device": sequence.device.name,
        "snapshot": None,
        "options": {},
        "seed": seed,
        "root_seed": root_seed,
        "seeds": [],
        "pubs": [{"circuit": "sequence", "shape": [], "shots": runs, "atoms": atoms, "duration_ns": sequence.get_duration()}],
        "executions": 1,
        "shots": runs,
        "methods": [],
        "active_qubits": list(range(atoms)),
        "edges": [],
        "findings": [],
        "durations_s": {},
        "started_at": utc(time.time()),
        "began": time.time(),
        "estimated_qpu_s": None,
        "device_tasks": [],
        "error": None,
    }  # fmt: skip


def _settle(findings: list[Finding], record: dict[str, Any]) -> None:
    record["findings"] = [finding.to_json() for finding in findings]
    raise_refusals(findings)
    for finding in findings:
        if finding.severity == WARN:
            warnings.warn(f"{finding.sentence} {finding.advice}".strip(), PreflightWarning, stacklevel=5)


def _finish(context: ExecutionContext, record: dict[str, Any], error: BaseException | None = None) -> None:
    ended_at = time.time()
    wall_s = round(ended_at - record.pop("began"), 6)
    record |= {"ended_at": utc(ended_at), "wall_s": wall_s, "durations_s": {"execute": wall_s}}
    record["error"] = None if error is None else error_record(error)
    if context.record is not None:
        context.record(record)
