"""Circuits of MQT Bench, each followed by its own inverse, so that every shot should read zero.

    qhub run mqt_families.py --tier local,emulation,qpu --wait

Families as published (pip install mqt-bench), up to 12 qubits. Reference: all shots, without noise. The bound is on the worst family.
"""

import warnings

from mqt.bench import BenchmarkLevel, get_benchmark
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext import Sampler, backend

warnings.filterwarnings("ignore", module="mqt")
families = {"ghz": 12, "bv": 12, "dj": 10, "graphstate": 8, "wstate": 5, "qft": 4, "qpeexact": 4, "vqe_real_amp": 4}
shots = 200
seeds = {"graphstate": {"seed": 1}}  # of the graph; the others draw nothing, or always the same
circuits = [
    get_benchmark(family, BenchmarkLevel.ALG, width, generate_mirror_circuit=True, **seeds.get(family, {}))
    for family, width in families.items()
]
isa = generate_preset_pass_manager(2, backend=backend(), seed_transpiler=7).run(circuits)
results = Sampler().run(isa, shots=shots).result()
shares = {
    family: result.join_data().get_counts().get("0" * width, 0) / shots
    for (family, width), result in zip(families.items(), results, strict=True)
}
value, reference = min(shares.values()), 1.0
bounds = {"local": 0.0, "emulation": 0.5, "qpu": 0.5}
print(", ".join(f"{family} {share:.0%}" for family, share in shares.items()))
