from qiskit import transpile

from qhub_ext import Sampler, backend

isa = transpile(bell, backend(), seed_transpiler=1)
counts = Sampler().run([isa]).result()[0].data.meas.get_counts()
print(sum(counts.values()) + offset)
counts
