
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(2)
circuit.h(0); circuit.cx(0, 1); circuit.measure_all()
counts = Sampler().run([transpile(circuit, backend(), seed_transpiler=1)]).result()[0].data.meas.get_counts()
