"""Two jobs held against each other: `%qpu diff A B`, and `verify`, which runs a job again and holds the rerun against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qhub_ext.diagnosis.estimates import recorded
from qhub_ext.diagnosis.results import ORDER, WORDS, Result, compare_values
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.display.words import duration
from qhub_ext.errors import InvalidOptionError, QhubError
from qhub_ext.job.identity import short_id
from qhub_ext.job.state import State
from qhub_ext.reproduce.difference import DRAW, Facts, Part, differences, read_facts
from qhub_ext.service.job import Job

SHOWN = 12


def diff_jobs(first: Job, second: Job) -> Page:
    """Raises InvalidOptionError for arrays, and for one job twice."""
    facts = [_facts_of(job) for job in (first, second)]
    if first.id == second.id:
        raise InvalidOptionError(
            f"`diff` was given job {short_id(first.id)} twice.", advice="A name means its latest job: give ids."
        )
    results = compare_results(first, second, *facts)
    parts = [*differences(*facts), *times_of(*facts)]
    said = probable_reason(results, parts, [job.record.state for job in (first, second)])
    names = [short_id(first.id), short_id(second.id)]
    shown: list[Any] = [Text(said)]
    if results:
        shown.append(
            Table(("result", "verdict", "how"), [(r.name, WORDS[r.verdict], r.said) for r in results], title="Results")
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


def times_of(first: Facts, second: Facts) -> list[Part]:
    """How long each waited, ran and used a device, where they are not told alike: what explains no difference of results."""
    one, other = ({"waited": r.waiting_s, "ran": r.running_s, "QPU": r.qpu_s} for r in (first.record, second.record))
    told = [(what, duration(one[what]), duration(other[what])) for what in one]
    rows = tuple(row for row in told if row[1] != row[2])
    return [Part("times", rows)] if rows else []


def _facts_of(job: Job) -> Facts:
    if job.size is not None:
        raise InvalidOptionError(
            f"Job {short_id(job.id)} is an array.", advice=f"Take one of its elements: {short_id(job.id)}.0"
        )
    return read_facts(job.folder, job.record)


def compare_results(first: Job, second: Job, one: Facts, other: Facts) -> list[Result]:
    """By the digest of what came back; what differs by the test for its kind (diagnosis.results)."""
    found = []
    for name in sorted({*one.outputs.asked, *other.outputs.asked}):
        a, b = one.outputs.names.get(name), other.outputs.names.get(name)
        if a is None or b is None:
            found.append(Result(name, "missing", "It came back from one of the two only."))
        elif (a.form, a.digest, a.module, a.member) == (b.form, b.digest, b.module, b.member):
            found.append(Result(name, "identical", a.summary or a.type))
        else:
            try:
                values = [job.results()[name] for job in (first, second)]
            except QhubError as error:
                found.append(Result(name, "differs", f"It cannot be loaded here: {error.message}"))
            else:
                found.append(compare_values(name, values[0], values[1], (recorded(one.tasks), recorded(other.tasks))))
    return sorted(found, key=lambda result: ORDER.index(result.verdict))


def probable_reason(results: Sequence[Result], parts: Sequence[Part], states: Sequence[State]) -> str:
    """The first thing that is shown."""
    if states[0] is not states[1]:
        ends = " and ".join(state.value.replace("_", " ") for state in states)
        reason = next((part.sentence for part in parts if part.weight), "Nothing that is recorded explains it.")
        return f"They ended differently: {ends}. {reason}"
    worst = next(iter(results), None)
    if worst is None:
        return "Neither brought a result back."
    if worst.verdict == "unknown":
        return "Neither brought a result back that can be compared."
    if worst.verdict == "rounding":
        libraries = next((part.sentence for part in parts if part.name == "place"), "")
        return f"The results are identical but for the last digits. {libraries}".rstrip()
    if worst.verdict == "identical":
        return "The results are identical."
    if worst.verdict in _HOW:
        # what only draws other shots explains no difference beyond their noise
        enough = [part for part in parts if part.weight > (DRAW if worst.verdict == "beyond" else 0)]
        reason = (
            enough[0].sentence
            if enough
            else "Nothing that is recorded explains it: the cell may draw random numbers of its own."
        )
        exact = worst.verdict == "beyond" and worst.kind == "estimate" and worst.z is None
        return (
            f"`{worst.name}` differs{', and both values are exact' if exact else f' {_HOW[worst.verdict]}'}. {reason}"
        )
    draws = next((part.sentence for part in parts if part.weight == DRAW), "")
    other = next((part.sentence for part in parts if part.weight > DRAW), "")
    also = f"That does not show in so few shots: {other[:1].lower()}{other[1:]}" if other else ""
    return " ".join(filter(None, (_within_noise(results), draws, also)))


_HOW = {
    "beyond": "beyond what the shots explain",
    "differs": "(no test is known for its kind)",
    "missing": "(no test is known for its kind)",
}


def _within_noise(results: Sequence[Result]) -> str:
    near = next((r.name for r in results if r.verdict == "near"), "")
    if near:
        return f"`{near}` differs by no more than the estimated values of these jobs scatter: a rule of thumb, and no test."
    counted = all(r.kind == "counts" for r in results if r.verdict == "explained")
    return f"No {'counts differ' if counted else 'result differs'} beyond shot noise."


def verify_job(old: Job, new: Job) -> tuple[Page, bool]:
    """The comparison of a job with its own rerun, which has ended; and whether it is confirmed: identical on the simulated tiers, within shot
    noise on a device.
    """
    page = diff_jobs(old, new)
    exact = new.record.spec.tier != "qpu"
    verdicts = [r["verdict"] for r in page.facts["results"] if not r["name"].startswith("_")]
    accepted = {"identical", "rounding", "unknown"} | (set() if exact else {"explained", "near"})
    confirmed = new.record.state is old.record.state and all(v in accepted for v in verdicts)
    if confirmed and set(verdicts) <= {"unknown"}:
        said = (
            f"Job {short_id(old.id)} ended as {short_id(new.id)} did; that is all that can be said: {_confirming(set(verdicts))}. "
            "Results are the names that a job brings back."
        )
    elif confirmed:
        said = f"Job {short_id(old.id)} is confirmed by {short_id(new.id)}: {_confirming(set(verdicts))}."
    else:
        said = f"Job {short_id(old.id)} is not confirmed by {short_id(new.id)}. {page.facts['reason']}"
    parts = [Text(said), *([] if confirmed else page.parts[1:])]
    return Page(parts, {**page.facts, "confirmed": confirmed, "reason": said}), confirmed


def _confirming(verdicts: set[str]) -> str:
    if not verdicts:
        return "no result came back to compare"
    worst = min(verdicts, key=ORDER.index)
    return {
        "identical": "identical results",
        "rounding": "results that are identical but for the last digits",
        "explained": "results within shot noise",
        "near": "results within shot noise, or as near as their estimated values scatter",
        "unknown": "no result came back that can be compared",
    }[worst]
