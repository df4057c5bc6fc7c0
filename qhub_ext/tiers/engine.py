"""The one execution core of the simulated tiers: reduce, find the noise, choose the method, run Aer, unpack the bits."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit_aer import AerError, AerSimulator

from qhub_ext.errors import PreflightError
from qhub_ext.tiers.backend import Execution, Outcome, Prepared
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.facts import circuit_facts
from qhub_ext.tiers.fingerprint import fingerprint
from qhub_ext.tiers.memory import memory_limit_mb
from qhub_ext.tiers.method import Choice, CircuitFacts, choose_method
from qhub_ext.tiers.noise import FrozenNoiseModel, is_stabilizer, noise_for, used_sites
from qhub_ext.tiers.reduce import reduce
from qhub_ext.tiers.seeds import fresh_seed

_KEPT = 128
"""Prepared circuits of one process: a variational loop comes back to the same few, a sweep of thousands must not stay."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What the engine keeps about a prepared circuit."""

    facts: CircuitFacts
    noise: FrozenNoiseModel | None
    stabilizer_noise: bool
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

    def prepare(self, circuit: QuantumCircuit, shots: int, mark: bytes | None = None) -> Prepared:
        mark = fingerprint(circuit) if mark is None else mark
        key = (self.device.name, self.noisy, self.options.get("readout"), mark)
        prepared = _cache.get(key)
        if prepared is None:
            prepared = _cache.put(key, self._prepare(circuit, mark))
        self.choice(prepared.plan, shots)  # refuses here what will not fit, before anything runs
        return prepared

    def _prepare(self, circuit: QuantumCircuit, mark: bytes) -> Prepared:
        reduction = reduce(circuit)
        noise, used = None, used_sites(reduction.circuit)
        if self.noisy:
            noise = noise_for(self.device, reduction.active, used, self.options["readout"])
        return Prepared(
            circuit=reduction.circuit,
            active=reduction.active,
            fingerprint=mark,
            note=reduction.note,
            qpu_s_per_shot=_shot_seconds(circuit, self.device),
            plan=Plan(circuit_facts(reduction.circuit), noise, is_stabilizer(noise)),
        )

    @functools.cached_property
    def limit_mb(self) -> int:
        return memory_limit_mb(self.memory_mb)

    def choice(self, plan: Plan, shots: int) -> Choice:
        """The method for `shots` of a plan. Raises PreflightError where nothing fits in memory."""
        key = (shots, self.options["method"], self.options["gpu"], self.limit_mb)
        if key not in plan.choices:
            plan.choices[key] = choose_method(
                plan.facts,
                shots,
                noisy=plan.noise is not None,
                stabilizer_noise=plan.stabilizer_noise,
                limit_mb=self.limit_mb,
                asked=self.options["method"],
                devices=_aer_devices() if self.options["gpu"] else ("CPU",),
            )
        return plan.choices[key]

    def execute(
        self, executions: Iterable[Execution], stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Outcome]:
        for execution in executions:
            if stopped():
                return
            yield self._execute(execution)

    def _execute(self, execution: Execution) -> Outcome:
        prepared, plan = execution.prepared, execution.prepared.plan
        choice = self.choice(plan, execution.shots)
        seed = fresh_seed() if execution.seed is None else execution.seed
        circuit = prepared.circuit
        if execution.values:
            circuit = circuit.assign_parameters(dict(execution.values))
        began = time.perf_counter()
        memory = run_aer(
            circuit, plan.noise, choice, shots=execution.shots, seed=seed, limit_mb=self.limit_mb, cpus=self.cpus
        )
        bits = pack_memory(memory, execution.shots, circuit.num_clbits)
        return Outcome(bits, execution.shots, seed, choice.to_json(), time.perf_counter() - began)


def run_aer(
    circuit: QuantumCircuit,
    noise: FrozenNoiseModel | None,
    choice: Choice,
    *,
    shots: int,
    seed: int,
    limit_mb: int,
    cpus: int | None = None,
) -> list[str]:
    """One hexadecimal word per shot. Raises PreflightError when memory ran out, AerError for what Aer cannot do."""
    options: dict[str, Any] = {"max_memory_mb": limit_mb}
    if cpus:
        options["max_parallel_threads"] = cpus
    simulator = _simulator(choice.method, choice.device)
    try:
        with _quiet():
            result = simulator.run(
                circuit, shots=shots, seed_simulator=seed, memory=True, noise_model=noise, **options
            ).result()
    except MemoryError as error:
        raise _out_of_memory(circuit, choice, limit_mb, str(error)) from error
    if not result.success:
        said = result.results[0].status if result.results else result.status
        if "memory" in said.lower():
            raise _out_of_memory(circuit, choice, limit_mb, said)
        raise AerError(f"Aer could not run {circuit.name} with {choice.method}: {said}")
    memory: list[str] = result.results[0].data.memory
    return memory


def pack_memory(memory: list[str], shots: int, clbits: int) -> NDArray[np.uint8]:
    """Aer's words -> uint8 of shape (shots, ceil(clbits / 8)), big-endian."""
    width = -(-clbits // 8)
    if width <= 8:
        words = np.fromiter((int(word, 16) for word in memory), dtype=">u8", count=shots)
        return words.view(np.uint8).reshape(shots, 8)[:, 8 - width :]
    data = b"".join(int(word, 16).to_bytes(width, "big") for word in memory)
    return np.frombuffer(data, dtype=np.uint8).reshape(shots, width)


def _shot_seconds(circuit: QuantumCircuit, device: Device) -> float | None:
    """The device's time for one shot: the circuit's duration and the pause before the next."""
    if device.rep_delay_s is None or any(instruction.is_control_flow() for instruction in circuit.data):
        return None
    try:
        duration: float = circuit.estimate_duration(device.target, unit="s")
    except (QiskitError, KeyError, TypeError, ValueError, AttributeError):
        return None  # a snapshot that lacks a duration: there is no estimate then
    return duration + device.rep_delay_s


def _out_of_memory(circuit: QuantumCircuit, choice: Choice, limit_mb: int, said: str) -> PreflightError:
    return PreflightError(
        f"Simulating {circuit.num_qubits} active qubits with {choice.method} ran out of the {limit_mb} MiB this job may use.",
        advice=f"Ask for more memory, or entangle fewer qubits. Aer said: {said.strip()}",
    )


@functools.lru_cache(maxsize=16)
def _simulator(method: str, device: str) -> AerSimulator:
    return AerSimulator(method=method, device=device)


@functools.cache
def _aer_devices() -> tuple[str, ...]:
    return tuple(AerSimulator().available_devices())


@contextmanager
def _quiet() -> Iterator[None]:
    """Aer logs a failure that we raise ourselves, in better words."""
    log = logging.getLogger("qiskit_aer.backends.aerbackend")
    log.addFilter(_never)
    try:
        yield
    finally:
        log.removeFilter(_never)


def _never(_: logging.LogRecord) -> bool:
    return False


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
