"""`Estimator`: expectation values with their standard errors, measured honestly: sampled on every tier, readout errors included."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import ClassicalRegister, Gate, QuantumCircuit
from qiskit.circuit.library import RGate, RZGate, SXGate, U2Gate
from qiskit.primitives import BaseEstimatorV2, DataBin, PrimitiveResult, PubResult
from qiskit.primitives.containers import EstimatorPubLike
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qhub_ext.errors import InvalidOptionError, PreflightError
from qhub_ext.primitives.binding import bindings
from qhub_ext.primitives.observables import Basis, Group, Term, estimate, group_terms, terms_of
from qhub_ext.primitives.place import check_backend, context_for, split_options
from qhub_ext.primitives.refusal import refuse_keywords, told_to_the_caller
from qhub_ext.primitives.task import Task
from qhub_ext.primitives.task_job import TaskJob
from qhub_ext.tiers.backend import DEFAULT_PRECISION, Execution, Outcome, Prepared
from qhub_ext.tiers.device_options import own_estimator
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.findings import NOTE, Finding
from qhub_ext.tiers.fingerprint import fingerprint
from qhub_ext.tiers.isa import check_isa
from qhub_ext.tiers.preflight import check_duplicates, check_estimated, check_shots
from qhub_ext.tiers.seeds import SeedSequence, check_seed

_ACCEPTED = ("mode", "backend", "default_precision", "seed", "options")
_SAID_OTHERWISE = {
    "shots": "default_precision=0.01 asks for 10,000 shots per group: ceil(1 / precision^2).",
    "default_shots": "options={'default_shots': N} sets the precision that N shots give.",
    "precision": "default_precision sets it for all PUBs, run(pubs, precision=...) for one call.",
}

_REGISTER = "qhub_observables"


class Estimator(BaseEstimatorV2):
    """Estimates observables of ISA circuits on the current tier and device.

    Each group of qubit-wise commuting terms is measured with ceil(1 / precision^2) shots; `default_precision` is 1/64 (4096
    shots) when neither it nor the context's shots say otherwise. `stds` are standard errors of the whole sum, from the shots.
    `seed`, `options`, `mode` and `backend` are as in Sampler. With `resilience_level` or `resilience` among the options, the tier qpu leaves
    the measuring to the estimator of the device's own service.
    """

    @told_to_the_caller
    def __init__(
        self,
        mode: Any = None,
        *,
        backend: Any = None,
        default_precision: float | None = None,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        refuse_keywords("Estimator", unknown, _ACCEPTED, _SAID_OTHERWISE)
        self._backend = check_backend(mode, backend)
        own, self._options = split_options(options, ("default_precision", "default_shots", "seed", "seed_simulator"))
        if default_precision is None and own.get("default_shots"):
            default_precision = own["default_shots"] ** -0.5
        self.default_precision = default_precision if default_precision is not None else own.get("default_precision")
        self.seed = check_seed(seed if seed is not None else own.get("seed", own.get("seed_simulator")))

    @property
    def options(self) -> dict[str, Any]:
        """The tier's options that this estimator asks for."""
        return self._options

    @told_to_the_caller
    def run(self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None) -> TaskJob:
        """Starts a task; the job's `result()` has one PubResult per PUB, with `evs` and `stds` of the PUB's shape.

        Raises PreflightError before anything runs.
        """
        context = context_for(self._backend)
        seed = self.seed if self.seed is not None else check_seed(context.seed)
        task = Task.begin("estimator", context, self._options, seed)
        of_context = None if context.shots is None else context.shots**-0.5
        default = next(p for p in (precision, self.default_precision, of_context, DEFAULT_PRECISION) if p is not None)
        with task.timed("validate"):
            coerced = _coerce(pubs, default)
            marks = [fingerprint(pub.circuit) for pub in coerced]
            for k, pub in enumerate(coerced):
                which = f"Circuit {k}" if len(coerced) > 1 else "The circuit"
                task.findings += _check(pub, task, which)
            task.settle()
        with task.timed("prepare"):
            seeds = SeedSequence(task.root_seed)
            works = [_plan(pub, mark, task) for pub, mark in zip(coerced, marks, strict=True)]
            own_seeds = [seeds.next(work.mark) for work in works]
            task.findings += check_duplicates([work.mark for work in works])
            task.foresee(execution for work in works for execution in work.executions)
            task.findings += _left_to_the_service(task)
        task.pubs = [
            {
                "circuit": w.pub.circuit.name,
                "shape": list(w.pub.shape),
                "shots": w.shots,
                "precision": w.pub.precision,
                "fingerprint": w.mark.hex(),
                "groups": len({e.prepared.fingerprint for e in w.executions}),
            }
            for w in works
        ]

        def work(stopped: Callable[[], bool]) -> PrimitiveResult[PubResult]:
            with task.executing():
                if own_estimator(task.tier.options):
                    found = task.estimate(coerced, stopped)
                    task.keep_estimates(found)
                    return found
                results = []
                everything = task.execute_all([one.executions for one in works], own_seeds, stopped)
                for one, outcomes in zip(works, everything, strict=True):
                    with task.timed("return"):
                        results.append(one.result(outcomes))
                task.keep_estimates(results)
                return PrimitiveResult(results, metadata={"version": 2})

        job = TaskJob(work)
        job._submit()
        return job


