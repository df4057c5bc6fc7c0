"""What jobs printed and brought back."""

from __future__ import annotations

import json
import keyword
import re
import sys
import time
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import click

from qhub_ext.capture.values import left_behind
from qhub_ext.display.tables import Page, Text
from qhub_ext.errors import CaptureError, InvalidOptionError, UnknownNameError, UserError
from qhub_ext.job.identity import short_id
from qhub_ext.jobfolder.outputs import OutputReader, text_of_message, without_colours
from qhub_ext.service import Job
from qhub_ext.verbs.group import facts_verb, one_job, some_jobs, verbs
from qhub_ext.verbs.surface import EXIT_INTERRUPTED, Surface


def for_terminal(text: str) -> str:
    """Colours only where a terminal shows them."""
    return text if sys.stdout.isatty() else without_colours(text)


@verbs.command("logs")
@one_job
@click.option(
    "-f", "--follow", is_flag=True, help="Go on until the job ends. Interrupting stops the following, not the job."
)
@click.pass_obj
def logs_verb(surface: Surface, job: str, follow: bool) -> None:
    """What the cell printed, so far or while it runs."""
    found = surface.job(job)
    if not follow or found.size is not None:
        surface.write(found.logs() or f"Nothing was printed{'' if found.record.state.final else ' yet'}.\n")
        return
    try:
        for text in follow_job(found):
            surface.write(text)
    except KeyboardInterrupt:
        surface.write(f"\nJob {short_id(found.id)} goes on; `logs {short_id(found.id)} --follow` comes back to it.\n")
        surface.exit_code = EXIT_INTERRUPTED


def follow_job(job: Job) -> Iterator[str]:
    """Pieces of text as they come, over attempts, until the job has ended."""
    reader: OutputReader | None = None
    number = 0
    pause = 0.05
    while True:
        final = job.record.state.final  # asked first: what was printed before the end is still read below
        attempt = job.folder.latest_attempt()
        if attempt is not None:
            if reader is None or attempt.number != number:
                if number:
                    yield f"── attempt {attempt.number} ──\n"
                reader, number = OutputReader(attempt), attempt.number
            for message in reader.read_new():
                yield text_of_message(message)
                pause = 0.05
        if final:
            return
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)


@verbs.command("fetch")
@one_job
@click.argument("names", nargs=-1)
@click.option("--force", is_flag=True, help="Also over values that changed since the job was submitted.")
@facts_verb
def fetch_verb(surface: Surface, job: str, names: Sequence[str], force: bool) -> Text:
    """Brings variables of a job back: NAME, or NAME=NEW_NAME; all of them by default.

    In a notebook they become variables; in a terminal they are printed.
    """
    found = surface.job(job)
    mapping = {n.partition("=")[0]: n.partition("=")[2] or n for n in names}
    bad = [here for here in mapping.values() if not here.isidentifier() or keyword.iskeyword(here)]
    if bad:
        raise InvalidOptionError(f"{bad[0]!r} is not a name of a variable.", advice="Write NAME or NAME=NEW_NAME.")
    into: MutableMapping[str, Any] = {} if surface.namespace is None else surface.namespace
    fetched = found.fetch(into, mapping or None, force=force)
    lines = [f"{n} = {_shown(into[n])}" for n in fetched.names]
    if surface.namespace is not None and fetched.names:
        lines = [f"In the notebook now, from job {short_id(found.id)}: {', '.join(fetched.names)}."]
    stays = list(fetched.stays.values())
    if stays and names:  # what was asked for by name and did not come is an error, after the rest has come
        raise CaptureError(" ".join([*lines, *stays]))
    absent = [] if names else [left_behind(name, why) for name, why in found.absent.items()]
    text = "\n".join([*lines, *stays, *absent])
    return Text(text or "The job brought no variables back.", {n: _jsonable(into[n]) for n in fetched.names})


def _shown(value: Any) -> str:
    """An address says nothing to anybody: such a value is told by its type."""
    words = repr(value)
    return f"<{type(value).__name__}>" if re.search(r" object at 0x[0-9a-f]+>$", words) else words


def _jsonable(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return repr(value)


@verbs.command("outputs")
@one_job
@click.option(
    "--notebook", type=click.Path(dir_okay=False, path_type=Path), help="Write them into this notebook file instead."
)
@facts_verb
def outputs_verb(surface: Surface, job: str, notebook: Path | None) -> Text:
    """Shows the outputs of a job as its kernel would have shown them."""
    found = surface.job(job)
    if notebook is not None:
        if found.size is not None:
            raise InvalidOptionError(
                f"Job {short_id(found.id)} is an array: each element has outputs of its own.",
                advice=f"Ask for one of them: {short_id(found.id)}.0",
            )
        if not notebook.parent.is_dir():
            raise InvalidOptionError(f"There is no folder {notebook.parent}.", advice="Make it, or name another file.")
        attempt = found.folder.latest_attempt()
        if attempt is None or not attempt.notebook.exists():
            raise UnknownNameError(f"Job {short_id(found.id)} has no sealed outputs yet.")
        try:
            notebook.write_bytes(attempt.notebook.read_bytes())
        except OSError as error:
            raise UserError(f"{notebook} cannot be written: {error.strerror}.") from error
        return Text(f"Wrote {notebook}.", {"notebook": str(notebook)})
    from qhub_ext.display.outputs import display_outputs, outputs_text

    if not found.outputs:
        return Text(f"Job {short_id(found.id)} has shown nothing.", [])
    if surface.namespace is not None:
        display_outputs(found.outputs)
        return Text("", found.outputs)
    return Text(outputs_text(found.outputs).rstrip("\n"), found.outputs)


@verbs.command("compare")
@some_jobs
@click.option("--name", help="The variable that holds the counts; default: the only one that does.")
@click.option("-n", "--most", type=click.IntRange(1), default=12, show_default=True, help="Outcomes to show.")
@facts_verb
def compare_verb(surface: Surface, jobs: Sequence[str], name: str | None, most: int) -> Page:
    """Puts the counts of jobs side by side and says which differences the shots explain."""
    from qhub_ext.comparison import compare_jobs

    return compare_jobs([surface.job(j) for j in jobs], name, most)
