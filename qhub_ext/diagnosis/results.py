"""One variable that two jobs brought back: the same, explained by the shots, beyond them, or of a kind that no test is known for.

Counts are tested as counts (`counts`), estimated values with their standard errors (`estimates`). A number that an optimizer or another
computation made of sampled values has no standard error: it is held to a tolerance, `NEAR` typical standard errors of the job's estimated
values, and that is said to be a rule of thumb.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhub_ext.diagnosis import counts, estimates
from qhub_ext.diagnosis.estimates import Estimate
from qhub_ext.diagnosis.sameness import alike, comparable
from qhub_ext.errors import InvalidOptionError

NEAR = 3.0
"""So many typical standard errors: about what the lowest of some ten noisy values lies below the truth, and twice that."""

WORDS = {
    "identical": "identical",
    "rounding": "identical but for the last digits",
    "explained": "differs, and the shots explain it",
    "near": "differs by no more than sampled values scatter",
    "beyond": "differs beyond shot noise",
    "differs": "differs",
    "missing": "only in one",
    "unknown": "cannot be compared",
}
ORDER = ("beyond", "differs", "missing", "near", "explained", "rounding", "identical", "unknown")
"""The worst first; what cannot be compared says nothing for either side."""

Known = tuple[Sequence[Estimate], Sequence[Estimate]]


@dataclass(frozen=True)
class Result:
    """`verdict` is one of WORDS. `share`: how often chance alone has two runs so far apart, where a test told that."""

    name: str
    verdict: str
    said: str
    kind: str = ""
    total_variation: float | None = None
    noise: float | None = None
    z: float | None = None
    share: float | None = None


def compare_values(name: str, first: Any, second: Any, known: Known) -> Result:
    """`known` is what the estimators of the two jobs gave."""
    for test in (_counts, _sampled, _estimated):
        found = test(name, first, second, known)
        if found is not None:
            return found
    numbers = [_numbers(value) for value in (first, second)]
    if numbers[0] and numbers[1] and len(numbers[0]) == len(numbers[1]):
        return _as_numbers(name, numbers[0], numbers[1], known, _told(first, second))
    if alike(first, second):
        return Result(name, "identical", _short(first))
    if type(first) is type(second) and not comparable(first):
        return Result(name, "unknown", f"A {type(first).__name__} has no equality of its own.")
    return Result(name, "differs", _told(first, second))


def _counts(name: str, first: Any, second: Any, _known: Known) -> Result | None:
    try:
        pair = [counts.check_counts(value, name) for value in (first, second)]
        return _by_shots(name, [(pair[0], pair[1])])
    except InvalidOptionError:
        return None


def _sampled(name: str, first: Any, second: Any, _known: Known) -> Result | None:
    """Results of a sampler: the counts of every register."""
    rows = [_registers(value) for value in (first, second)]
    if not rows[0] or not rows[1] or list(rows[0]) != list(rows[1]):
        return None
    try:
        return _by_shots(name, [(rows[0][key], rows[1][key]) for key in rows[0]])
    except InvalidOptionError:
        return None


def _by_shots(name: str, pairs: Sequence[tuple[Mapping[str, int], Mapping[str, int]]]) -> Result:
    tests = [counts.compare(*pair) for pair in pairs]
    worst = min(tests, key=lambda test: (test.share, -test.total_variation))
    share = 1 - (1 - worst.share) ** len(tests)
    explained = worst.explained if len(tests) == 1 else share >= 1 - counts.LEVEL
    same = all(dict(a) == dict(b) for a, b in pairs)
    verdict = "identical" if same else "explained" if explained else "beyond"
    said = f"{sum(pairs[0][0].values())} shots"
    if worst.total_variation:
        said = (
            f"total variation {worst.total_variation:.4f}; shots alone stay below {worst.noise:.4f} in 99 of 100 pairs"
        )
        said += f" (the worst of {len(tests)} registers)" if len(tests) > 1 else ""
    return Result(name, verdict, said, "counts", worst.total_variation, worst.noise, share=share)


def _estimated(name: str, first: Any, second: Any, known: Known) -> Result | None:
    """Results of an estimator, and numbers that are values of one."""
    rows = [estimates_of(value) for value in (first, second)]
    if not rows[0] or not rows[1]:
        numbers = [_numbers(value) for value in (first, second)]
        if not numbers[0] or not numbers[1] or len(numbers[0]) != len(numbers[1]):
            return None
        pairs = [estimates.with_errors(a, b, known) for a, b in zip(*numbers, strict=True)]
        found = [pair for pair in pairs if pair is not None]
        if len(found) < len(pairs):
            return None
        rows = [[a for a, _ in found], [b for _, b in found]]
    one, other = rows
    if len(one) != len(other):
        return None
    test = estimates.compare(one, other)
    values = f"{one[test.place].value:.6g} and {other[test.place].value:.6g}"
    which = f" (the farthest apart of {len(one)} values)" if len(one) > 1 else ""
    if all(a.value == b.value for a, b in zip(one, other, strict=True)):
        return Result(name, "identical", f"{one[0].value:.6g} ± {one[0].error:.2g}", "estimate", z=0.0, share=1.0)
    if not test.z:
        return Result(name, "rounding", f"{values}{which}", "estimate", z=0.0, share=1.0)
    if not test.error:
        return Result(name, "beyond", f"{values}{which}: both are exact, without shot noise", "estimate", share=0.0)
    said = (
        f"{values}{which}: {test.z:.1f} standard errors of the difference ({test.error:.2g}); "
        f"chance alone has {_per_cent(test.share)} of pairs so far apart"
    )
    return Result(name, "explained" if test.explained else "beyond", said, "estimate", z=test.z, share=test.share)


def _as_numbers(name: str, one: Sequence[float], other: Sequence[float], known: Known, told: str) -> Result:
    """Without standard errors of their own."""
    if list(one) == list(other):
        return Result(name, "identical", told.partition(" and ")[0], "number")
    if all(estimates.rounded(a, b) for a, b in zip(one, other, strict=True)):
        return Result(name, "rounding", told, "number")
    by, typical = max(abs(a - b) for a, b in zip(one, other, strict=True)), estimates.typical_error(known)
    if not typical:
        return Result(name, "differs", told, "number")
    times = f"{by:.2g} apart, {by / typical:.1f} times the {typical:.2g} by which this job's estimated values scatter"
    if by <= NEAR * typical:
        return Result(
            name,
            "near",
            f"{told}: {times}; up to {NEAR:g} times is a rule of thumb for what is computed of them, no test",
            "number",
        )
    return Result(name, "differs", f"{told}: {times}; no test is known for what is computed of them", "number")


def _registers(value: Any) -> dict[tuple[int, str], Mapping[str, int]]:
    """(PUB, register) -> counts of a result of a sampler; empty for anything else."""
    found: dict[tuple[int, str], Mapping[str, int]] = {}
    for number, data in enumerate(_data_of(value)):
        for register, bits in data.items():
            if not hasattr(bits, "get_counts"):
                return {}
            counted = bits.get_counts()
            if not isinstance(counted, Mapping) or not counted:
                return {}
            found[number, str(register)] = counted
    return found


def estimates_of(value: Any) -> list[Estimate]:
    """Those of a result of an estimator; empty for anything else."""
    found: list[Estimate] = []
    for data in _data_of(value):
        evs, stds = _numbers(getattr(data, "evs", None)), _numbers(getattr(data, "stds", None))
        if not evs or not stds or len(evs) != len(stds):
            return []
        found += [Estimate(*pair) for pair in zip(evs, stds, strict=True)]
    return found


def _data_of(value: Any) -> list[Any]:
    """Of Qiskit's PrimitiveResult, PubResult or DataBin, by their shape: Qiskit is not imported for it."""
    kind = type(value).__name__
    try:
        if kind == "DataBin":
            return [value]
        if kind.endswith("PubResult"):
            return [value.data]
        if kind == "PrimitiveResult":
            return [one.data for one in value]
    except (AttributeError, TypeError):
        pass  # another's class of that name
    return []


def _numbers(value: Any) -> list[float]:
    """A finite number, or a list or an array of them, as a row; empty for anything else."""
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        value = tolist()
    row = [*_flat(value)] if isinstance(value, list | tuple) else [value]
    if not row or not all(isinstance(x, float) and abs(x) < float("inf") for x in row):
        return []
    return row


def _flat(value: Iterable[Any]) -> Iterable[Any]:
    for one in value:
        if isinstance(one, list | tuple):
            yield from _flat(one)
        else:
            yield one


def _told(first: Any, second: Any) -> str:
    return f"{_short(first)} and {_short(second)}"


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _per_cent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}" if share >= 0.001 else "fewer than 0.1%"
