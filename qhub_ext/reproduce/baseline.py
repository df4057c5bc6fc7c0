"""What earlier runs of a checked file gave: `FILE.baseline.json` (qhub.baseline/1), which later runs are held against."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.errors import JobFolderError, UserError
from qhub_ext.jobfolder.atomic import read_json, write_beside

SCHEMA = "qhub.baseline/1"
KEPT = 30
"""Numbers of each name; the oldest go."""


@dataclass(frozen=True)
class Number:
    """`error` is its standard error; None where nothing is known of it."""

    value: float
    error: float | None = None


Value = dict[str, int] | Number


@dataclass(frozen=True)
class Known:
    """What the baseline has of one name: counts of all its runs together, or their numbers, each with its standard error or None."""

    counts: Mapping[str, int] | None = None
    numbers: Sequence[float] = ()
    errors: Sequence[float | None] = ()


class Baseline:
    """What earlier runs gave, by tier and name: counts added up, numbers one by one, and beside these their standard errors."""

    def __init__(self, path: Path, tiers: dict[str, dict[str, Any]], errors: dict[str, dict[str, Any]]) -> None:
        self.path, self.tiers, self.errors = path, tiers, errors

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Empty where there is no file. Raises JobFolderError for one that is not a baseline."""
        try:
            record = read_json(path)
        except FileNotFoundError:
            return cls(path, {}, {})
        said = record.get("schema") if isinstance(record, dict) else None
        if said != SCHEMA:
            raise JobFolderError(
                f"{path} is not a baseline that this version reads ({said!r}; it reads {SCHEMA}).",
                advice="--update writes a new one where it is removed.",
            )
        tiers, errors = record.get("tiers"), record.get("errors", {})
        if not _is_table(tiers) or not all(_is_value(v) for names in tiers.values() for v in names.values()):
            raise JobFolderError(f"{path} is damaged: its `tiers` hold something else than counts and numbers.")
        if not _is_table(errors) or not all(isinstance(v, list) for names in errors.values() for v in names.values()):
            raise JobFolderError(f"{path} is damaged: its `errors` hold something else than numbers.")
        return cls(path, tiers, errors)

    def of(self, tier: str, name: str) -> Known | None:
        found = (self.tiers.get(tier) or {}).get(name)
        if not isinstance(found, list):
            return None if found is None else Known(counts=found)
        errors = [_error(one) for one in (self.errors.get(tier) or {}).get(name) or ()][-len(found) :]
        return Known(numbers=found, errors=[*[None] * (len(found) - len(errors)), *errors])

    def add(self, tier: str, name: str, value: Value) -> None:
        names, known = self.tiers.setdefault(tier, {}), self.of(tier, name) or Known()
        if isinstance(value, Number):
            names[name] = [*known.numbers, value.value][-KEPT:]
            self.errors.setdefault(tier, {})[name] = [*known.errors, value.error][-KEPT:]
        else:
            counts = known.counts or {}
            names[name] = {k: counts.get(k, 0) + value.get(k, 0) for k in sorted({*counts, *value})}

    def write(self) -> None:
        try:
            write_beside(
                self.path,
                (
                    json.dumps({"schema": SCHEMA, "tiers": self.tiers, "errors": self.errors}, indent=1, sort_keys=True)
                    + "\n"
                ).encode(),
            )
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}.") from error


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(names, dict) for names in value.values())


def _is_value(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(type(n) is int and n >= 0 for n in value.values())
    return isinstance(value, list) and bool(value) and all(_error(x) is not None for x in value)


def _error(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
