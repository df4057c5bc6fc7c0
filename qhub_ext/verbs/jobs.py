"""Which jobs there are, how each stands, and when it starts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from qhub_ext.display.card import card_text
from qhub_ext.display.site_queue import queue_table
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.display.tasks import tasks_table
from qhub_ext.display.words import age, duration, moment, plain, span, state_words
from qhub_ext.job.context import TIERS
from qhub_ext.job.identity import short_id
from qhub_ext.job.state import State
from qhub_ext.jobfolder.summary import Summary
from qhub_ext.service import Job
from qhub_ext.service.broker_tasks import open_tasks
from qhub_ext.service.fleet import word_about
from qhub_ext.verbs.group import facts_verb, one_job, some_jobs, verbs
from qhub_ext.verbs.surface import EXIT_TIMED_OUT, Surface, exit_code

LISTED = 20


def jobs_table(summaries: Sequence[Summary], title: str = "", empty: str = "") -> Table:
    now = time.time()
    rows = []
    for s in summaries:
        end = s.ended_at or now
        waited = None if s.submitted_at is None else (s.running_at or end) - s.submitted_at
        ran = None if s.running_at is None else end - s.running_at
        state = state_words(s.state) + (f" {s.done}/{s.size}" if s.size is not None else "")
        rows.append(
            (
                short_id(s.id),
                s.name,
                s.tier,
                s.device,
                state,
                moment(s.submitted_at, now),
                _so_far(waited, over=bool(s.running_at or s.ended_at)),
                _so_far(ran, over=bool(s.ended_at)),
                s.message,
            )
        )
    return Table(
        ("job", "name", "tier", "device", "state", "submitted", "waited", "ran", "because"),
        rows,
        facts=[summary_facts(s) for s in summaries],
        title=title,
        empty=empty or "You have no jobs here yet. Put %%qpu at the top of a cell, or use `qhub run FILE.py`.",
        widths={"name": 32, "because": 60},
    )


def _so_far(seconds: float | None, *, over: bool) -> str:
    return duration(seconds) if over or seconds is None else age(seconds)


def summary_facts(summary: Summary) -> dict[str, Any]:
    return {name: getattr(summary, name) for name in Summary.__dataclass_fields__} | {"short_id": short_id(summary.id)}


@verbs.command("jobs")
@click.argument("text", required=False, default="")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([s.value for s in State]),
    help="Only in this state (repeatable).",
)
@click.option("--tier", type=click.Choice(TIERS), help="Only on this tier.")
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=LISTED, show_default=True, help="How many, newest first."
)
@facts_verb
def jobs_verb(surface: Surface, text: str, states: Sequence[str], tier: str | None, limit: int) -> Table:
    """Your jobs, newest first; TEXT looks in ids, names, devices and messages."""
    filtered = bool(text or states or tier)
    empty = "No job matches." if filtered else ""
    return jobs_table(surface.service.jobs(states=states, text=text, tier=tier, limit=limit), empty=empty)


@verbs.command("job")
@one_job
@facts_verb
def job_verb(surface: Surface, job: str) -> Job:
    """One job: state, where it is or stands in the queue, why it waits or ended, and how old that knowledge is."""
    found = surface.job(job)
    found.closer = True
    return found


def job_page(job: Job) -> str:
    """A job at length, for a terminal."""
    record = job.record
    lines = [card_text(record), "", f"  folder      {plain(str(job.folder.path))}"]
    if record.state.final and record.spec.size is None:
        variables = ", ".join(job.results()) or "none"
        lines.append(f"  variables   {variables}")
    waits = "" if record.state.waiting or record.state.final else job.service.waits_at_broker(job.id)
    if waits:
        lines.append(f"  waits       {plain(waits)}")
    if record.qpu_s is not None:
        lines.append(f"  device      {duration(record.qpu_s)} of QPU")
    lines.extend(f"  device      {plain(fate.sentence)} {fate.advice}".rstrip() for fate in job.service.fates(job.id))
    lines.extend(
        f"  attempt {a.number}   {state_words(a.state)}" + (f": {plain(a.message)}" if a.message else "")
        for a in record.attempts
        if len(record.attempts) > 1
    )
    return "\n".join(lines)


@verbs.command("explain")
@one_job
@click.option("--offline", is_flag=True, help="From the job's folder alone: ask neither site, broker nor device.")
@facts_verb
def explain_verb(surface: Surface, job: str, offline: bool) -> Text:
    """Why a job waits, ended as it did, or has doubtful results: cause, evidence, whose move it is, what to try."""
    found = surface.job(job)
    why = surface.service.explain(found.id, ask=not offline)
    state = (surface.service.shelf.record(found.id) if offline else found.record).state.value
    lines = [f"Job {short_id(found.id)} {state_words(state)}: {why}"]
    fates = [] if offline else surface.service.fates(found.id)
    lines.extend(f"  device {fate.sentence} {fate.advice}".rstrip() for fate in fates)
    others = "" if offline else word_about(surface.service, found.id)
    lines.extend([f"  others {others}"] if others else [])
    facts = why.to_json() | {"job": found.id, "state": state, "device_tasks": [fate.to_json() for fate in fates], "others": others}  # fmt: skip
    return Text("\n".join(lines), facts)


@verbs.command("estimate")
@one_job
@facts_verb
def estimate_verb(surface: Surface, job: str) -> Text:
    """When a waiting job may start, as a range; asks the site anew."""
    found = surface.job(job)
    guess = surface.service.estimate(found.id)
    when = "The site cannot say when it starts"
    state, size = found.record.state, found.record.spec.size
    if guess.earliest is not None and (state.waiting or size is not None):
        which = "It" if size is None else "Its next element"
        when = f"{which} may start {span(guess.earliest, guess.latest, time.time())}"
    elif not state.waiting:
        when = f"Job {short_id(found.id)}"
    return Text(f"{when}: {guess.why}", vars(guess) | {"job": found.id})


@verbs.command("queue")
@facts_verb
def queue_verb(surface: Surface) -> Table | Page:
    """The site's queue: what runs, what waits and why, by priority; where there is a broker, also the tasks that wait there."""
    jobs = queue_table(surface.service.queue(), time.time())
    found = open_tasks(surface.service.settings)
    if found is None:
        return jobs
    return Page([jobs, tasks_table(found, "Tasks at the broker")], {"jobs": jobs.facts, **found})


@verbs.command("wait")
@some_jobs
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0), help="Give up waiting after so many seconds; the jobs go on."
)
@facts_verb
def wait_verb(surface: Surface, jobs: Sequence[str], timeout_s: float | None) -> Table:
    """Waits until jobs have ended; the exit code says how."""
    found = [surface.job(j) for j in jobs]
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    for job in found:
        try:
            record = job.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            surface.exit_code = EXIT_TIMED_OUT
            break
        surface.exit_code = max(surface.exit_code, exit_code(record))
    wanted = {j.id for j in found}
    return jobs_table([s for s in surface.service.jobs() if s.id in wanted])
