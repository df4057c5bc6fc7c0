"""Runs circuits with Aer: one result each, or an error in our words. Its bits come back packed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.result.models import ExperimentResult
from qiskit_aer import AerError, AerSimulator

from qhub_ext.errors import Cause, PreflightError
from qhub_ext.tiers.facts import exact_quarter_turns
from qhub_ext.tiers.method import Choice
from qhub_ext.tiers.noise import FrozenNoiseModel


def run_aer(
    circuits: list[QuantumCircuit],
    noise: FrozenNoiseModel | None,
    choice: Choice,
    *,
    shots: int,
    seed: int,
    memory: bool,
    limit_mb: int,
    threads: int | None = None,
) -> list[ExperimentResult]:
    """One result per circuit. Raises PreflightError when memory ran out, AerError for what Aer cannot do."""
    options: dict[str, Any] = {"max_memory_mb": limit_mb}
    if threads:
        options["max_parallel_threads"] = threads
    if choice.shared:
        options["shot_branching_enable"] = True
    if choice.method == "stabilizer":
        circuits = [exact_quarter_turns(circuit) for circuit in circuits]
    simulator = _simulator(choice.method, choice.device)
    try:
        with _quiet():
            result = simulator.run(
                circuits, shots=shots, seed_simulator=seed, memory=memory, noise_model=noise, **options
            ).result()
    except MemoryError as error:
        raise _out_of_memory(circuits[0], choice, limit_mb, str(error)) from error
    if not result.success:
        said = next((r.status for r in result.results if not r.success), result.status)
        if "memory" in said.lower():
            raise _out_of_memory(circuits[0], choice, limit_mb, said)
        raise AerError(f"Aer could not run {circuits[0].name} with {choice.method}: {said}")
    results: list[ExperimentResult] = result.results
    return results


def pack_words(words: list[str], clbits: int) -> NDArray[np.uint8]:
    """Aer's hexadecimal words -> uint8 of shape (words, ceil(clbits / 8)), big-endian."""
    width = -(-clbits // 8)
    if width <= 8:
        numbers = np.array([int(word, 16) for word in words], dtype=">u8")
        return numbers.view(np.uint8).reshape(len(words), 8)[:, 8 - width :]
    data = b"".join(int(word, 16).to_bytes(width, "big") for word in words)
    return np.frombuffer(data, dtype=np.uint8).reshape(len(words), width)


def _out_of_memory(circuit: QuantumCircuit, choice: Choice, limit_mb: int, said: str) -> PreflightError:
    return PreflightError(
        f"Simulating {circuit.num_qubits} active qubits with {choice.method} ran out of the {limit_mb} MiB this job may use.",
        advice=f"Ask for more memory, or entangle fewer qubits. Aer said: {said.strip()}",
        cause=Cause.RESOURCES,
    )


@functools.lru_cache(maxsize=16)
def _simulator(method: str, device: str) -> AerSimulator:
    return AerSimulator(method=method, device=device)


@functools.cache
def aer_devices() -> tuple[str, ...]:
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
