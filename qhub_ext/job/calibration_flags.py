"""What is odd about the numbers of a calibration, said before anybody trusts them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from qhub_ext.job.calibration import DEAD, Snapshot

STALE_DAYS = 2
"""A value is stale when it was measured so many days before its snapshot: what drifts has drifted since."""


@dataclass(frozen=True)
class Flag:
    """Something about the numbers that a reader should know before trusting them."""

    kind: str
    sentence: str
    qubits: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "sentence": self.sentence, "qubits": list(self.qubits)}


def flags_of(snapshot: Snapshot) -> tuple[Flag, ...]:
    """What is odd about these numbers, such as T2 above the physical limit of 2 T1."""
    t1, t2 = snapshot.column("t1_s").values, snapshot.column("t2_s").values
    found: list[Flag] = []

    def add(kind: str, what: str, qubits: Iterable[int]) -> None:
        if places := tuple(qubits):
            found.append(Flag(kind, f"{len(places)} of {snapshot.qubits} qubits {what}.", places))

    pairs = list(enumerate(zip(t1, t2, strict=True)))
    add("t2-above-2t1", "have T2 > 2 T1, which cannot be", (q for q, (a, b) in pairs if a and b and b > 2 * a))
    add("t1-null", "have no T1", (q for q, a in enumerate(t1) if a is None))
    add("t2-null", "have no T2", (q for q, b in enumerate(t2) if b is None))
    readout = snapshot.column("readout_error").values
    add("readout-null", "have no readout error", (q for q, e in enumerate(readout) if e is None))
    add("dead-qubits", "have their one-qubit gate switched off", snapshot.dead_qubits)
    if dead := snapshot.dead_edges:
        names = ", ".join(f"{a}-{b}" for a, b in dead)
        qubits = tuple(sorted({q for edge in dead for q in edge}))
        found.append(
            Flag("dead-edges", f"{len(dead)} of {len(snapshot.edges)} edges are switched off: {names}.", qubits)
        )
    if unknown := [edge for edge, error in snapshot.edges.items() if error is None]:
        qubits = tuple(sorted({q for edge in unknown for q in edge}))
        found.append(Flag("edges-null", f"{len(unknown)} of {len(snapshot.edges)} edges have no error.", qubits))
    add("stale", f"have values that were measured more than {STALE_DAYS} days before the rest", _stale_qubits(snapshot))
    return tuple(found)


def _stale_qubits(snapshot: Snapshot) -> list[int]:
    """Those whose T1, T2, readout error or gate errors are older than the snapshot says of itself."""
    before = (datetime.fromisoformat(snapshot.taken_at) - timedelta(days=STALE_DAYS)).astimezone(UTC)
    text = before.strftime("%Y-%m-%dT%H:%M:%SZ")  # as all moments here are written: letters compare as times do
    found = {
        q
        for name in ("t1_s", "t2_s", "readout_error")
        for q, (value, at) in enumerate(zip(snapshot.column(name).values, snapshot.column(name).at, strict=True))
        if value is not None and at is not None and at < text
    }
    for name, table in snapshot.gates.items():
        if not snapshot.basis or name in snapshot.basis:
            found.update(
                q
                for site, value, at in zip(table.qubits, table.error.values, table.error.at, strict=True)
                if value is not None and value != DEAD and at is not None and at < text
                for q in site
            )
    return sorted(found)
