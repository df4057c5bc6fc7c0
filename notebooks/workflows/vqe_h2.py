"""H2 at 0.735 Å by VQE: two qubits, an optimizer's loop inside the job, started near the optimum.

    qhub run vqe_h2.py --tier local,emulation,qpu --wait

Reference: the lowest eigenvalue of the same Hamiltonian (STO-3G, parity mapping, without the repulsion of the nuclei).
"""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from scipy.optimize import minimize_scalar

from qhub_ext import Estimator, backend

hamiltonian = SparsePauliOp.from_list(
    [
        ("II", -1.052373245772859),
        ("IZ", 0.39793742484318045),
        ("ZI", -0.39793742484318045),
        ("ZZ", -0.01128010425623538),
        ("XX", 0.18093119978423156),
    ]
)
reference = float(np.linalg.eigvalsh(hamiltonian.to_matrix())[0])
bounds = {"local": 0.02, "emulation": 0.06, "qpu": 0.06}  # Ha

theta = Parameter("θ")
ansatz = QuantumCircuit(2)
ansatz.x(0)
ansatz.ry(theta, 1)
ansatz.cx(1, 0)
isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(ansatz)
observable = hamiltonian.apply_layout(isa.layout)
estimator = Estimator()


def energy(angle):
    return float(estimator.run([(isa, observable, [angle])], precision=0.01).result()[0].data.evs)


found = minimize_scalar(energy, bounds=(-0.6, 0.2), method="bounded", options={"maxiter": 6})
value = float(np.mean([energy(found.x) for _ in range(2)]))
print(f"θ = {found.x:.3f}: {value:.4f} Ha after {found.nfev} evaluations; reference {reference:.4f} Ha")
