"""What resources of each type can do through QRMI 0.26, in one table. What a type cannot do is said before anything is sent.

The rows were tried with the genuine wheel against services on loopback; oqtopus needs a bridge library that the wheel does not have.
"""

from __future__ import annotations

from dataclasses import dataclass

from qhub_ext.tiers.iqm import LACKS

PRIMITIVES = "Qiskit primitives"
SEQUENCES = "Pulser sequences"
IQM_CIRCUITS = "Qiskit circuits, as IQM's"
QUBIT_PROGRAMS = "Felis programs"
OQTOPUS_JOBS = "OQTOPUS jobs"

CIRCUITS = (PRIMITIVES, IQM_CIRCUITS)
"""What Sampler, Estimator and backend() of a cell end in."""
SENT = (*CIRCUITS, SEQUENCES)
"""What this version can send."""


@dataclass(frozen=True)
class Capabilities:
    """`takes` is the kind of payload. `typed_options`: options that QRMI does not know are dropped on the way. `lists`: the service can be
    asked for tasks whose id is not known. `reserves`: `acquire` is a real reservation and not a dummy. `target` is the shape of what the
    device says of itself, "" where that is nothing. `held`: the service holds the answer to a question about a task until that has ended, for half a
    minute at most. `timeline`: the log of a task tells when it was on the device.
    `sliced`: by what a broker cuts a task, "" where it runs whole. `tagged`: our id of a task goes along. `pinned`: a task names the calibration that it is to run with. `lacks`: what devices of the type may do and this
    version does not write, so that it is refused by its name.
    """

    type: str
    vendor: str
    takes: str
    target: str = ""
    sliced: str = ""
    typed_options: bool = False
    lists: bool = False
    reserves: bool = False
    cancels: bool = True
    logs: bool = True
    held: bool = False
    timeline: bool = False
    tagged: bool = False
    pinned: bool = False
    lacks: tuple[str, ...] = ()

    @property
    def sent(self) -> bool:
        return self.takes in SENT


CAPABILITIES = {
    one.type: one
    for one in (
        Capabilities(
            "ibm-quantum-compute-service", "IBM", PRIMITIVES, "ibm", "shots, PUBs of an estimator", typed_options=True, lists=True, reserves=True),
        Capabilities("ibm-quantum-system", "IBM", PRIMITIVES, "ibm", "shots, PUBs of an estimator"),
        Capabilities("qiskit-runtime-service", "IBM (ended on 2026-11-21)", PRIMITIVES, "ibm", "shots, PUBs of an estimator"),
        Capabilities("pasqal-cloud", "Pasqal", SEQUENCES, "pulser", "runs", lists=True),
        Capabilities("pasqal-local", "Pasqal", SEQUENCES, "pulser", "runs", reserves=True),
        Capabilities("iqm-server", "IQM", IQM_CIRCUITS, "iqm", "shots", held=True, timeline=True, tagged=True, pinned=True, lacks=tuple(LACKS)),
        Capabilities("alice-bob-felis", "Alice & Bob", QUBIT_PROGRAMS, logs=False),
        Capabilities("oqtopus", "OQTOPUS", OQTOPUS_JOBS),
    )
}  # fmt: skip


def trouble_of(kind: str) -> str:
    """Why a resource of this type cannot be used, "" when it can."""
    known = CAPABILITIES.get(kind)
    if known is None:
        return f"its type {kind!r} is not known here. Known: {', '.join(CAPABILITIES)}."
    if kind == "qiskit-runtime-service":
        return "the service behind qiskit-runtime-service has ended on 2026-11-21. Use ibm-quantum-compute-service."
    if not known.sent:
        return f"resources of type {kind} take {known.takes}, which this version does not send; it sends {' and '.join(SENT)}."
    return ""
