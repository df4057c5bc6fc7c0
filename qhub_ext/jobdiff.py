"""Two jobs held against each other: `%qpu diff A B`, and `verify`, which runs a job again and holds the rerun against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qhub_ext.diagnosis.counts import check_counts, compare
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.errors import InvalidOptionError, QhubError
from qhub_ext.job.identity import short_id
from qhub_ext.job.state import State
from qhub_ext.reproduce.difference import DRAW, Facts, Part, differences, read_facts
from qhub_ext.service.job import Job

SHOWN = 12


@dataclass(frozen=True)
class Result:
    """One variable of both jobs. `verdict`: identical, explained (by the number of shots), beyond (it), differs (no test is known for it)."""

    name: str
    verdict: str
    said: str
    total_variation: float | None = None
    noise: float | None = None


def diff_jobs(first: Job, second: Job) -> Page:
    """Raises InvalidOptionError for arrays, and for one job twice."""
    facts = [_facts_of(job) for job in (first, second)]
    if first.id == second.id:
        raise InvalidOptionError(
            f"`diff` was given job {short_id(first.id)} twice.", advice="A name means its latest job: give ids."
        )
    results = compare_results(first, second, *facts)
    parts = differences(*facts)
    said = probable_reason(results, parts, [job.record.state for job in (first, second)])
    names = [short_id(first.id), short_id(second.id)]
    shown: list[Any] = [Text(said)]
    if results:
        shown.append(
            Table(("result", "verdict", "how"), [(r.name, _WORDS[r.verdict], r.said) for r in results], title="Results")
        )
    for part in parts:
        if part.text:
            shown.append(Text(f"{part.name}\n{part.text}"))
        if part.rows:
            left = len(part.rows) - SHOWN
            footer = f"{left} more; --json has them all." if left > 0 else ""
            widths = dict.fromkeys(names, 48)
            shown.append(Table((part.name, *names), part.rows[:SHOWN], footer=footer, widths=widths))
    same = {"cell", "inputs", "packages", "options", "seeds", "snapshot", "method"} - {part.name for part in parts}
    if same:
        shown.append(Text(f"The same in both: {', '.join(sorted(same))}."))
    told = {
        "jobs": [first.id, second.id],
        "reason": said,
        "results": [vars(r) for r in results],
        "differences": [part.to_json() for part in parts],
    }
    return Page(shown, told)


_WORDS = {
    "identical": "identical",
    "explained": "differs, and the shots explain it",
    "beyond": "differs beyond shot noise",
    "differs": "differs",
    "missing": "only in one",
}


def _facts_of(job: Job) -> Facts:
    if job.size is not None:
        raise InvalidOptionError(
            f"Job {short_id(job.id)} is an array.", advice=f"Take one of its elements: {short_id(job.id)}.0"
        )
    return read_facts(job.folder, job.record)


def compare_results(first: Job, second: Job, one: Facts, other: Facts) -> list[Result]:
    """By the digest of what came back; counts that differ by a test (diagnosis.counts)."""
    found = []
    for name in sorted({*one.outputs.asked, *other.outputs.asked}):
        a, b = one.outputs.names.get(name), other.outputs.names.get(name)
        if a is None or b is None:
            found.append(Result(name, "missing", "It came back from one of the two only."))
        elif (a.form, a.digest, a.module, a.member) == (b.form, b.digest, b.module, b.member):
            found.append(Result(name, "identical", a.summary or a.type))
        else:
            found.append(_tested(name, first, second))
    order = ("beyond", "differs", "missing", "explained", "identical")
    return sorted(found, key=lambda result: order.index(result.verdict))


def _tested(name: str, first: Job, second: Job) -> Result:
    try:
        values = [job.results()[name] for job in (first, second)]
    except QhubError as error:
        return Result(name, "differs", f"It cannot be loaded here: {error.message}")
    try:
        counts = [check_counts(value, name) for value in values]
        test = compare(*counts)
    except InvalidOptionError:
        same = _equal(*values)
        return Result(
            name,
            "identical" if same else "differs",
            _short(values[0]) if same else f"{_short(values[0])} and {_short(values[1])}",
        )
    said = (
        f"total variation {test.total_variation:.4f}; shots alone stay below {test.noise:.4f} in 99 of 100 pairs"
        if test.total_variation
        else f"{sum(counts[0].values())} shots"
    )
    same = counts[0] == counts[1]
    verdict = "identical" if same else "explained" if test.explained else "beyond"
    return Result(name, verdict, said, test.total_variation, test.noise)


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # noqa: BLE001 - a value of the user's may raise anything when it is compared
        return False


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def probable_reason(results: Sequence[Result], parts: Sequence[Part], states: Sequence[State]) -> str:
    """The first thing that is shown."""
    if states[0] is not states[1]:
        ends = " and ".join(state.value.replace("_", " ") for state in states)
        reason = next((part.sentence for part in parts if part.weight), "Nothing that is recorded explains it.")
        return f"They ended differently: {ends}. {reason}"
    worst = next((r for r in results if r.verdict in ("beyond", "differs", "missing", "explained")), None)
    if worst is None:
        return "The results are identical." if results else "Neither brought a result back."
    if worst.verdict in ("beyond", "differs", "missing"):
        # what only draws other shots explains no difference beyond their noise
        enough = [part for part in parts if part.weight > (DRAW if worst.verdict == "beyond" else 0)]
        reason = (
            enough[0].sentence
            if enough
            else "Nothing that is recorded explains it: the cell may draw random numbers of its own."
        )
        how = "beyond what the shots explain" if worst.verdict == "beyond" else "(no test is known for its kind)"
        return f"`{worst.name}` differs {how}. {reason}"
    draws = next((part.sentence for part in parts if part.weight == DRAW), "")
    other = next((part.sentence for part in parts if part.weight > DRAW), "")
    also = f"That does not show in so few shots: {other[:1].lower()}{other[1:]}" if other else ""
    return " ".join(filter(None, ("No counts differ beyond shot noise.", draws, also)))


def verify_job(old: Job, new: Job) -> tuple[Page, bool]:
    """The comparison of a job with its own rerun, which has ended; and whether it is confirmed: identical on the simulated tiers, within shot
    noise on a device.
    """
    page = diff_jobs(old, new)
    exact = new.record.spec.tier != "qpu"
    verdicts = [r["verdict"] for r in page.facts["results"] if not r["name"].startswith("_")]
    accepted = {"identical"} if exact else {"identical", "explained"}
    confirmed = new.record.state is old.record.state and all(v in accepted for v in verdicts)
    if confirmed:
        said = f"Job {short_id(old.id)} is confirmed by {short_id(new.id)}: " + (
            "no result came back to compare."
            if not verdicts
            else "identical results."
            if set(verdicts) == {"identical"}
            else "results within shot noise."
        )
    else:
        said = f"Job {short_id(old.id)} is not confirmed by {short_id(new.id)}. {page.facts['reason']}"
    parts = [Text(said), *([] if confirmed else page.parts[1:])]
    return Page(parts, {**page.facts, "confirmed": confirmed, "reason": said}), confirmed
