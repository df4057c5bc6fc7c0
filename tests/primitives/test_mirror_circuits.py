"""Circuits with a known answer, from end to end: a mirror circuit undoes itself, so it reads all zeros."""

from __future__ import annotations

import warnings

import pytest
from qiskit.circuit import QuantumCircuit

from qhub_ext.job.context import using
from qhub_ext.primitives import Sampler

FAMILIES = ("ghz", "qft", "wstate", "vqe_real_amp", "graphstate", "dj")


def mirror(family: str, qubits: int) -> QuantumCircuit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the benchmark collection's own
        from mqt.bench import BenchmarkLevel, get_benchmark

        return get_benchmark(
            benchmark=family, level=BenchmarkLevel.ALG, circuit_size=qubits, generate_mirror_circuit=True
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mirror_circuit_reads_all_zeros(family, transpiled):
    pytest.importorskip("mqt.bench")
    isa = transpiled(mirror(family, 5))
    register = isa.cregs[0].name
    local = getattr(Sampler(seed=1).run([isa], shots=500).result()[0].data, register)
    assert local.get_counts() == {"0" * local.num_bits: 500}
    with using(tier="emulation"):
        noisy = getattr(Sampler(seed=1).run([isa], shots=500).result()[0].data, register).get_counts()
    assert max(noisy, key=noisy.get) == "0" * local.num_bits
    assert noisy != local.get_counts()
