"""Emulation, side by side with what a user would write on Aer.

Imports and transpilation are outside; `from_backend` is inside where its line says so, as is our own preparation where ours
says first.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.primitives import BackendEstimatorV2
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import Target, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.fake_provider import FakeKingston

from qhub_ext.job.context import using
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.tiers import catalog, devices, engine, noise
from qhub_ext.tiers.noise import _Snippet
from qhub_ext.tiers.reduce import active_qubits, reduce
from tests.benchmarks.line import Line, seconds, take_turns

SHOTS, SEED = 4096, 7


def ghz(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for k in range(qubits - 1):
        circuit.cx(k, k + 1)
    circuit.measure_all()
    return circuit


def measure(*sides: Callable[[], Any], repeats: int) -> list[float]:
    return take_turns(*[partial(swept, side) for side in sides], rounds=repeats)


def swept(side: Callable[[], Any]) -> float:
    """A noise model of 156 qubits is millions of objects: what one side leaves is not collected at the other's cost."""
    gc.collect()
    return seconds(side)


def forget() -> None:
    """As in a new process: nothing prepared, no noise built."""
    engine._cache._entries.clear()
    noise.noise_for.cache_clear()


def reduced_device(circuit: QuantumCircuit) -> Target:
    """Every instruction of the device on the circuit's active qubits: the reduced target that the recipe builds by hand."""
    full = devices.load("kingston").target
    active = active_qubits(circuit)
    index = {qubit: i for i, qubit in enumerate(active)}
    target = Target(num_qubits=len(active), dt=full.dt, qubit_properties=[full.qubit_properties[q] for q in active])
    for name in full.operation_names:
        operation = full.operation_from_name(name)
        if isinstance(operation, type):
            continue
        sites = {
            tuple(index[q] for q in site): properties
            for site, properties in full[name].items()
            if site is not None and all(q in index for q in site)
        }
        if sites:
            target.add_instruction(operation, sites, name=name)
    return target


def ten_qubits(repeats: int) -> list[Line]:
    isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(ghz(10))
    ours, small = backend(), reduce(isa).circuit
    fake = FakeKingston()
    assert fake.target is not None  # read from its files outside the measurement, as ours is
    whole = AerSimulator.from_backend(fake)
    bare = AerSimulator.from_backend(_Snippet(reduced_device(isa)))
    options: dict[str, Any] = {"shots": SHOTS, "seed_simulator": SEED}

    def run(simulator: Any, circuit: QuantumCircuit) -> dict[str, int]:
        return dict(simulator.run(circuit, **options).result().get_counts())

    def run_cold() -> None:
        forget()
        run(ours, isa)

    counts = [run(ours, isa), run(whole, isa), run(bare, small)]
    assert counts[0] == counts[1] == counts[2], "counts differ for one seed"
    note = f"counts identical for seed {SEED}"
    cold, by_hand = measure(run_cold, lambda: run(AerSimulator.from_backend(fake), isa), repeats=3)
    warm, built, small_built = measure(
        lambda: run(ours, isa), lambda: run(whole, isa), lambda: run(bare, small), repeats=min(3, repeats)
    )
    sampler = Sampler(seed=SEED)
    sampled, small_again = measure(
        lambda: sampler.run([isa]).result()[0].data.meas.get_counts(), lambda: run(bare, small), repeats=repeats
    )
    peer, reduced = "`AerSimulator.from_backend` of 156 qubits", "bare Aer on the reduced target"
    return [
        Line("10 qubits, first run", cold, f"{peer}, built and run", by_hand, ratio_at_most=0.1, note=note),
        Line("10 qubits, next run", warm, f"{peer}, run", built, ratio_at_most=0.1, note=note),
        Line("10 qubits, `backend().run`", warm, reduced, small_built, ratio_at_most=1.1, note=note),
        Line("10 qubits, `Sampler().run`", sampled, reduced, small_again, ratio_at_most=1.1),
    ]


def twenty_qubits() -> list[Line]:
    isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(ghz(20))
    kept: list[dict[str, Any]] = []
    with using(record=kept.append):
        forget()
        (taken,) = measure(lambda: Sampler(seed=SEED).run([isa], shots=1024).result(), repeats=1)
    return [Line("20-qubit GHZ, 1024 shots, first run", taken, note=kept[-1]["methods"][0]["method"])]


def variational_loop(repeats: int) -> list[Line]:
    theta = ParameterVector("t", 8)
    ansatz = QuantumCircuit(4)
    for k in range(4):
        ansatz.ry(theta[k], k)
    for k in range(3):
        ansatz.cx(k, k + 1)
    for k in range(4):
        ansatz.ry(theta[4 + k], k)
    isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(ansatz)
    hydrogen = SparsePauliOp.from_list(
        [
            ("IIIZ", 0.17),
            ("ZZII", 0.17),
            ("IIZZ", 0.12),
            ("XXYY", -0.05),
            ("YYXX", -0.05),
            ("XXXX", 0.05),
            ("YYYY", 0.05),
        ]
    )
    observable = hydrogen.apply_layout(isa.layout)
    ours = Estimator()
    small = reduce(isa)
    bare = BackendEstimatorV2(backend=AerSimulator.from_backend(_Snippet(reduced_device(isa))))
    on_small = hydrogen.apply_layout([small.active.index(q) for q in isa.layout.final_index_layout()], 4)
    rng = np.random.default_rng(1)
    taken, by_hand = measure(
        lambda: ours.run([(isa, observable, rng.uniform(0, 6, 8))]).result(),
        lambda: bare.run([(small.circuit, on_small, rng.uniform(0, 6, 8))]).result(),
        repeats=repeats * 3,
    )
    return [
        Line("step of a 4-qubit VQE, `Estimator().run`", taken, "`BackendEstimatorV2` on the reduced target", by_hand)
    ]


def sweep(repeats: int) -> list[Line]:
    theta = ParameterVector("t", 3)
    circuit = QuantumCircuit(3)
    for k in range(3):
        circuit.rx(theta[k], k)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.measure_all()
    isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(circuit)
    values = np.random.default_rng(1).uniform(0, 6, (100, 3))
    small = reduce(isa).circuit
    bare = AerSimulator.from_backend(_Snippet(reduced_device(isa)))

    def by_hand() -> Any:
        return bare.run([small.assign_parameters(row) for row in values], shots=1000, memory=True).result().get_counts()

    taken, theirs = measure(
        lambda: Sampler().run([(isa, values)], shots=1000).result(), by_hand, repeats=max(2, repeats // 2)
    )
    return [Line("100 settings of a 3-qubit circuit, `Sampler().run`", taken, "one run of bare Aer", theirs)]


def listing(repeats: int) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)

        def afresh() -> None:
            (cache / "devices.json").unlink(missing_ok=True)
            catalog._read_snapshot.cache_clear()
            catalog._read_configuration.cache_clear()
            catalog.list_devices(cache)

        first, again = measure(afresh, lambda: catalog.list_devices(cache), repeats=max(2, repeats // 2))
    return [Line("all devices listed, first time", first), Line("all devices listed, from the cache", again)]


def lines(quick: bool) -> list[Line]:
    repeats = 2 if quick else 5
    with using(tier="emulation", device="kingston", shots=None, seed=None, record=None):
        return [
            *ten_qubits(repeats),
            *twenty_qubits(),
            *variational_loop(repeats),
            *sweep(repeats),
            *listing(repeats),
        ]
