"""MaxCut by QAOA on a random graph of 20 nodes, each with three neighbours, one layer.

    qhub run qaoa_maxcut.py --tier local,emulation,qpu --shots 100 --wait

The angles are those that are best on average for graphs of degree three without triangles (Wang, Hadfield, Jiang, Rieffel 2018): no optimizer
runs. Reference: the mean cut at these angles, from the state vector; the largest cut, found by trying all of them, is told beside it. Guessing cuts
half of the edges. The bound: five standard errors of the shots, and with noise what is lost where a shot that meets an error, by the calibration, is
as good as a guess. (A shot of 20 qubits with noise takes a second or two to simulate.)
"""

from math import prod

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext import Sampler, backend

GRAPH = """
0-1 0-10 0-17 1-3 1-6 2-12 2-15 2-17 3-4 3-5 4-11 4-16 5-6 5-19 6-9 7-10 7-11 7-13 8-10 8-18 8-19 9-12 9-15 11-18 12-13 13-14 14-16 14-18 15-16 17-19
"""
edges = [tuple(map(int, edge.split("-"))) for edge in GRAPH.split()]
nodes, gamma, beta = 20, np.arctan(1 / np.sqrt(2)), np.pi / 8
circuit = QuantumCircuit(nodes)
circuit.h(range(nodes))
for a, b in edges:
    circuit.rzz(-gamma, a, b)
circuit.rx(2 * beta, range(nodes))

cuts = np.arange(2**nodes)
sizes = sum(((cuts >> a) ^ (cuts >> b)) & 1 for a, b in edges)
chances = Statevector(circuit).probabilities()
reference = float(chances @ sizes)
spread = float(np.sqrt(chances @ (sizes - reference) ** 2))

circuit.measure_all()
isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=10).run(circuit)
counts = Sampler().run([isa]).result()[0].data.meas.get_int_counts()
shots = sum(counts.values())
value = float(sum(sizes[cut] * n for cut, n in counts.items()) / shots)

target = backend().target
places = [(one.operation.name, tuple(isa.find_bit(q).index for q in one.qubits)) for one in isa.data]
unharmed = prod(1 - (target[name][place].error or 0) for name, place in places if name in target)
by_shots = 5 * spread / np.sqrt(shots)
lost = (1 - unharmed) * (reference - len(edges) / 2)
bounds = {"local": by_shots, "emulation": by_shots + lost, "qpu": by_shots + lost}
best = max(int(sizes[cut]) for cut in counts)
print(
    f"mean cut {value:.2f}, reference {reference:.2f}; best {best}, the largest is {sizes.max()} of {len(edges)} edges; "
    f"{isa.num_nonlocal_gates()} two-qubit gates, a shot passes without an error with {unharmed:.0%}"
)
