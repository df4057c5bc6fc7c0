"""One quantum call of user code: its place (tier, device), its checks, and the record that it leaves.

`qhub.task/1` is what the job folder keeps about it, and the telemetry and the breakdown read.
"""

from __future__ import annotations

import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import PrimitiveResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qhub_ext.errors import Audience, Cause, QhubError
from qhub_ext.job.context import ExecutionContext
from qhub_ext.settings import Settings, current_settings
from qhub_ext.telemetry import recorder as spans
from qhub_ext.tiers.backend import Execution, Outcome, Prepared, TierBackend
from qhub_ext.tiers.device_options import check_primitive
from qhub_ext.tiers.findings import NOTE, WARN, Finding, PreflightWarning, raise_refusals
from qhub_ext.tiers.ideal import Expectation, expectation
from qhub_ext.tiers.isa import Rules
from qhub_ext.tiers.opening import open_tier
from qhub_ext.tiers.preflight import check_qpu_time
from qhub_ext.tiers.seeds import task_seed

SCHEMA = "qhub.task/1"


class TaskCancelledError(QhubError):
    """The user no longer wanted it."""

    cause = Cause.USER
    audience = Audience.YOU


@dataclass(eq=False)
class Task:
    """`durations` in s: validate, prepare, execute, return."""

    primitive: str
    context: ExecutionContext
    tier: TierBackend
    seed: int | None
    root_seed: int
    findings: list[Finding] = field(default_factory=list)
    pubs: list[dict[str, Any]] = field(default_factory=list)
    durations: dict[str, float] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: float = field(default_factory=time.time)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    seeds: list[int | None] = field(default_factory=list)
    active: set[int] = field(default_factory=set)
    edges: Counter[tuple[int, int]] = field(default_factory=Counter)
    qpu_s: float | None = 0.0
    executions: int = 0
    settings: Settings = field(default_factory=current_settings)
    settled: int = 0
    span: spans.OpenSpan | None = None

    @classmethod
    def begin(cls, primitive: str, context: ExecutionContext, options: Mapping[str, Any], seed: int | None) -> Task:
        """Opens the context's tier. Raises UnknownNameError or InvalidOptionError for what it does not know."""
        check_primitive({**context.options, **options}, primitive)
        tier, unused = open_tier(context, options)
        findings = [Finding(NOTE, "option-without-effect", sentence) for sentence in unused]
        findings += tier.findings
        if context.pin is not None:
            context.pin(tier.device.snapshot, lambda: tier.device.document)
        task = cls(primitive, context, tier, seed, task_seed(context) if seed is None else seed, findings)
        task.span = spans.begin(
            primitive,
            "classical",
            qhub__task__id=task.id,
            qhub__task__primitive=primitive,
            qhub__job__tier=tier.tier,
            qhub__device=tier.device.name,
        )
        return task

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.durations[phase] = self.durations.get(phase, 0.0) + time.perf_counter() - began

    @property
    def rules(self) -> Rules:
        site = self.settings.preflight
        return Rules(site.dead, site.success_warn, site.success_min, noisy=self.tier.tier != "local")

    def settle(self) -> None:
        """Refuses what was found wrong since the last time, and warns of the rest."""
        fresh = self.findings[self.settled :]
        self.settled = len(self.findings)
        raise_refusals(fresh)
        for finding in fresh:
            if finding.severity == WARN:
                warnings.warn(f"{finding.sentence} {finding.advice}".strip(), PreflightWarning, stacklevel=4)

    def foresee(self, executions: Iterable[Execution]) -> None:
        """Holds the time that all this needs on the device against what the profile gives one job, before any of it is sent."""
        estimated: float | None = 0.0
        least = 0.0
        for one in executions:
            per_shot = one.prepared.qpu_s_per_shot
            estimated = None if estimated is None or per_shot is None else estimated + per_shot * one.shots
            least += (one.prepared.least_s_per_shot or per_shot or 0.0) * one.shots
        profile = self.settings.profiles.get(self.context.profile)
        job = self.context.job_id
        before = _foreseen.get(job, 0.0) if job else 0.0
        on_device = self.tier.tier == "qpu"
        cap = None if profile is None else profile.qpu_s
        self.findings += check_qpu_time(
            estimated, before, cap, self.context.profile, on_device=on_device, least_s=least
        )
        self.settle()
        if job:
            _foreseen[job] = before + (least if estimated is None else estimated)

    def prepare(self, circuit: QuantumCircuit, shots: int, mark: bytes | None = None) -> Prepared:
        """See `TierBackend.prepare`; what it touches and notes goes into the record."""
        prepared = self.tier.prepare(circuit, shots, mark)
        self.active.update(prepared.active)
        self.edges.update(edges_of(circuit))
        if prepared.note:
            self.findings.append(Finding(NOTE, "not-reduced", prepared.note))
        return prepared

    def expected(self, circuit: QuantumCircuit, mark: bytes) -> Expectation | None:
        """What a noisy tier's counts can be held against; kept, as circuits come again and again."""
        if not self.rules.noisy:
            return None
        key = (self.tier.device.snapshot.id, mark)
        if key not in _expected:
            if len(_expected) >= _KEPT_EXPECTATIONS:
                _expected.clear()
            _expected[key] = expectation(circuit, self.tier.device)
        return _expected[key]

    def execute(self, batch: Sequence[Execution], seed: int, stopped: Callable[[], bool]) -> list[Outcome]:
        """Runs a batch. Raises TaskCancelledError when asked to stop on the way."""
        outcomes: list[Outcome] = []
        with self.timed("execute"), self._simulating(batch):
            for execution, outcome in zip(batch, self.tier.execute(batch, seed, stopped), strict=False):
                self.count(execution.prepared, outcome)
                outcomes.append(outcome)
        if len(outcomes) < len(batch):
            raise TaskCancelledError(f"The {self.primitive} task was cancelled after {self.executions} circuits.")
        return outcomes

    def estimate(self, pubs: Sequence[EstimatorPub], stopped: Callable[[], bool]) -> PrimitiveResult[Any]:
        """Leaves PUBs to the estimator of the device's own service. Raises TaskCancelledError when asked to stop on the way."""
        tier: Any = self.tier  # only devices have the options that lead here
        with self.timed("execute"):
            found = tier.estimate(pubs, stopped)
        if found is None:
            raise TaskCancelledError(f"The {self.primitive} task was cancelled.")
        result, seconds = found
        self.executions += len(pubs)
        self.methods["whole"] = {**tier.method, "executions": len(pubs), "shots": 0, "seconds": seconds}
        self.qpu_s = None  # how much it would take was not known
        return result

    @contextmanager
    def _simulating(self, batch: Sequence[Execution]) -> Iterator[None]:
        """A device's tasks have spans of their own."""
        if self.tier.tier == "qpu" or self.span is None:
            yield
            return
        with spans.recording("simulate", "quantum", messaging__batch__message_count=len(batch)) as span:
            yield
            if span is not None and self.methods:
                span.attributes["qhub.task.method"] = str(list(self.methods.values())[-1]["method"])

    def execute_all(
        self, batches: Sequence[Sequence[Execution]], seeds: Sequence[int], stopped: Callable[[], bool]
    ) -> Iterator[list[Outcome]]:
        """The outcomes of each batch in turn; a device gets all of them as one task."""
        if not self.tier.together:
            for batch, seed in zip(batches, seeds, strict=True):
                yield self.execute(batch, seed, stopped)
            return
        outcomes = iter(self.execute([one for batch in batches for one in batch], 0, stopped))
        for batch in batches:
            yield [next(outcomes) for _ in batch]

    @contextmanager
    def executing(self) -> Iterator[None]:
        """Leaves the record when the work within ends, well or not."""
        token = spans.enter(self.span)  # this is a thread of its own
        try:
            yield
        except BaseException as error:
            self.finish(error)
            raise
        finally:
            spans.leave(token)
        self.finish()

    def count(self, prepared: Prepared, outcome: Outcome) -> None:
        """Takes one outcome into the record."""
        self.executions += 1
        self.seeds.append(outcome.seed)
        method = dict(outcome.method)
        if method:
            name = f"{method['method']} {method['reason']}"
            kept = self.methods.setdefault(name, {**method, "executions": 0, "shots": 0, "seconds": 0.0})
            kept["executions"] += 1
            kept["shots"] += outcome.shots
            kept["seconds"] += outcome.seconds
        if prepared.qpu_s_per_shot is None:
            self.qpu_s = None
        elif self.qpu_s is not None:
            self.qpu_s += prepared.qpu_s_per_shot * outcome.shots

    def record(self, error: BaseException | None = None) -> dict[str, Any]:
        device = self.tier.device
        ended_at = time.time()
        return {
            "schema": SCHEMA,
            "id": self.id,
            "job_id": self.context.job_id,
            "primitive": self.primitive,
            "tier": self.tier.tier,
            "device": device.name,
            "snapshot": {
                "id": device.snapshot.id,
                "taken_at": device.snapshot.taken_at,
                "source": device.snapshot.source,
            },
            "options": dict(self.tier.options),
            "seed": self.seed,
            "root_seed": self.root_seed,
            "seeds": self.seeds[:_KEPT_SEEDS],
            "pubs": self.pubs,
            "executions": self.executions,
            "shots": sum(kept["shots"] for kept in self.methods.values()),
            "methods": list(self.methods.values()),
            "active_qubits": sorted(self.active),
            "edges": [[*edge, count] for edge, count in sorted(self.edges.items())],
            "findings": [finding.to_json() for finding in self.findings],
            "durations_s": {name: round(seconds, 6) for name, seconds in self.durations.items()},
            "started_at": utc(self.started_at),
            "ended_at": utc(ended_at),
            "wall_s": round(ended_at - self.started_at, 6),
            "estimated_qpu_s": self.qpu_s,
            "device_tasks": [dict(task) for task in self.tier.sent],
            "error": None if error is None else error_record(error),
        }

    def keep_estimates(self, results: Iterable[Any]) -> None:
        """Values and standard errors of the PUBs go into the record: who holds two jobs against each other needs both."""
        left = _KEPT_ESTIMATES
        for pub, result in zip(self.pubs, results, strict=False):
            evs, stds = (np.ravel(np.asarray(values, dtype=float)) for values in (result.data.evs, result.data.stds))
            left -= len(evs)
            if left >= 0 and np.isfinite(evs).all() and np.isfinite(stds).all():
                pub |= {"evs": evs.tolist(), "stds": stds.tolist()}

    def finish(self, error: BaseException | None = None) -> None:
        """Hands the record to the context, whatever became of the task."""
        if self.span is not None:
            self.span.attributes["qhub.task.circuits"] = self.executions
            self.span.attributes["qhub.task.shots"] = sum(kept["shots"] for kept in self.methods.values())
            spans.finish(self.span, error)
        keep: Callable[[dict[str, Any]], None] | None = self.context.record
        if keep is not None:
            keep(self.record(error))


