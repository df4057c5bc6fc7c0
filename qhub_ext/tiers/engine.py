"""The one execution core of the simulated tiers: reduce, find the noise, choose the method, run Aer, unpack the bits."""

from __future__ import annotations

import functools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from qhub_ext.tiers.aer import aer_devices, pack_words, run_aer
from qhub_ext.tiers.backend import Execution, Outcome, Prepared
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.facts import circuit_facts, circuit_seconds, line_order, shot_seconds
from qhub_ext.tiers.findings import Finding
from qhub_ext.tiers.fingerprint import fingerprint
from qhub_ext.tiers.memory import memory_limit_mb
from qhub_ext.tiers.method import Choice, CircuitFacts, choose_method
from qhub_ext.tiers.noise import (
    Flips,
    FrozenNoiseModel,
    Site,
    expected_errors,
    is_stabilizer,
    noise_for,
    used_sites,
    without_readout,
)
from qhub_ext.tiers.reduce import reduce, reorder
from qhub_ext.tiers.seeds import derive_seed

_KEPT = 128
"""Prepared circuits of one process: a variational loop comes back to the same few, a sweep of thousands must not stay."""

_TOGETHER = 64
"""Circuits in one run of Aer: a cancelled sweep stops after at most these."""

_SHORT_S = 0.05
"""Below this forecast one thread is faster: on a shared node OpenMP's threads wait for each other longer than they work."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What the engine keeps about a prepared circuit. `order` is that of its qubits in a matrix product state."""

    facts: CircuitFacts
    used: frozenset[Site]
    noise: FrozenNoiseModel | None
    stabilizer_noise: bool
    order: tuple[int, ...]
    choices: dict[tuple[Any, ...], Choice] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Engine:
    """`noisy` adds the snapshot's noise. `memory_mb` MiB and `cpus` are the job's limits, None for those of the machine."""

    tier: str
    device: Device
    noisy: bool
    options: Mapping[str, Any]
    memory_mb: int | None = None
    cpus: int | None = None
    together: bool = False
    sent: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()

    def prepare(self, circuit: QuantumCircuit, shots: int, mark: bytes | None = None) -> Prepared:
        mark = fingerprint(circuit) if mark is None else mark
        key = (self.device, self.noisy, self.options.get("readout"), mark)
        prepared = _cache.get(key)
        if prepared is None:
            prepared = _cache.put(key, self._prepare(circuit, mark))
        self.choice(prepared.plan, shots)  # refuses here what will not fit, before anything runs
        return prepared

    def _prepare(self, circuit: QuantumCircuit, mark: bytes) -> Prepared:
        reduction = reduce(circuit)
        noise, used = None, used_sites(reduction.circuit)
        order = line_order(reduction.circuit)
        if self.noisy:
            noise = noise_for(self.device, reduction.active, used, self.options["readout"])
        facts = circuit_facts(reduction.circuit, order)
        if noise is not None and facts.sampled and not facts.resets and not noise._custom_noise_passes:
            errors = expected_errors(self.device, reduction.active, reduction.circuit)
            facts = replace(facts, expected_errors=errors)
        given = {parameter: place for place, parameter in enumerate(circuit.parameters)}
        return Prepared(
            circuit=reduction.circuit,
            parameters=tuple(given[parameter] for parameter in reduction.circuit.parameters),
            active=reduction.active,
            fingerprint=mark,
            note=reduction.note,
            qpu_s_per_shot=shot_seconds(circuit, self.device),
            least_s_per_shot=circuit_seconds(circuit, self.device) if self.device.rep_delay_s is None else None,
            plan=Plan(facts, used, noise, is_stabilizer(noise), order),
        )

    @functools.cached_property
    def limit_mb(self) -> int:
        return memory_limit_mb(self.memory_mb)

    def choice(self, plan: Plan, shots: int) -> Choice:
        """The method for `shots` of a plan. Raises PreflightError where nothing fits in memory."""
        key = (shots, self.options["method"], self.options["gpu"], self.options.get("branching"), self.limit_mb)
        if key not in plan.choices:
            plan.choices[key] = choose_method(
                plan.facts,
                shots,
                noisy=plan.noise is not None,
                stabilizer_noise=plan.stabilizer_noise,
                limit_mb=self.limit_mb,
                asked=self.options["method"],
                devices=aer_devices() if self.options["gpu"] else ("CPU",),
                branching=bool(self.options.get("branching")),
            )
        return plan.choices[key]

    def execute(
        self, batch: Sequence[Execution], seed: int, stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Outcome]:
        for number, together in enumerate(self._runs(batch)):
            if stopped():
                return
            own = together[0].seed
            yield from self._execute(together, derive_seed(seed, number.to_bytes(4, "little")) if own is None else own)

    def _runs(self, batch: Sequence[Execution]) -> Iterator[list[Execution]]:
        """Executions that may share one run of Aer, which then reads their noise once.

        Aer gives circuit k the seed + 2113 k and draws shot i of a trajectory from seed + i, so that trajectories of circuits
        that ran together would repeat: only circuits whose final state serves all shots share a run.
        """
        together: list[Execution] = []
        key: tuple[Any, ...] | None = None
        for execution in batch:
            plan, choice = execution.prepared.plan, self.choice(execution.prepared.plan, execution.shots)
            once = plan.facts.sampled and (choice.method == "density_matrix" or plan.noise is None)
            this = (execution.prepared.active, execution.shots, choice.method, choice.device, execution.memory)
            if not (together and once and this == key and execution.seed is None and len(together) < _TOGETHER):
                if together:
                    yield together
                together = []
            together.append(execution)
            key = this if once and execution.seed is None else None
        if together:
            yield together

    def _execute(self, together: list[Execution], seed: int) -> Iterator[Outcome]:
        first = together[0]
        choice = self.choice(first.prepared.plan, first.shots)
        circuits = [_bound(execution) for execution in together]
        noise = self._noise_of(together)
        if choice.shared:
            yield self._execute_shared(first, circuits[0], choice, seed)
            return
        if choice.method == "matrix_product_state" and first.prepared.circuit.num_qubits > 2:
            circuits, noise = self._in_line(first, circuits, noise)
        began = time.perf_counter()
        results = run_aer(
            circuits,
            noise,
            choice,
            shots=first.shots,
            seed=seed,
            memory=first.memory,
            limit_mb=self.limit_mb,
            threads=1 if choice.seconds < _SHORT_S else self.cpus,
        )
        seconds = (time.perf_counter() - began) / len(together)
        method = choice.to_json()
        for execution, circuit, result in zip(together, circuits, results, strict=True):
            if execution.memory:
                bits, numbers = pack_words(result.data.memory, circuit.num_clbits), None
            else:
                bits = pack_words(list(result.data.counts), circuit.num_clbits)
                numbers = np.fromiter(result.data.counts.values(), dtype=np.int64, count=len(bits))
            yield Outcome(bits, numbers, execution.shots, result.seed_simulator, method, seconds)

    def _execute_shared(self, execution: Execution, circuit: QuantumCircuit, choice: Choice, seed: int) -> Outcome:
        """Trajectories that Aer branches. It gives one flip of a measurement to all shots of a branch, so the flips are ours."""
        prepared, plan = execution.prepared, execution.prepared.plan
        began = time.perf_counter()
        noise, flips = without_readout(self.device, prepared.active, plan.used, self.options["readout"])
        (result,) = run_aer(
            [circuit],
            noise,
            choice,
            shots=execution.shots,
            seed=seed,
            memory=True,
            limit_mb=self.limit_mb,
            threads=self.cpus,
        )
        rng = np.random.default_rng(derive_seed(seed, b"readout"))
        bits = rng.permutation(pack_words(result.data.memory, circuit.num_clbits))  # branches come one after the other
        bits = flip_bits(bits, circuit, flips, rng)
        return Outcome(bits, None, execution.shots, seed, choice.to_json(), time.perf_counter() - began)

    def _in_line(
        self, first: Execution, circuits: list[QuantumCircuit], noise: FrozenNoiseModel | None
    ) -> tuple[list[QuantumCircuit], FrozenNoiseModel | None]:
        """The circuits, which share one line, with neighbours next to each other: bonds stay small and swaps few."""
        plan, active = first.prepared.plan, first.prepared.active
        lined = [reorder(circuit, plan.order) for circuit in circuits]
        if noise is not None:
            used = frozenset[Site]().union(*(used_sites(circuit) for circuit in lined))
            noise = noise_for(self.device, tuple(active[q] for q in plan.order), used, self.options["readout"])
        return lined, noise

    def _noise_of(self, together: list[Execution]) -> FrozenNoiseModel | None:
        plans = [execution.prepared.plan for execution in together]
        used = plans[0].used.union(*(plan.used for plan in plans))
        if not self.noisy or used == plans[0].used:
            noise: FrozenNoiseModel | None = plans[0].noise
            return noise
        return noise_for(self.device, together[0].prepared.active, used, self.options["readout"])


