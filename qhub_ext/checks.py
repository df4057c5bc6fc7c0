"""Regression checks: a script or notebook says what it expects, and every run is held against a stored baseline within statistical bounds.

    # expect: counts                  counts as in the baseline, but for the noise of their shots
    # expect: energy                  a number within what the runs of the baseline scatter
    # expect: energy ± 0.01           a number at most so far from the baseline's mean
    # expect: time                    the job's running time, not longer than the baseline's scatter allows

In a notebook also as tags of cells: `expect:counts`, `expect:energy ± 0.01`. The baseline lies beside the file: `FILE.baseline.json`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.capture.command import Request
from qhub_ext.diagnosis.counts import check_counts, compare
from qhub_ext.errors import InvalidOptionError, JobFolderError, QhubError, UserError
from qhub_ext.job.notebook import code_cells
from qhub_ext.jobfolder.atomic import read_json, write_beside
from qhub_ext.service.job import Job
from qhub_ext.service.jobs import JobService, read_source

SCHEMA = "qhub.baseline/1"
ONE_IN = 1000
"""A run that is as it should be fails so rarely, at each expectation."""
KEPT = 30
TIME = "time"
_SLACK = 0.2
"""A time may be longer by this share in any case: machines are never quite quiet."""

_LINE = re.compile(r"^\s*#\s*expect:\s*(.+?)\s*$", re.MULTILINE)
_WISH = re.compile(r"([A-Za-z_]\w*)(?:\s*(?:±|\+-|\+/-)\s*([0-9.eE+-]+))?")


@dataclass(frozen=True)
class Expectation:
    """`tolerance` None: what the baseline's own runs scatter."""

    name: str
    tolerance: float | None = None


@dataclass(frozen=True)
class Checked:
    """One expectation of one run. `passed` None: there is no baseline for it yet."""

    tier: str
    name: str
    passed: bool | None
    said: str


def expectations_of(text: str, file: str) -> list[Expectation]:
    """Raises UserError for a file without any, InvalidOptionError for one that cannot be read."""
    wishes = []
    if file.endswith(".ipynb"):
        try:
            cells = code_cells(json.loads(text))
            tags = [str(t) for c in json.loads(text)["cells"] for t in (c.get("metadata") or {}).get("tags") or ()]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UserError(f"{file} is not a notebook.") from None
        wishes = [wish for cell in cells for wish in _LINE.findall(cell.source)]
        wishes += [tag.partition(":")[2].strip() for tag in tags if tag.startswith("expect:")]
    else:
        wishes = _LINE.findall(text)
    if not wishes:
        raise UserError(
            f"{file} says nothing that is expected of it.", advice="Write a line such as `# expect: counts`."
        )
    return [_expectation(wish, file) for wish in dict.fromkeys(wishes)]


def _expectation(wish: str, file: str) -> Expectation:
    match = _WISH.fullmatch(wish)
    try:
        tolerance = None if match is None or match[2] is None else float(match[2])
    except ValueError:
        match = None
        tolerance = None
    if match is None or (tolerance is not None and not 0 <= tolerance < math.inf):
        raise InvalidOptionError(
            f"{file} expects {wish!r}, which cannot be read.", advice="Write NAME, NAME ± 0.01, or time."
        )
    return Expectation(match[1], tolerance)


