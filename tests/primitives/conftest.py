from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext.job import context
from qhub_ext.job.context import ExecutionContext
from qhub_ext.primitives import backend
from tests.circuits import bell_pair

SIMULATED = ("local", "emulation")


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return []


@pytest.fixture(autouse=True)
def fresh_context(records: list[dict[str, Any]]) -> Iterator[None]:
    before = context._current
    context.enter(ExecutionContext(tier="local", device="jakarta", record=records.append))
    yield
    context._current = before


@pytest.fixture(params=SIMULATED)
def tier(request: pytest.FixtureRequest, fresh_context: None) -> Iterator[str]:
    with context.using(tier=request.param):
        yield request.param


@pytest.fixture
def transpiled(fresh_context: None) -> Callable[[QuantumCircuit], QuantumCircuit]:
    def transpile(circuit: QuantumCircuit) -> QuantumCircuit:
        return generate_preset_pass_manager(1, backend=backend(), seed_transpiler=1).run(circuit)

    return transpile


@pytest.fixture
def bell(transpiled: Callable[[QuantumCircuit], QuantumCircuit]) -> QuantumCircuit:
    return transpiled(bell_pair())
