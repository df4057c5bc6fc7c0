"""The verbs that take jobs along: export, import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

import qhub_ext
from qhub_ext.display.tables import Text
from qhub_ext.display.words import size
from qhub_ext.errors import UserError
from qhub_ext.job.identity import short_id
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.outcome import require_own
from qhub_ext.verbs import Surface, facts_verb, one_job, verbs

NO_LICENCE = "No licence is stated: ask whoever made it before you use it."


@verbs.command("export")
@one_job
@click.option("--crate", is_flag=True, help="As a Workflow Run RO-Crate: described for others, with provenance.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; default: qhub-JOB.zip here."
)
@click.option("--licence", default=NO_LICENCE, metavar="ADDRESS|TEXT", help="What a crate says about its use.")
@facts_verb
def export_verb(surface: Surface, job: str, crate: bool, output: Path | None, licence: str) -> Text:
    """Writes a job that has ended into one file: cell, inputs, lock, calibration, results, traces, and the hash of each."""
    from qhub_ext.reproduce.crate import crate_metadata
    from qhub_ext.reproduce.package import known_secrets, write_package

    found = surface.job(job)
    record, folder = found.record, found.folder
    if not record.state.final:
        raise UserError(
            f"Job {short_id(found.id)} has not ended yet: there is nothing whole to export.",
            advice=f"`wait {short_id(found.id)}`",
        )
    if record.spec.element is not None:
        raise UserError(
            f"{short_id(found.id)} is one element of an array.",
            advice=f"`export {short_id(record.spec.element.array_id)}`",
        )
    require_own(folder)
    target = output or Path(f"qhub-{short_id(found.id)}{'.crate' if crate else ''}.zip")
    files = tuple(r.secrets for r in surface.service.settings.qpu.resources.values() if r.secrets is not None)
    runtime = read_json_or_none(folder.runtime) or {}

    def describe(described: list[Any]) -> bytes:
        return crate_metadata(folder, record, described, runtime, licence=licence, version=qhub_ext.__version__)

    described = write_package(folder, target, known_secrets(os.environ, files), describe if crate else None)
    lacks = (
        "" if any(one.inside.endswith("/pylock.toml") for one in described) else " It has no lock: that was never made."
    )
    told = {
        "job": found.id,
        "file": str(target),
        "files": len(described),
        "bytes": target.stat().st_size,
        "crate": crate,
    }
    return Text(f"Wrote {target} ({len(described)} files, {size(target.stat().st_size)}).{lacks}", told)


@verbs.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@facts_verb
def import_verb(surface: Surface, file: Path) -> Text:
    """Puts a job that somebody exported onto your shelf, after every file was held against its hash. Nothing of it is run."""
    from qhub_ext.reproduce.package import read_package

    job_id = read_package(file, surface.service.shelf.path)
    owner = surface.service.spec(job_id).owner
    short = short_id(job_id)
    text = (
        f"Job {short} of {owner} is on your shelf; `job {short}` shows it, `rerun {short}` runs it here.\n"
        "Running it again or fetching its variables runs code of whoever made it: do so where you trust them."
    )
    return Text(text, {"job": job_id, "owner": owner, "folder": str(surface.service.shelf.folder(job_id).path)})
