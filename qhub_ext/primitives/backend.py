"""`backend()`: the current tier and device as a Qiskit BackendV2, for transpiling and for code that calls `run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.result import Result
from qiskit.transpiler import Target

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.context import ExecutionContext, current
from qhub_ext.primitives.refusal import told_to_the_caller
from qhub_ext.primitives.task import Task
from qhub_ext.primitives.task_job import TaskJob
from qhub_ext.tiers.backend import DEFAULT_SHOTS, Execution, Outcome
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.isa import check_isa
from qhub_ext.tiers.opening import check_tier, device_on
from qhub_ext.tiers.preflight import check_sampled, check_shots
from qhub_ext.tiers.seeds import SeedSequence, check_seed

_RUN_OPTIONS = ("shots", "seed_simulator", "memory")


def backend(device: str | None = None, *, tier: str | None = None) -> QhubBackend:
    """The current tier and device, or the ones named. Raises UnknownNameError."""
    context = current()
    return QhubBackend(tier or context.tier, device or context.device)


class QhubBackend(BackendV2):
    """A device on one tier: its full target on every tier; only what `run` does differs."""

    def __init__(self, tier: str, device: str) -> None:
        check_tier(tier)
        self.tier = tier
        self.device: Device = device_on(tier, device)
        super().__init__(
            name=f"{tier}:{self.device.name}",
            description=f"{self.device.name} ({self.device.qubits} qubits) on the tier {tier}",
            backend_version=str(self.device.configuration.get("backend_version", "")),
        )

    def __repr__(self) -> str:
        return f"<QhubBackend tier={self.tier!r} device={self.device.name!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (QhubBackend, (self.tier, self.device.name))  # backends go by name

    @property
    def target(self) -> Target:
        return self.device.target

    @property
    def max_circuits(self) -> int | None:
        return None

    @property
    def max_shots(self) -> int:
        """Per circuit, the device's own limit."""
        return self.device.max_shots

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=None, seed_simulator=None, memory=False)

    @told_to_the_caller
    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> BackendJob:
        """Runs ISA circuits: `shots` (4096), `seed_simulator`, `memory`, and the tier's own options.

        A single circuit runs with `seed_simulator` itself and so gives the counts of `AerSimulator.from_backend`; each circuit
        of several runs with a seed derived from it and from the circuit's content, wherever in the list it stands.
        Raises PreflightError before anything runs, and UnknownNameError for an option that nobody knows.
        """
        single = isinstance(run_input, QuantumCircuit)
        circuits: list[QuantumCircuit] = [run_input] if single else list(run_input)
        for circuit in circuits:
            if not isinstance(circuit, QuantumCircuit):
                raise InvalidOptionError(f"backend().run takes circuits, not {type(circuit).__name__}.")
        context = replace(current(), tier=self.tier, device=self.device.name)
        preset = {k: v for k, v in self.options.items() if v is not None}
        chosen = {**preset, **{k: v for k, v in options.items() if v is not None or k not in preset}}
        own = {k: chosen.pop(k, None) for k in _RUN_OPTIONS}
        shots = _shots(own["shots"], context)
        seed = check_seed(own["seed_simulator"] if own["seed_simulator"] is not None else context.seed)
        task = Task.begin("backend.run", context, chosen, seed)
        with task.timed("validate"):
            for k, circuit in enumerate(circuits):
                which = f"Circuit {k}" if len(circuits) > 1 else "The circuit"
                task.findings += check_isa(circuit, self.device, which, task.rules)
                task.findings += check_sampled(circuit, which)
                task.findings += check_shots(shots, self.device, which)
            _refuse_parameters(circuits)
            task.settle()
        with task.timed("prepare"):
            prepared = [task.prepare(circuit, shots) for circuit in circuits]
        sequence = SeedSequence(task.root_seed)
        alone = len(circuits) == 1
        seeds = [sequence.root if alone else sequence.next(p.fingerprint) for p in prepared]
        memory = bool(own["memory"])
        executions = [Execution(p, shots, memory=memory, seed=each) for p, each in zip(prepared, seeds, strict=True)]
        task.foresee(executions)
        task.pubs = [{"circuit": c.name, "shape": [], "shots": shots} for c in circuits]

        def work(stopped: Callable[[], bool]) -> Result:
            return _run(task, self, circuits, executions, sequence.root, stopped)

        return BackendJob(self, task.id, TaskJob(work))


class BackendJob(JobV1):
    """A run under way. `result()` is Qiskit's own Result."""

    def __init__(self, backend: QhubBackend, task_id: str, job: TaskJob) -> None:
        super().__init__(backend, task_id)
        self._job = job
        self.submit()

    def submit(self) -> None:
        self._job._submit()

    def result(self) -> Result:
        return self._job.result()

    def status(self) -> JobStatus:
        return self._job.status()

    def cancel(self) -> bool:
        return self._job.cancel()


def _run(
    task: Task,
    backend: QhubBackend,
    circuits: list[QuantumCircuit],
    executions: list[Execution],
    seed: int,
    stopped: Callable[[], bool],
) -> Result:
    with task.executing():
        outcomes = task.execute(executions, seed, stopped)
        with task.timed("return"):
            results = [_experiment(c, outcome) for c, outcome in zip(circuits, outcomes, strict=True)]
            return Result.from_dict(
                {
                    "backend_name": backend.name,
                    "backend_version": backend.backend_version,
                    "job_id": task.id,
                    "success": True,
                    "status": "COMPLETED",
                    "results": results,
                    "time_taken": task.durations.get("execute", 0.0),
                }
            )


def _experiment(circuit: QuantumCircuit, outcome: Outcome) -> dict[str, Any]:
    words = [hex(int.from_bytes(row, "big")) for row in map(bytes, outcome.bits)]
    if outcome.numbers is None:
        data = {"counts": dict(Counter(words)), "memory": words}
    else:
        data = {"counts": dict(zip(words, outcome.numbers.tolist(), strict=True))}
    return {
        "shots": outcome.shots,
        "success": True,
        "status": "DONE",
        "data": data,
        "seed_simulator": outcome.seed,
        "time_taken": outcome.seconds,
        "metadata": dict(outcome.method),
        "header": {
            "name": circuit.name,
            "creg_sizes": [[r.name, r.size] for r in circuit.cregs],
            "qreg_sizes": [[r.name, r.size] for r in circuit.qregs],
            "memory_slots": circuit.num_clbits,
            "n_qubits": circuit.num_qubits,
            "global_phase": float(circuit.global_phase),
            "metadata": circuit.metadata or {},
        },
    }


def _shots(given: object, context: ExecutionContext) -> int:
    shots = given if given is not None else context.shots if context.shots is not None else DEFAULT_SHOTS
    if isinstance(shots, bool) or not hasattr(shots, "__index__") or shots.__index__() < 1:
        raise InvalidOptionError(f"{shots!r} shots are not accepted.", advice="Give a whole number of at least 1.")
    return int(shots.__index__())


def _refuse_parameters(circuits: list[QuantumCircuit]) -> None:
    for circuit in circuits:
        if circuit.num_parameters:
            names = ", ".join(p.name for p in list(circuit.parameters)[:5])
            raise InvalidOptionError(
                f"{circuit.name} still has {circuit.num_parameters} parameters without values ({names}).",
                advice="Bind them with circuit.assign_parameters(values), or use a Sampler.",
            )