def edges_of(circuit: QuantumCircuit) -> Counter[tuple[int, int]]:
    """How many two-qubit gates an ISA circuit has on each edge, those within control flow once."""
    found: Counter[tuple[int, int]] = Counter()
    _count_edges(circuit, range(circuit.num_qubits), found)
    return found


def _count_edges(circuit: QuantumCircuit, places: Sequence[int], found: Counter[tuple[int, int]]) -> None:
    index = dict(zip(circuit.qubits, places, strict=True))
    for instruction in circuit.data:
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                _count_edges(block, [index[q] for q in instruction.qubits], found)
        elif len(instruction.qubits) == 2 and instruction.name != "barrier":
            a, b = (index[q] for q in instruction.qubits)
            found[min(a, b), max(a, b)] += 1


_foreseen: dict[str, float] = {}
"""Seconds of QPU that the tasks of a job in this process need, as estimated."""

_expected: dict[tuple[str, bytes], Expectation | None] = {}
_KEPT_EXPECTATIONS = 256

_KEPT_SEEDS = 1000
"""A sweep of 100,000 settings need not keep each: they all follow from the task's own."""

_KEPT_ESTIMATES = 1000
"""Per task. Of a longer sweep the job's own variables have them."""


def error_record(error: BaseException) -> dict[str, str]:
    if isinstance(error, QhubError):
        return error.to_json()
    return {"error": type(error).__name__, "message": str(error)}


def utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