def flip_bits(
    bits: NDArray[np.uint8], circuit: QuantumCircuit, flips: Flips, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Measurement errors on packed bits, each shot and measurement on its own."""
    single = np.unpackbits(bits, axis=-1)
    for instruction in circuit.data:
        if instruction.name == "measure":
            qubit = circuit.find_bit(instruction.qubits[0]).index
            column = single[:, single.shape[-1] - 1 - circuit.find_bit(instruction.clbits[0]).index]
            reads_1, reads_0 = flips.get(qubit, (0.0, 0.0))
            column ^= rng.random(len(bits)) < np.where(column, reads_0, reads_1)
    return np.packbits(single, axis=-1)


def _bound(execution: Execution) -> QuantumCircuit:
    circuit, places = execution.prepared.circuit, execution.prepared.parameters
    return circuit.assign_parameters([execution.values[place] for place in places]) if places else circuit


class _Cache:
    """Prepared circuits, the most recently used ones; shared by the threads of this process."""

    def __init__(self, kept: int) -> None:
        self._kept, self._lock = kept, threading.Lock()
        self._entries: OrderedDict[Any, Prepared] = OrderedDict()

    def get(self, key: Any) -> Prepared | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: Any, prepared: Prepared) -> Prepared:
        with self._lock:
            self._entries[key] = prepared
            while len(self._entries) > self._kept:
                self._entries.popitem(last=False)
        return prepared


_cache = _Cache(_KEPT)
