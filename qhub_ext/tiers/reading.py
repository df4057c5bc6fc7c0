"""What was read of a vendor's document: the snapshot, and what could not be read; with what every vendor's reader needs for that."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from qhub_ext.job.calibration import Column, GateTable, Snapshot

Value = tuple[float | None, str | None]
"""A number in SI units, and its moment."""
Sites = Mapping[str, list[tuple[tuple[int, ...], Value, Value]]]
"""Gate -> qubits, error, length."""


@dataclass(frozen=True)
class Reading:
    """A snapshot, and a sentence for each thing in the vendor's document that could not be read. `document` is that in the shape in which it is
    kept; `dated` where it tells its own moment.
    """

    snapshot: Snapshot
    unread: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    dated: bool = True


def gate_tables(sites: Sites) -> dict[str, GateTable]:
    return {
        name: GateTable(
            tuple(site for site, _, _ in rows),
            Column.of(error for _, error, _ in rows),
            Column.of(length for _, _, length in rows),
        )
        for name, rows in sorted(sites.items())
    }


class Unread:
    """What could not be read, in the order in which it came; of the same kind, how many."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._skipped: Counter[str] = Counter()

    def add(self, where: str, why: object) -> None:
        self._found.append(f"{where}: {why}.")

    def skip(self, what: str) -> None:
        self._skipped[what] += 1

    @property
    def sentences(self) -> tuple[str, ...]:
        return (
            *self._found,
            *(f"{number} {what}: not among what a snapshot keeps." for what, number in self._skipped.items()),
        )


def list_in(record: Any, key: str, unread: Unread) -> list[Any]:
    value = record.get(key) if isinstance(record, Mapping) else None
    if isinstance(value, list):
        return value
    unread.add(key, "it is missing" if value is None else f"a list was expected, not {type(value).__name__}")
    return []


def moment_of(properties: Mapping[str, Any], columns: Mapping[str, Any], sites: Sites, unread: Unread) -> str:
    """The document's own date; else the latest date of a value; else 1970, said."""
    try:
        return to_utc(properties["last_update_date"])
    except (KeyError, TypeError, ValueError):
        values = [at for column in columns.values() for _, at in column]
        values += [pair[1] for rows in sites.values() for row in rows for pair in row[1:]]
        unread.add("last_update_date", "it is missing or no date; the latest date of a value stands for it")
        return max((at for at in values if at), default="1970-01-01T00:00:00Z")


@functools.lru_cache(maxsize=4096)  # thousands of values share a few hundred moments
def to_utc(moment: str) -> str:
    """`2026-04-15T09:15:15+02:00` -> `2026-04-15T07:15:15Z`; a moment without an offset is taken as UTC."""
    parsed = datetime.fromisoformat(moment)
    parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return parsed.isoformat(timespec="seconds").replace("+00:00", "Z")
