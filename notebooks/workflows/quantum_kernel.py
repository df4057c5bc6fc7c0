"""Two rings of points told apart by a support vector machine whose kernel is measured on qubits.

    qhub run quantum_kernel.py --tier local,emulation,qpu --wait

scikit-learn learns from the kernel |<x|y>|², the share of zeros after the circuit of x and the inverse of that of y. All pairs go as one PUB with
their values. Reference: the same kernel by state vector, and what the machine makes of it. The bound is on the worst entry of the matrix.
"""

import numpy as np
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import zz_feature_map
from qiskit.quantum_info import Statevector
from qiskit.transpiler import generate_preset_pass_manager
from sklearn.datasets import make_circles
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from qhub_ext import Sampler, backend

train, shots = 12, 500
points, kinds = make_circles(18, noise=0.08, factor=0.3, random_state=0)
points = MinMaxScaler((0.0, 1.0)).fit_transform(points)

feature = zz_feature_map(2, reps=2)
first, second = ParameterVector("x", 2), ParameterVector("y", 2)
overlap = feature.assign_parameters(first).compose(feature.assign_parameters(second).inverse())
overlap.measure_all()
isa = generate_preset_pass_manager(3, backend=backend(), seed_transpiler=1).run(overlap)

pairs = [(i, j) for i in range(len(points)) for j in range(i)]
place = {parameter: n for n, parameter in enumerate([*first, *second])}
order = [place[parameter] for parameter in isa.parameters]
given = np.array([[*points[i], *points[j]] for i, j in pairs])[:, order]
zeros = Sampler().run([(isa, given)], shots=shots).result()[0].data.meas

kernel = np.eye(len(points))
for n, (i, j) in enumerate(pairs):
    kernel[i, j] = kernel[j, i] = zeros[n].get_counts().get("00", 0) / shots

states = [Statevector(feature.assign_parameters(p)) for p in points]
exact = np.array([[abs(a.inner(b)) ** 2 for b in states] for a in states])


def hits(matrix):
    machine = SVC(kernel="precomputed", C=10).fit(matrix[:train, :train], kinds[:train])
    return int((machine.predict(matrix[train:, :train]) == kinds[train:]).sum())


value, reference = float(np.abs(kernel - exact).max()), 0.0
accuracy, exact_accuracy = hits(kernel), hits(exact)
bounds = {"local": 0.1, "emulation": 0.15, "qpu": 0.15}
print(
    f"{accuracy} of {len(points) - train} right, {exact_accuracy} with the exact kernel; worst entry off by {value:.3f}"
)
