"""The verbs that take jobs along, away or back: export, import, prune, archives; and the one that watches over them, check."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

import qhub_ext
from qhub_ext.capture.quantity import parse_size, parse_time
from qhub_ext.display.tables import Table, Text
from qhub_ext.display.words import moment, size, state_words
from qhub_ext.errors import InvalidOptionError, UserError
from qhub_ext.job.identity import short_id
from qhub_ext.jobfolder.outcome import require_own
from qhub_ext.jobfolder.runtime import read_runtime
from qhub_ext.verbs.group import facts_verb, one_job, verbs
from qhub_ext.verbs.surface import EXIT_JOB_FAILED, Surface

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
    runtime = read_runtime(folder.runtime) or {}

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


@verbs.command("prune")
@click.option("--older-than", metavar="TIME", help="Jobs that ended before so long, such as 90d.")
@click.option("--keep", metavar="SIZE", help="The oldest others, until the shelf takes no more than this, such as 20G.")
@click.option(
    "--to",
    "archive",
    type=click.Path(file_okay=False, path_type=Path),
    help="Move them into this folder, where they are found as before.",
)
@click.option("--yes", is_flag=True, help="Do it; without this it only lists what would go.")
@facts_verb
def prune_verb(
    surface: Surface, older_than: str | None, keep: str | None, archive: Path | None, yes: bool
) -> Table | Text:
    """Removes or moves jobs that have ended, by age and by size. Lists them first: nothing goes without --yes."""
    from qhub_ext.service.pruning import choose, move, remove

    if older_than is None and keep is None:
        raise InvalidOptionError(
            "`prune` needs to know which: nothing was removed.", advice="Say --older-than 90d, --keep 20G, or both."
        )
    now = time.time()
    age = None if older_than is None else float(parse_time(older_than, "--older-than", years=100))
    most = None if keep is None else parse_size(keep, "--keep")
    shelf = surface.service.shelf
    if yes:
        surface.service.tidy()
    chosen, total = choose(shelf, now, older_than_s=age, keep_bytes=most)
    freed = sum(one.size for one in chosen)
    them = f"{len(chosen)} job{'s' if len(chosen) > 1 else ''}, {size(freed)}"
    facts = {
        "done": yes, "to": None if archive is None else str(archive.absolute()), "bytes": freed, "shelf_bytes": total or None,
        "jobs": [{"id": one.job.id, "name": one.job.name, "bytes": one.size, "why": one.why} for one in chosen],
    }  # fmt: skip
    if not chosen:
        return Text("No job has to go.", facts)
    if not yes:
        rows = [
            (short_id(o.job.id), o.job.name, state_words(o.job.state), moment(o.job.ended_at, now), size(o.size), o.why)
            for o in chosen
        ]
        what = "removed for good" if archive is None else f"moved to {archive}"
        footer = f"{them}: --yes has {'them' if len(chosen) > 1 else 'it'} {what}."
        return Table(
            ("job", "name", "state", "ended", "size", "because of"),
            rows,
            facts=facts,
            footer=footer,
            widths={"name": 32},
        )
    if archive is None:
        remove(shelf, chosen)
        return Text(f"Removed {them}.", facts)
    move(shelf, chosen, archive)
    return Text(
        f"Moved {them}, to {archive}; `job` and the other verbs find {'them' if len(chosen) > 1 else 'it'} there.",
        facts,
    )


@verbs.command("archives")
@click.argument("folders", nargs=-1, type=click.Path(file_okay=False, path_type=Path))
@click.option("--forget", is_flag=True, help="Look into these no longer; nothing in them is touched.")
@facts_verb
def archives_verb(surface: Surface, folders: tuple[Path, ...], forget: bool) -> Table:
    """Where jobs were moved to. With FOLDER: look there as well, such as after an archive was moved itself."""
    from qhub_ext.jobfolder.archives import add_archive, forget_archive, read_archives
    from qhub_ext.jobfolder.shelf import Shelf

    shelf = surface.service.shelf.path
    for folder in folders:
        if forget:
            if not forget_archive(shelf, folder.absolute()):
                raise InvalidOptionError(
                    f"{folder.absolute()} is no archive of this shelf.", advice="`archives` lists them."
                )
        elif not folder.is_dir():
            raise InvalidOptionError(f"There is no folder {folder}.", advice="Name one that holds job folders.")
        else:
            add_archive(shelf, folder.absolute())
    known = [(one, len(Shelf(one).ids()) if one.is_dir() else None) for one in read_archives(shelf)]
    rows = [(str(one), "not there now" if count is None else str(count)) for one, count in known]
    return Table(
        ("archive", "jobs"),
        rows,
        facts=[{"folder": str(o), "jobs": n} for o, n in known],
        empty="No job was moved into an archive.",
    )


@verbs.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-t", "--tier", "tiers", default="local", show_default=True, metavar="TIER[,TIER]", help="Where it runs.")
@click.option("--update", is_flag=True, help="Put what the runs give into the baseline instead.")
@click.option(
    "--runs",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="How often; 3 runs tell how a number scatters.",
)
@facts_verb
def check_verb(surface: Surface, file: Path, tiers: str, update: bool, runs: int) -> Table:
    """Runs a script or notebook that says what it expects, and holds it against its baseline; the exit code is 1 where it deviates.

    A line `# expect: NAME`, `# expect: NAME ± 0.01` or `# expect: time` says what; in a notebook a tag `expect:NAME` does as well.
    """
    from qhub_ext.checks import check_file

    found = check_file(surface.service, file, tiers.split(","), update=update, runs=runs)
    if not all(one.passed for one in found):
        surface.exit_code = EXIT_JOB_FAILED
    words = {True: "✓ ok", False: "✗ deviates", None: "? unknown"}
    rows = [(one.tier, one.name, words[one.passed], one.said) for one in found]
    return Table(("tier", "expected", "", "how"), rows, facts=[vars(one) for one in found], widths={"how": 100})
