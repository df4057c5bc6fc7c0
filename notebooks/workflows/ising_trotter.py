"""A chain of spins in a transverse field, in Trotter steps, on 20, 35 and 50 qubits.

    qhub run ising_trotter.py --tier local,emulation,qpu --shots 200 --wait

All spins start up; read is the mean magnetisation of the ten in the middle after two steps. Reference: two steps carry influence over four spins
only, so that a chain of ten with an exact simulation tells it for one of any length. The last case, in which each step turns every spin over, is a Clifford circuit. Which
method a simulating tier takes (state vector, matrix product state, stabilizer) is in the record of each task: `qhub job -1 --json`.
"""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext import Sampler, backend

steps = 2


def chain(spins, field, coupling):
    circuit = QuantumCircuit(spins)
    for _ in range(steps):
        circuit.rx(2 * field, range(spins))
        for first in (0, 1):
            for a in range(first, spins - 1, 2):
                circuit.rzz(2 * coupling, a, a + 1)
    circuit.rx(2 * field, range(spins))
    return circuit


def exact(field, coupling):
    """Of a spin in the middle of a chain, from ten of them."""
    state = Statevector(chain(10, field, coupling))
    middle = [SparsePauliOp.from_sparse_list([("Z", [spin], 1)], 10) for spin in (4, 5)]
    return float(np.mean([state.expectation_value(z).real for z in middle]))


cases = [(20, 0.2, 0.3), (35, 0.2, 0.3), (50, 0.2, 0.3), (50, np.pi / 2, np.pi / 4)]
ready = generate_preset_pass_manager(1, backend=backend(), seed_transpiler=1)
circuits = [chain(*case) for case in cases]
for circuit in circuits:
    circuit.measure_all()
results = Sampler().run(ready.run(circuits)).result()

value, reference = [], []
for (spins, field, coupling), result in zip(cases, results, strict=True):
    bits = result.data.meas.to_bool_array()[:, spins // 2 - 5 : spins // 2 + 5]
    value.append(float(1 - 2 * bits.mean()))
    reference.append(exact(field, coupling))
    print(
        f"{spins} spins, field {field:.1f}, coupling {coupling:.2f}: {value[-1]:+.3f}; reference {reference[-1]:+.3f}"
    )
bounds = {"local": 0.15, "emulation": 0.2, "qpu": 0.2}  # of 32 shots or more, each of ten spins
