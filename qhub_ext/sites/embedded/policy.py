"""Who is next, why one waits, when it may start: pure functions of the table.

The order is strict: first come, first served, by CPUs. The head of the line is never passed by, so that a wide job gets
its turn; passed by are only jobs that could not start if the machine were empty (held, waiting for others, too wide).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qhub_ext.job.identity import short_id
from qhub_ext.sites.embedded.table import HELD, TableJob

RESOURCES, PRIORITY, DEPENDENCY, HELD_BY_USER = "Resources", "Priority", "Dependency", "JobHeldUser"
TOO_WIDE, LAUNCH_FAILED = "PartitionConfig", "LaunchFailed"


def may_start(job: TableJob, total_cpus: int) -> bool:
    """Nothing but CPUs and those ahead stands in its way."""
    return job.state != HELD and not job.unmet and not job.obstacle and job.cpus <= total_cpus


def choose(line: Iterable[TableJob], free_cpus: int, total_cpus: int) -> TableJob | None:
    """The job to start now. `line` holds waiting jobs in their order."""
    for job in line:
        if may_start(job, total_cpus):
            return job if job.cpus <= free_cpus else None
    return None


def in_line(jobs: Iterable[TableJob]) -> list[TableJob]:
    return sorted((job for job in jobs if job.waits), key=lambda job: job.order)


@dataclass(frozen=True)
class Wait:
    word: str
    sentence: str
    advice: str = ""
    audience: str = "site"


def word_for(job: TableJob, line: Sequence[TableJob], total_cpus: int) -> str:
    """The site's own word, like Slurm's. `line` as given by `in_line`."""
    if job.state == HELD:
        return HELD_BY_USER
    if job.unmet:
        return DEPENDENCY
    if job.cpus > total_cpus:
        return TOO_WIDE
    if job.obstacle:
        return LAUNCH_FAILED
    head = next((other for other in line if may_start(other, total_cpus)), None)
    return RESOURCES if head is None or head.id == job.id else PRIORITY


def explain(job: TableJob, jobs: Iterable[TableJob], total_cpus: int) -> Wait:
    """Why this job waits, with the numbers."""
    jobs = list(jobs)
    line = in_line(jobs)
    word = word_for(job, line, total_cpus)
    if word == HELD_BY_USER:
        return Wait(word, "It is held and will not start until it is released.", "Release it.", "you")
    if word == DEPENDENCY:
        return Wait(word, f"It waits until {_listed(job.unmet)} {'has' if len(job.unmet) == 1 else 'have'} completed.")
    if word == TOO_WIDE:
        return Wait(
            word,
            f"It asks for {job.cpus} CPUs and the site now has {total_cpus}, so that it cannot start.",
            "Cancel it and ask for fewer CPUs, or raise embedded.cpus in qhub.toml.",
            "you",
        )
    if word == LAUNCH_FAILED:
        return Wait(word, f"It could not be started: {job.obstacle} It is tried again.", "qhub doctor looks into it.")
    running = [other for other in jobs if not other.waits]
    busy = sum(other.cpus for other in running)
    ahead = [other for other in line if other.order < job.order and may_start(other, total_cpus)]
    free = total_cpus - busy
    if not ahead and job.cpus <= free:
        return Wait(word, f"It is about to start: {free} of {total_cpus} CPUs are free.")
    queue = f"{len(ahead)} job{'s are' if len(ahead) > 1 else ' is'} ahead" if ahead else ""
    if ahead and ahead[0].cpus <= free:  # CPUs are not what it waits for
        return Wait(word, f"It waits its turn: {queue}, and {short_id(ahead[0].id)} is about to start.")
    wants = f"it needs {job.cpus} of them" if job.cpus > 1 else "it needs one"
    whose = (
        f" with your job{'s' if len(running) > 1 else ''} {_listed([other.id for other in running])}" if running else ""
    )
    return Wait(
        word,
        f"{busy} of {total_cpus} CPUs {'is' if busy == 1 else 'are'} busy{whose}, and {wants}{f'; {queue}' if queue else ''}.",
    )


def estimate_start(
    job: TableJob, jobs: Iterable[TableJob], total_cpus: int, now: float
) -> tuple[float | None, float | None, str]:
    """(earliest, latest, why) in s since 1970 UTC, or (None, None, why).

    Latest: everybody in the line and on the CPUs uses all the time they asked for. Earliest: all of them end at once.
    """
    jobs = list(jobs)
    line = in_line(jobs)
    word = word_for(job, line, total_cpus)
    if word in (HELD_BY_USER, DEPENDENCY, TOO_WIDE, LAUNCH_FAILED):
        return None, None, explain(job, jobs, total_cpus).sentence
    found = latest_starts(jobs, total_cpus, now)
    ahead = list(found).index(job.id)
    running = len(jobs) - len(line)
    return (
        now,
        found[job.id],
        f"{running} running and {ahead} ahead; the later moment counts on all of them using their whole wall time.",
    )


def latest_starts(
    jobs: Iterable[TableJob], total_cpus: int, now: float, at_most: int | None = None
) -> dict[str, float]:
    """When the first `at_most` of those that wait for nothing but CPUs start at the latest, in the order of the line: as if everybody
    before them used all the time that was asked for.
    """
    jobs = list(jobs)
    ends = [(max(now, (other.started_at or now) + other.time_s), other.cpus) for other in jobs if not other.waits]
    heapq.heapify(ends)
    free, clock = total_cpus - sum(cpus for _, cpus in ends), now
    found: dict[str, float] = {}
    for job in (job for job in in_line(jobs) if may_start(job, total_cpus)):
        if len(found) == at_most:
            break
        while free < job.cpus and ends:
            end, cpus = heapq.heappop(ends)
            clock, free = max(clock, end), free + cpus
        found[job.id] = clock
        free -= job.cpus
        heapq.heappush(ends, (clock + job.time_s, job.cpus))
    return found


def _listed(job_ids: Sequence[str], at_most: int = 3) -> str:
    shown = [short_id(job_id) for job_id in job_ids[:at_most]]
    if len(job_ids) > at_most:
        shown.append(f"{len(job_ids) - at_most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
