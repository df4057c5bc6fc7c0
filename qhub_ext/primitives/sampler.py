"""`Sampler`: bits of each shot, for PUBs of (circuit, parameter values, shots)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BaseSamplerV2, BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers import SamplerPubLike
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qhub_ext.errors import InvalidOptionError
from qhub_ext.primitives.binding import bindings
from qhub_ext.primitives.place import check_backend, context_for, split_options
from qhub_ext.primitives.refusal import refuse_keywords, told_to_the_caller
from qhub_ext.primitives.task import Task
from qhub_ext.primitives.task_job import TaskJob
from qhub_ext.tiers.backend import DEFAULT_SHOTS, Execution, Outcome
from qhub_ext.tiers.ideal import check_outcomes
from qhub_ext.tiers.isa import check_isa
from qhub_ext.tiers.preflight import check_duplicates, check_sampled, check_shots
from qhub_ext.tiers.seeds import SeedSequence, check_seed

_ACCEPTED = ("mode", "backend", "default_shots", "seed", "options")


class Sampler(BaseSamplerV2):
    """Samples ISA circuits on the current tier and device.

    `default_shots` per circuit and parameter set (4096 when neither it nor the context says); `seed` makes results repeatable,
    the same for a circuit wherever in a task it stands. `options` are the tier's: method, readout, gpu. `mode` or `backend` may
    be a `qhub_ext.backend()`, which fixes tier and device.
    """

    @told_to_the_caller
    def __init__(
        self,
        mode: Any = None,
        *,
        backend: Any = None,
        default_shots: int | None = None,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        hint = "default_shots={} sets them for all PUBs, run(pubs, shots={}) those of one call."
        shots = unknown.get("shots")
        refuse_keywords("Sampler", unknown, _ACCEPTED, {"shots": hint.format(shots, shots)})
        self._backend = check_backend(mode, backend)
        own, self._options = split_options(options, ("default_shots", "seed", "seed_simulator"))
        self.default_shots = default_shots if default_shots is not None else own.get("default_shots")
        self.seed = check_seed(seed if seed is not None else own.get("seed", own.get("seed_simulator")))

    @property
    def options(self) -> dict[str, Any]:
        """The tier's options that this sampler asks for."""
        return self._options

    @told_to_the_caller
    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None) -> TaskJob:
        """Starts a task; the job's `result()` has one SamplerPubResult per PUB, one BitArray per classical register.

        Raises PreflightError before anything runs.
        """
        context = context_for(self._backend)
        seed = self.seed if self.seed is not None else check_seed(context.seed)
        task = Task.begin("sampler", context, self._options, seed)
        default = next(s for s in (shots, self.default_shots, context.shots, DEFAULT_SHOTS) if s is not None)
        with task.timed("validate"):
            coerced = _coerce(pubs, default)
            for k, pub in enumerate(coerced):
                which = f"Circuit {k}" if len(coerced) > 1 else "The circuit"
                task.findings += check_isa(pub.circuit, task.tier.device, which, task.rules)
                task.findings += check_sampled(pub.circuit, which)
                task.findings += check_shots(pub.shots, task.tier.device, which)
            task.settle()
        with task.timed("prepare"):
            prepared = [task.prepare(pub.circuit, pub.shots) for pub in coerced]
            batches, marks = [], []
            for pub, ready in zip(coerced, prepared, strict=True):
                rows = list(bindings(pub.parameter_values, pub.circuit))
                batches.append([Execution(ready, pub.shots, values) for values, _ in rows])
                marks.append(ready.fingerprint + b"".join(content for _, content in rows))
            sequence = SeedSequence(task.root_seed)
            seeds = [sequence.next(mark) for mark in marks]
            task.findings += check_duplicates(marks)
            task.foresee(one for batch in batches for one in batch)
        task.pubs = [
            {"circuit": p.circuit.name, "shape": list(p.shape), "shots": p.shots, "fingerprint": r.fingerprint.hex()}
            for p, r in zip(coerced, prepared, strict=True)
        ]

        def work(stopped: Callable[[], bool]) -> PrimitiveResult[SamplerPubResult]:
            with task.executing():
                results, seen = [], []
                for number, outcomes in enumerate(task.execute_all(batches, seeds, stopped)):
                    with task.timed("return"):
                        pub = coerced[number]
                        results.append(_pub_result(pub, outcomes))
                        expected = task.expected(pub.circuit, prepared[number].fingerprint)
                        if expected is not None:
                            seen += [(expected, expected.hits(one.bits), one.shots) for one in outcomes]
                task.findings += check_outcomes(seen, task.tier.device)
                return PrimitiveResult(results, metadata={"version": 2})

        job = TaskJob(work)
        job._submit()
        return job


def _coerce(pubs: Iterable[SamplerPubLike], shots: int) -> list[SamplerPub]:
    if isinstance(pubs, QuantumCircuit):
        raise InvalidOptionError("Sampler.run takes a list of PUBs.", advice="Write run([circuit]).")
    return [SamplerPub.coerce(pub, shots) for pub in pubs]


def _pub_result(pub: SamplerPub, outcomes: list[Outcome]) -> SamplerPubResult:
    circuit, shots = pub.circuit, pub.shots
    bits = np.stack([outcome.bits for outcome in outcomes]) if outcomes else _none(circuit, shots)
    arrays = {
        register.name: BitArray(
            _register(bits, circuit, register).reshape(*pub.shape, shots, -(-register.size // 8)), register.size
        )
        for register in circuit.cregs
    }
    return SamplerPubResult(
        DataBin(**arrays, shape=pub.shape), metadata={"shots": shots, "circuit_metadata": circuit.metadata}
    )


def _none(circuit: QuantumCircuit, shots: int) -> NDArray[np.uint8]:
    return np.zeros((0, shots, -(-circuit.num_clbits // 8)), dtype=np.uint8)


def _register(bits: NDArray[np.uint8], circuit: QuantumCircuit, register: Any) -> NDArray[np.uint8]:
    """The packed bits of one register out of the packed bits of all clbits; both big-endian, the last bit first."""
    places = [circuit.find_bit(bit).index for bit in register]
    if places == list(range(circuit.num_clbits)):
        return bits
    total = bits.shape[-1] * 8
    single = np.unpackbits(bits, axis=-1)[..., [total - 1 - place for place in reversed(places)]]
    padding = -len(places) % 8
    return np.packbits(np.pad(single, [(0, 0)] * (bits.ndim - 1) + [(padding, 0)]), axis=-1)
