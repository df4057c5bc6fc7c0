"""Jobs run once more, and what differs then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from qhub_ext.display.tables import Page, Text
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.context import TIERS
from qhub_ext.job.identity import short_id
from qhub_ext.service import Job
from qhub_ext.verbs.group import complete_device, complete_job, facts_verb, one_job, verbs
from qhub_ext.verbs.surface import EXIT_JOB_FAILED, EXIT_OK, EXIT_TIMED_OUT, Surface


def rerun_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What may be different from the job that runs again."""
    for option in reversed(
        (
            click.option("-t", "--tier", type=click.Choice(TIERS), help="Another tier than before."),
            click.option("-d", "--device", shell_complete=complete_device, help="Another device than before."),
            click.option(
                "--snapshot",
                type=click.Choice(["same", "latest"]),
                help="The calibration: that of then, or the present one; default: that of then, where the tier simulates.",
            ),
            click.option(
                "--runtime",
                type=click.Choice(["same", "current"]),
                help="The environment: that of then, built again if need be, or the present one; default: the interpreter of then.",
            ),
        )
    ):
        function = option(function)
    return function


@verbs.command("rerun")
@one_job
@rerun_options
@facts_verb
def rerun_verb(surface: Surface, job: str, **changes: Any) -> Job:
    """Submits a job once more, as a new one: the same cell, inputs, options and seeds."""
    return surface.service.rerun(surface.job(job).id, **changes)


@verbs.command("verify")
@one_job
@rerun_options
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0), help="Give up waiting for the rerun after so many seconds."
)
@facts_verb
def verify_verb(surface: Surface, job: str, timeout_s: float | None, **changes: Any) -> Page | Text:
    """Runs a job once more and says whether its results are confirmed; the exit code is 1 where they are not.

    On the tiers that simulate they have to be identical, on a device within shot noise.
    """
    from qhub_ext.jobdiff import verify_job

    old = surface.job(job)
    if not old.record.state.final:
        raise InvalidOptionError(
            f"Job {short_id(old.id)} has not ended yet.", advice=f"`wait {short_id(old.id)}` waits for it."
        )
    new = surface.service.rerun(old.id, **changes)
    try:
        new.wait(timeout_s)
    except TimeoutError as error:
        surface.exit_code = EXIT_TIMED_OUT
        return Text(
            f"{error} `diff {short_id(old.id)} {short_id(new.id)}` compares them when it has ended.", {"job": new.id}
        )
    page, confirmed = verify_job(old, new)
    surface.exit_code = EXIT_OK if confirmed else EXIT_JOB_FAILED
    return page


@verbs.command("diff")
@click.argument("first", shell_complete=complete_job)
@click.argument("second", shell_complete=complete_job)
@facts_verb
def diff_verb(surface: Surface, first: str, second: str) -> Page:
    """What differs between two jobs, and whether their results do beyond shot noise; the most probable reason first."""
    from qhub_ext.jobdiff import diff_jobs

    return diff_jobs(surface.job(first), surface.job(second))