@dataclass(frozen=True, eq=False)
class _Work:
    """A PUB as executions: `asked[i]` are the places of the PUB (flat) and the group that execution i serves."""

    pub: EstimatorPub
    mark: bytes
    shots: int
    executions: list[Execution]
    asked: list[tuple[list[int], Group]]
    sums: list[dict[Term, float]]

    def result(self, outcomes: list[Outcome]) -> PubResult:
        size = len(self.sums)
        means = np.array([terms.get((), 0.0) for terms in self.sums], dtype=float).reshape(size)
        variances = np.zeros(size)
        for execution, (places, group), outcome in zip(self.executions, self.asked, outcomes, strict=True):
            weights = np.array([[self.sums[place].get(term, 0.0) for term in group.terms] for place in places])
            bits = _own_bits(outcome.bits, execution.prepared.circuit, len(group.basis))
            numbers = np.ones(len(bits), dtype=np.int64) if outcome.numbers is None else outcome.numbers
            mean, variance = estimate(group, bits, numbers, weights)
            means[places] += mean
            variances[places] += variance
        shape = self.pub.shape
        data = DataBin(evs=means.reshape(shape), stds=np.sqrt(variances).reshape(shape), shape=shape)
        return PubResult(
            data,
            metadata={
                "target_precision": self.pub.precision,
                "shots": self.shots,
                "circuit_metadata": self.pub.circuit.metadata,
            },
        )


def _left_to_the_service(task: Task) -> list[Finding]:
    asked = own_estimator(task.tier.options)
    if not asked:
        return []
    sentence = (
        f"{', '.join(asked)}: the estimator of {task.tier.device.name}'s own service measures these PUBs. "
        "What it does against errors takes more of the device than was estimated."
    )
    return [Finding(NOTE, "own-estimator", sentence)]


def _coerce(pubs: Iterable[EstimatorPubLike], precision: float) -> list[EstimatorPub]:
    if isinstance(pubs, tuple) and pubs and isinstance(pubs[0], QuantumCircuit):
        raise InvalidOptionError("Estimator.run takes a list of PUBs.", advice="Write run([(circuit, observable)]).")
    coerced = []
    for pub in pubs:
        try:
            coerced.append(EstimatorPub.coerce(pub, precision))
        except ValueError as error:
            if "observable" in str(error) and "qubits" in str(error):
                raise PreflightError(
                    str(error), advice="Lay it out: observable.apply_layout(isa_circuit.layout)."
                ) from error
            raise
    return coerced


def _check(pub: EstimatorPub, task: Task, which: str) -> list[Finding]:
    if not pub.precision > 0:
        raise InvalidOptionError(f"A precision of {pub.precision} is not accepted.", advice="Give a number above 0.")
    shots = _shots(pub.precision)
    device = task.tier.device
    found = check_isa(pub.circuit, device, which, task.rules) + check_estimated(pub.circuit, which)
    return found + check_shots(shots, device, which, why=f" per group (precision {pub.precision:g})")


