"""What user code holds, on every tier: `Sampler`, `Estimator` and `backend()`, all three ordinary Qiskit V2.

`PulserBackend` (in `sequences`) does the same for Pulser sequences.

They read the context (`qhub_ext.job.context`) when they are called, run through `qhub_ext.tiers`, give back Qiskit's own result
classes, and leave one record per task with the context's `record`.
"""

from qhub_ext.primitives.backend import QhubBackend, backend
from qhub_ext.primitives.estimator import Estimator
from qhub_ext.primitives.sampler import Sampler

__all__ = ["Estimator", "QhubBackend", "Sampler", "backend"]
