"""Regression checks: a script or notebook says what it expects, and every run is held against a stored baseline within statistical bounds.

    # expect: counts                  counts as in the baseline, but for the noise of their shots
    # expect: energy                  a number within its standard errors, where an estimator gave it, else within what the baseline's runs scatter
    # expect: energy ± 0.01           a number at most so far from the baseline's mean
    # expect: time                    the job's running time, not longer than the baseline's scatter allows

In a notebook also as tags of cells: `expect:counts`, `expect:energy ± 0.01`. The baseline lies beside the file: `FILE.baseline.json`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.capture.request import Request
from qhub_ext.diagnosis.counts import check_counts, compare
from qhub_ext.diagnosis.estimates import ROUNDING, recorded, rounded
from qhub_ext.diagnosis.results import estimates_of
from qhub_ext.errors import InvalidOptionError, QhubError, UserError
from qhub_ext.job.notebook import code_cells
from qhub_ext.jobfolder.tasks import read_tasks
from qhub_ext.reproduce.baseline import Baseline, Known, Number, Value
from qhub_ext.service.job import Job
from qhub_ext.service.jobs import JobService, read_source

ONE_IN = 1000
"""A run that is as it should be fails so rarely, at each expectation."""
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


def value_of(job: Job, name: str) -> Value:
    """Counts or a number. Raises UserError for anything else."""
    if name == TIME:
        return Number(float(job.record.running_s or 0.0))
    value: Any = job.results()[name]
    try:
        return check_counts(value, name)
    except InvalidOptionError:
        pass
    if estimated := estimates_of(value):
        if len(estimated) > 1:
            raise UserError(f"`{name}` holds {len(estimated)} estimated values.", advice="Expect one of them.")
        return Number(estimated[0].value, estimated[0].error)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UserError(f"`{name}` is neither counts nor a number.", advice="Expect one that is.") from None
    if not math.isfinite(number):
        raise UserError(f"`{name}` is {number}.", advice="Nothing can be compared with it.")
    errors = [one.error for one in recorded(read_tasks(job.folder)) if one.value == number]
    return Number(number, max(errors, default=None))


def check(value: Value, known: Known | None, wish: Expectation) -> tuple[bool | None, str]:
    """Whether a value is within the bounds of the baseline, and how that was told."""
    if known is None:
        return None, "there is no baseline for it: --update makes one"
    if isinstance(value, Number):
        if known.counts is not None:
            return False, "the baseline has counts, and this run a number"
        return _time(value.value, known) if wish.name == TIME else _number(value, known, wish)
    if known.counts is None:
        return False, "the baseline has a number, and this run counts"
    try:
        found = compare(known.counts, value)
    except InvalidOptionError as error:
        return False, error.message
    # the test's 2000 draws tell one in a thousand
    return (
        found.share > 1 / ONE_IN,
        f"total variation {found.total_variation:.4f} of the baseline's {sum(known.counts.values())} shots; {found.share:.1%} of runs alike differ more",
    )


def _number(value: Number, known: Known, wish: Expectation) -> tuple[bool | None, str]:
    """Against the mean of the baseline's runs. What it may be away is, in this order: the tolerance that was asked for; what the standard
    errors explain (`_by_errors`); nothing, where all runs gave one number; what the runs themselves scatter, of which there must be three.
    """
    found, runs = value.value, known.numbers
    mean = math.fsum(runs) / len(runs)
    if wish.tolerance is not None:
        return abs(found - mean) <= wish.tolerance, f"{found:.6g}; baseline {mean:.6g} ± {wish.tolerance:g}"
    told = f"{found:.6g}; baseline {mean:.6g}"
    errors = [error for error in known.errors if error is not None]
    if value.error is not None and len(errors) == len(runs):
        width = _by_errors(value.error, runs, errors)
        if width is not None:
            passed = abs(found - mean) <= width + ROUNDING * abs(mean)
            return passed, f"{told} ± {width:.2g} by the standard errors ({_runs(runs)})"
    if len(set(runs)) == 1 and rounded(found, runs[0]):
        return True, f"{found:.6g}, as in the baseline"
    if len(set(runs)) == 1 and len(runs) > 1:
        return False, f"{found:.6g}; all {len(runs)} runs of the baseline gave {mean:.6g}"
    if len(runs) < 3:
        return None, f"{found:.6g}; the baseline has {len(runs)} of the 3 runs that tell how it scatters"
    width = _by_scatter(runs)
    return abs(found - mean) <= width + ROUNDING * abs(
        mean
    ), f"{told} ± {width:.2g} by what its runs scatter ({_runs(runs)})"


def _by_errors(error: float, runs: Sequence[float], errors: Sequence[float]) -> float | None:
    """How far from the mean of n runs with standard errors s_i one with the standard error s lies in all but one of `ONE_IN` cases:
    z sqrt(s^2 + sum s_i^2 / n^2), z of the normal distribution. None where the runs scatter among themselves beyond their errors (chi-squared
    test of sum (x_i - mean)^2 / s_i^2 with n - 1 degrees of freedom), as they do on a device that drifts: then their scatter is the measure.
    """
    from scipy.stats import chi2, norm

    mean = math.fsum(runs) / len(runs)
    apart = [(x - mean) ** 2 for x in runs]
    if any(s == 0 and d > (ROUNDING * mean) ** 2 for s, d in zip(errors, apart, strict=True)):
        return None
    scatter = math.fsum(d / s**2 for s, d in zip(errors, apart, strict=True) if s)
    if len(runs) > 1 and scatter > chi2.ppf(1 - 1 / ONE_IN, len(runs) - 1):
        return None
    return float(norm.ppf(1 - 0.5 / ONE_IN)) * math.sqrt(error**2 + math.fsum(s**2 for s in errors) / len(runs) ** 2)


def _by_scatter(runs: Sequence[float]) -> float:
    """Where the next run lies, given these (prediction interval for a normal distribution of unknown mean and spread)."""
    from scipy.stats import t

    mean = math.fsum(runs) / len(runs)
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in runs) / (len(runs) - 1))
    return float(t.ppf(1 - 0.5 / ONE_IN, len(runs) - 1)) * spread * math.sqrt(1 + 1 / len(runs))


def _time(found: float, known: Known) -> tuple[bool | None, str]:
    """Longer only is a fault."""
    runs = known.numbers
    mean = math.fsum(runs) / len(runs)
    if len(runs) < 3:
        return (
            found <= 2 * mean,
            f"{found:.2f} s; at most twice the baseline's {mean:.2f} s, which has fewer than 3 runs",
        )
    width = _by_scatter(runs) + _SLACK * mean
    return (
        found <= mean + width,
        f"{found:.2f} s; baseline {mean:.2f} s and at most {width:.2f} s longer ({_runs(runs)})",
    )


def _runs(runs: Sequence[float]) -> str:
    return f"{len(runs)} run{'s' if len(runs) > 1 else ''}"


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


def _said(value: Value) -> str:
    if not isinstance(value, Number):
        return f"{sum(value.values())} shots"
    return f"{value.value:.6g}" + ("" if value.error is None else f" ± {value.error:.2g}")
