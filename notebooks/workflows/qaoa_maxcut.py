"""MaxCut by QAOA on a ring of 20 nodes, one layer, with the angles that are best for a ring: three quarters of the edges are cut.

    qhub run qaoa_maxcut.py --tier local,emulation,qpu --shots 400 --wait

Reference: 15 of 20 edges on average (Farhi, Goldstone, Gutmann 2014), computed once more from the state vector; guessing cuts 10. No optimizer runs: the
angles are fixed. Devices of IBM have rings of 20 qubits, the outlines of two neighbouring cells, so that no swap is needed.
"""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext import Sampler, backend

nodes, gamma, beta = 20, np.pi / 4, np.pi / 8
edges = [(a, (a + 1) % nodes) for a in range(nodes)]
circuit = QuantumCircuit(nodes)
circuit.h(range(nodes))
for first in (0, 1):
    for a, b in edges[first::2]:
        circuit.rzz(-gamma, a, b)
circuit.rx(2 * beta, range(nodes))

cuts = np.arange(2**nodes)
sizes = sum(((cuts >> a) ^ (cuts >> b)) & 1 for a, b in edges)
reference = float(Statevector(circuit).probabilities() @ sizes)

circuit.measure_all()
isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(circuit)
shots = Sampler().run([isa]).result()[0].data.meas.get_int_counts()
value = float(sum(sizes[cut] * n for cut, n in shots.items()) / sum(shots.values()))
bounds = {"local": 1.5, "emulation": 3, "qpu": 3}  # edges, with 64 shots or more
best = max(int(sizes[cut]) for cut in shots)
print(
    f"mean cut {value:.2f}, reference {reference:.2f}; best {best} of {len(edges)}; {isa.num_nonlocal_gates()} two-qubit gates"
)
