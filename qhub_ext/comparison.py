"""Counts of several jobs side by side: `%qpu compare`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from qhub_ext.diagnosis.counts import check_counts, compare, leading, share_of
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.identity import short_id
from qhub_ext.service.job import Job


def compare_jobs(jobs: Sequence[Job], name: str | None, most: int) -> Page:
    """Raises InvalidOptionError for fewer than two jobs, and for one without counts."""
    members = [element for job in jobs for element in (job.elements if job.size is not None else [job])]
    if len(members) < 2:
        raise InvalidOptionError("`compare` takes at least two jobs.", advice="Name them: `compare JOB JOB`.")
    if len({job.id for job in members}) < len(members):
        raise InvalidOptionError(
            f"`compare` was given one job twice: {', '.join(short_id(job.id) for job in members)}.",
            advice="A name means its latest job: give ids.",
        )
    counts = {_title(job): _counts_of(job, name) for job in members}
    outcomes = leading(counts, most)
    rows = []
    for outcome in outcomes:
        shares = [share_of(each, outcome) for each in counts.values()]
        rows.append((outcome, *(f"{p:.2%} ± {error:.2%}" for p, error in shares)))
    rest = len({x for each in counts.values() for x in each}) - len(outcomes)
    shown = Table(
        ("outcome", *counts), rows, footer=f"{rest} rarer outcomes are left out here and counted below." if rest else ""
    )
    lines, facts = [], []
    for (one, first), (other, second) in itertools.combinations(counts.items(), 2):
        found = compare(first, second)
        verdict = "the shots explain it" if found.explained else "the shots do not explain it"
        if not found.explained and found.total_variation <= found.noise:
            (p, _), (q, _) = share_of(first, found.most), share_of(second, found.most)
            verdict = f"but {found.most} came in {p:.1%} and {q:.1%}, more apart than chance lets it: {verdict}"
        lines.append(
            f"{one} and {other}: total variation {found.total_variation:.3f}, Hellinger {found.hellinger:.3f}; "
            f"shots alone stay below {found.noise:.3f} in 99 of 100 pairs{', ' if verdict.startswith('but') else ': '}{verdict}."
        )
        facts.append({"jobs": [one, other], **vars(found), "explained": found.explained})
    return Page([shown, Text("\n".join(lines))], {"counts": counts, "differences": facts})


def _title(job: Job) -> str:
    return f"{job.record.spec.tier} {short_id(job.id)}"


def _counts_of(job: Job, name: str | None) -> dict[str, int]:
    result = job.result()
    if name is not None:
        if name not in result:
            known = ", ".join(sorted(result)) or "none"
            raise InvalidOptionError(
                f"Job {short_id(job.id)} brought no variable {name!r} back.", advice=f"It has: {known}."
            )
        return check_counts(result[name], f"{name!r} of job {short_id(job.id)}")
    found = {}
    for key in sorted(result):
        try:
            found[key] = check_counts(result[key], key)
        except InvalidOptionError:
            continue
    if len(found) != 1:
        what = f"several: {', '.join(found)}" if found else "none"
        raise InvalidOptionError(
            f"Which variable of job {short_id(job.id)} holds the counts cannot be told: it has {what}.",
            advice="Say it with --name NAME.",
        )
    return next(iter(found.values()))