class Baseline:
    """What earlier runs gave, by tier and name: counts added up, numbers one by one."""

    def __init__(self, path: Path, tiers: dict[str, dict[str, Any]]) -> None:
        self.path, self.tiers = path, tiers

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Empty where there is no file. Raises JobFolderError for one that is not a baseline."""
        try:
            record = read_json(path)
        except FileNotFoundError:
            return cls(path, {})
        if not isinstance(record, dict) or record.get("schema") != SCHEMA or not isinstance(record.get("tiers"), dict):
            said = record.get("schema") if isinstance(record, dict) else None
            raise JobFolderError(
                f"{path} is not a baseline that this version reads ({said!r}; it reads {SCHEMA}).",
                advice="--update writes a new one where it is removed.",
            )
        return cls(path, record["tiers"])

    def of(self, tier: str, name: str) -> Any:
        return (self.tiers.get(tier) or {}).get(name)

    def add(self, tier: str, name: str, value: dict[str, int] | float) -> None:
        known = self.tiers.setdefault(tier, {})
        if isinstance(value, dict):
            counts: dict[str, int] = known[name] if isinstance(known.get(name), dict) else {}
            known[name] = {k: counts.get(k, 0) + value.get(k, 0) for k in sorted({*counts, *value})}
        else:
            numbers: list[float] = known[name] if isinstance(known.get(name), list) else []
            known[name] = [*numbers, value][-KEPT:]

    def write(self) -> None:
        try:
            write_beside(
                self.path,
                (json.dumps({"schema": SCHEMA, "tiers": self.tiers}, indent=1, sort_keys=True) + "\n").encode(),
            )
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}.") from error


def run_file(service: JobService, path: Path, tier: str, request: Request) -> Job:
    """The file as a job of this tier, ended. Raises JobFailedError."""
    from dataclasses import replace

    kind = "notebook" if path.suffix == ".ipynb" else "script"
    draft = service.draft(
        replace(request, tier=tier, name=request.name or f"check {path.name}"),
        read_source(path),
        kind=kind,
        file=str(path.resolve()),
    )
    job = service.submit(draft)
    job.result()
    return job


def value_of(job: Job, name: str) -> dict[str, int] | float:
    """Counts or a number. Raises UserError for anything else."""
    if name == TIME:
        return float(job.record.running_s or 0.0)
    value: Any = job.results()[name]
    try:
        return check_counts(value, name)
    except InvalidOptionError:
        pass
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UserError(f"`{name}` is neither counts nor a number.", advice="Expect one that is.") from None
    if not math.isfinite(number):
        raise UserError(f"`{name}` is {number}.", advice="Nothing can be compared with it.")
    return number


def check(value: dict[str, int] | float, known: Any, wish: Expectation) -> tuple[bool | None, str]:
    """Whether a value is within the bounds of the baseline, and how that was told."""
    if known is None:
        return None, "there is no baseline for it: --update makes one"
    if isinstance(value, dict):
        if not isinstance(known, dict):
            return False, "the baseline has a number, and this run counts"
        try:
            found = compare(known, value)
        except InvalidOptionError as error:
            return False, error.message
        # the test's 2000 draws tell one in a thousand
        return (
            found.share > 1 / ONE_IN,
            f"total variation {found.total_variation:.4f} of the baseline's {sum(known.values())} shots; {found.share:.1%} of runs alike differ more",
        )
    if not isinstance(known, list):
        return False, "the baseline has counts, and this run a number"
    return _number(value, [float(x) for x in known], wish)


def _number(value: float, known: Sequence[float], wish: Expectation) -> tuple[bool | None, str]:
    mean = math.fsum(known) / len(known)
    if wish.tolerance is not None:
        return abs(value - mean) <= wish.tolerance, f"{value:.6g}; baseline {mean:.6g} ± {wish.tolerance:g}"
    slack = _SLACK * mean if wish.name == TIME else 0.0
    if len(known) < 3:
        if len(set(known)) == 1 and value == mean:
            return True, f"{value:.6g}, as in the baseline"
        if wish.name != TIME:
            return None, f"{value:.6g}; the baseline has {len(known)} of the 3 runs that tell how it scatters"
        return (
            value <= mean * 2,
            f"{value:.2f} s; at most twice the baseline's {mean:.2f} s, which has fewer than 3 runs",
        )
    from scipy.stats import t

    # where the next run lies, given these (prediction interval for a normal distribution of unknown mean and spread)
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in known) / (len(known) - 1))
    width = float(t.ppf(1 - 0.5 / ONE_IN, len(known) - 1)) * spread * math.sqrt(1 + 1 / len(known)) + slack
    passed = value <= mean + width if wish.name == TIME else abs(value - mean) <= width + 1e-12 * abs(mean)
    return passed, f"{value:.6g}; baseline {mean:.6g} ± {width:.2g} ({len(known)} runs)"


def check_file(
    service: JobService,
    path: Path,
    tiers: Sequence[str],
    *,
    update: bool = False,
    runs: int = 1,
    request: Request | None = None,
) -> list[Checked]:
    """Raises UserError, JobFailedError. With `update` every run goes into the baseline instead of being held against it."""
    wishes = expectations_of(read_source(path), path.name)
    baseline = Baseline.read(path.with_name(f"{path.name}.baseline.json"))
    found = []
    for tier in tiers:
        for _ in range(runs):
            job = run_file(service, path, tier, request or Request())
            for wish in wishes:
                try:
                    value = value_of(job, wish.name)
                except QhubError as error:
                    found.append(Checked(tier, wish.name, False, str(error)))
                    continue
                if update:
                    baseline.add(tier, wish.name, value)
                    found.append(Checked(tier, wish.name, True, f"{_said(value)} went into the baseline"))
                else:
                    found.append(Checked(tier, wish.name, *check(value, baseline.of(tier, wish.name), wish)))
    if update:
        baseline.write()
    return found


def _said(value: Mapping[str, int] | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else f"{sum(value.values())} shots"
