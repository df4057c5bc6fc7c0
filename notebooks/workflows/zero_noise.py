"""An expectation value without its noise: readout corrected, and measured at one, three and five times the gates' noise, drawn back to none.

    qhub run zero_noise.py --tier emulation,qpu --wait

Zero-noise extrapolation by hand (mitiq does the same, and more): each two-qubit gate is followed by itself and its inverse, once and twice, which
changes nothing but the noise. What reading out loses is measured on all zeros and all ones, and divided away. Reference: the exact value, by state
vector. The bound is on the mitigated value; the raw one is printed.
"""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.transpiler import generate_preset_pass_manager

from qhub_ext import Estimator, backend

qubits, layers = 6, 6
circuit = QuantumCircuit(qubits)
for layer in range(layers):
    circuit.ry(0.35, range(qubits))
    for a in range(layer % 2, qubits - 1, 2):
        circuit.cz(a, a + 1)
pairs = [SparsePauliOp.from_sparse_list([("ZZ", [a, a + 1], 1)], num_qubits=qubits) for a in range(qubits - 1)]
reference = float(np.mean([Statevector(circuit).expectation_value(pair).real for pair in pairs]))


def folded(isa, times):
    """Each two-qubit gate `times` times, an odd number: all but one undo each other."""
    more = isa.copy_empty_like()
    for one in isa.data:
        for turn in range(times if len(one.qubits) == 2 else 1):
            more.append(one.operation if turn % 2 == 0 else one.operation.inverse(), one.qubits, one.clbits)
    return more


scales = [1, 3, 5]
isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(circuit)
observables = [pair.apply_layout(isa.layout) for pair in pairs]

ones = QuantumCircuit(qubits)
ones.x(range(qubits))
same_places = generate_preset_pass_manager(1, backend=backend(), initial_layout=isa.layout.final_index_layout())
readings = same_places.run([QuantumCircuit(qubits), ones])
each = [SparsePauliOp.from_sparse_list([("Z", [a], 1)], num_qubits=qubits) for a in range(qubits)]

pubs = [(folded(isa, scale), observables) for scale in scales]
pubs += [(reading, [z.apply_layout(reading.layout) for z in each]) for reading in readings]
*at_scales, zeros, all_ones = (result.data.evs for result in Estimator().run(pubs, precision=0.01).result())
read = (zeros - all_ones) / 2  # 1 where nothing is misread
raw = np.array(at_scales)
corrected = (raw / (read[:-1] * read[1:])).mean(axis=1)
slope, value = (float(x) for x in np.polyfit(scales, corrected, 1))
bounds = {"local": 0.03, "emulation": 0.05, "qpu": 0.05}
print(f"raw {raw[0].mean():.3f}, mitigated {value:.3f}; reference {reference:.3f}")