def _shots(precision: float) -> int:
    exact = precision**-2
    return max(1, math.ceil(exact * (1 - 1e-12)))  # 1 / 0.01^2 is a hair above 10,000


def _plan(pub: EstimatorPub, mark: bytes, task: Task) -> _Work:
    shots = _shots(pub.precision)
    values = list(bindings(pub.parameter_values, pub.circuit))
    which_values = np.arange(len(values)).reshape(pub.parameter_values.shape)
    observables = np.asarray(pub.observables.sparse_observables_array(), dtype=object)
    which_values, observables = np.broadcast_arrays(which_values, observables)
    known: dict[int, dict[Term, float]] = {}
    sums = []
    for observable in observables.ravel():
        if id(observable) not in known:
            known[id(observable)] = terms_of(observable)
        sums.append(known[id(observable)])

    places_of: dict[int, list[int]] = {}
    for place, value in enumerate(which_values.ravel()):
        places_of.setdefault(int(value), []).append(place)
    executions: list[Execution] = []
    asked: list[tuple[list[int], Group]] = []
    ready: dict[Basis, Prepared] = {}
    for value, places in places_of.items():
        parameters, _ = values[value]
        for group in group_terms(term for place in places for term in sums[place]):
            if group.basis not in ready:
                circuit, measured_mark = _measured(pub.circuit, mark, group.basis, task.tier.device)
                ready[group.basis] = task.prepare(circuit, shots, measured_mark)
            executions.append(Execution(ready[group.basis], shots, parameters, memory=False))
            asked.append((places, group))
    text = repr((pub.precision, [sorted(terms.items()) for terms in sums])).encode()
    return _Work(pub, mark + text + b"".join(c for _, c in values), shots, executions, asked, sums)


_templates: dict[tuple[bytes, Basis, str], tuple[QuantumCircuit, bytes]] = {}


def _measured(circuit: QuantumCircuit, mark: bytes, basis: Basis, device: Device) -> tuple[QuantumCircuit, bytes]:
    """The circuit with measurements along the axes of `basis`, in gates of the device, and its fingerprint."""
    key = (mark, basis, device.name)
    if key not in _templates:
        if len(_templates) > 256:
            _templates.clear()
        register = ClassicalRegister(len(basis), _REGISTER)
        measured = circuit.copy()
        measured.add_register(register)
        for bit, (qubit, axis) in enumerate(basis):
            for gate in rotations(device)[axis]:
                measured.append(gate, [qubit])
            measured.measure(qubit, register[bit])
        _templates[key] = (measured, fingerprint(measured))
    return _templates[key]


@functools.cache
def rotations(device: Device) -> Mapping[str, tuple[Gate, ...]]:
    """Gates of the device that turn each axis onto Z.

    sx turns Y onto Z, rz(pi/2) turns X onto Y; u2(0, pi) is H, u2(0, pi/2) is H S^-1; r(theta, phi) turns about the axis phi of the equator.
    """
    names = device.target.operation_names
    if "sx" in names and "rz" in names:
        return {"Z": (), "Y": (SXGate(),), "X": (RZGate(math.pi / 2), SXGate())}
    if "u2" in names:
        return {"Z": (), "Y": (U2Gate(0, math.pi / 2),), "X": (U2Gate(0, math.pi),)}
    if "r" in names:
        return {"Z": (), "Y": (RGate(math.pi / 2, 0.0),), "X": (RGate(-math.pi / 2, math.pi / 2),)}
    raise PreflightError(
        f"An estimator cannot turn X and Y onto Z with the gates of {device.name} ({', '.join(names)}).",
        advice="Measure with a Sampler, or choose another device.",
    )


def _own_bits(bits: NDArray[np.uint8], circuit: QuantumCircuit, count: int) -> NDArray[np.uint8]:
    """The bits of the observables' register, which is the last one, right-aligned."""
    if circuit.num_clbits == count:
        return bits
    single = np.unpackbits(bits, axis=-1)
    start = single.shape[-1] - circuit.num_clbits
    return np.packbits(np.pad(single[:, start : start + count], [(0, 0), (-count % 8, 0)]), axis=-1)
