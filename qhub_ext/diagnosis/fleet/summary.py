"""What is told of one attempt of a job when it has ended: why, where, under what, and for how long. No code, no data, no names from the cell.

Who the user is, it does not say: the broker knows that from whoever brings it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from qhub_ext.diagnosis.breakdown import PARTS, divide
from qhub_ext.diagnosis.fleet.signature import signature_id, signature_of
from qhub_ext.diagnosis.trace import Trace
from qhub_ext.job.identity import split_element
from qhub_ext.job.kinds import unfit
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.state import State

SCHEMA = "qhub.summary/1"
PACKAGES = ("qiskit", "qiskit-aer", "qhub-ext")


@dataclass(frozen=True)
class JobSummary:
    """`array` is the job that it is an element of, "" for one that is none. Moments in s since 1970 UTC; `parts_ns` whole nanoseconds by part of
    the breakdown, together `wall_ns`, from the moment when this attempt was queued. `snapshot` is the digest of the device's calibration.
    """

    job: str
    attempt: int
    state: str
    ended_at: float
    array: str = ""
    cause: str = ""
    signature: str = ""
    signature_id: str = ""
    tier: str = ""
    site: str = ""
    device: str = ""
    profile: str = ""
    qos: str = ""
    node: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    snapshot: str = ""
    submitted_at: float | None = None
    running_at: float | None = None
    tasks: int = 0
    qpu_s: float | None = None
    wall_ns: int = 0
    parts_ns: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> JobSummary:
        """Leaves out what a newer version added. Raises TypeError for what is no summary."""
        known = {f.name for f in dataclasses.fields(cls)}
        if wrong := unfit(record, cls):
            raise TypeError(f"its {wrong[0]} is {record[wrong[0]]!r:.60}")
        return cls(**{name: value for name, value in record.items() if name in known})


def summarise_attempt(
    record: JobRecord,
    attempt: Attempt,
    trace: Trace,
    *,
    outcome: Mapping[str, Any],
    packages: Mapping[str, str],
    python: str = "",
    node: str = "",
    qos: str = "",
) -> JobSummary:
    """`outcome` as sealed, {} where nobody lived to seal one; `packages` are those of the place where it ran."""
    spec = record.spec
    array = split_element(spec.id)[0] if spec.element is not None else ""
    queued_at = record.asked_at if attempt.number == 1 else attempt.queued_at
    ended_at = attempt.ended_at or attempt.running_at or queued_at or spec.created_at
    found = JobSummary(
        job=spec.id,
        attempt=attempt.number,
        state=attempt.state.value,
        ended_at=ended_at,
        array=array,
        cause=attempt.cause or "",
        tier=spec.tier,
        site=spec.site,
        device=spec.device,
        profile=spec.profile,
        qos=qos,
        node=node,
        versions={
            name: version for name, version in {"python": python, **{p: packages.get(p, "") for p in PACKAGES}}.items() if version
        },
        snapshot=record.snapshots.get("start") or record.snapshots.get("submission", ""),
        submitted_at=queued_at,
        running_at=attempt.running_at,
        tasks=int(outcome.get("tasks") or 0),
        qpu_s=attempt.qpu_s,
    )  # fmt: skip
    if attempt.state is not State.COMPLETED:
        signature = signature_of(attempt.message, attempt.word, outcome.get("error"))
        found = replace(found, signature=signature, signature_id=signature_id(found.cause, signature))
    return _with_time(found, trace)


def _with_time(found: JobSummary, trace: Trace) -> JobSummary:
    """Of this attempt alone; capture and submission count to the first."""
    numbers = (found.attempt, 0) if found.attempt == 1 else (found.attempt,)
    own = [s for s in trace.spans if s.attempt in numbers and s.end_ns is not None and s.kind != "container"]
    if not own:
        return replace(found, parts_ns=dict.fromkeys(PARTS, 0))
    begin, end = min(s.begin_ns for s in own), max(s.end_ns or 0 for s in own)
    parts = divide(own, begin, end)
    return replace(found, wall_ns=parts.wall_ns, parts_ns=parts.parts_ns)
