"""`qhub site check`: small jobs through everything that the configured site allows, and a report that its operator can sign."""

from __future__ import annotations

from pathlib import Path

import click

from qhub_ext.capture.quantity import parse_time
from qhub_ext.display.tables import Page, Text
from qhub_ext.errors import UserError
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.verbs.group import verbs
from qhub_ext.verbs.surface import EXIT_INTERRUPTED, EXIT_JOB_FAILED, Surface


@verbs.group("site")
def site() -> None:
    """The site scheduler that jobs go to."""


@site.command("check")
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to be signed here."
)
@click.option(
    "--json",
    "data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write its facts here; `sha256sum` is in the HTML.",
)
@click.option(
    "--skip",
    multiple=True,
    metavar="CHECK",
    help="Leave a check out (repeatable), such as `qpu` where a device's time is dear.",
)
@click.option(
    "--within", default="30m", show_default=True, help="How long jobs may take together before they are cancelled."
)
@click.pass_obj
def check(surface: Surface, page: Path | None, data: Path | None, skip: tuple[str, ...], within: str) -> Page:
    """Runs small jobs through every tier, profile and fault that this site allows, and says of each what was expected and what came.

    The exit code is 0 only where nothing failed; what the site does not allow is no failure. On a real device the tier qpu costs its time for
    200 shots. The jobs stay in your list, as `site check: ...`. After Ctrl-C their jobs are cancelled, and the report has what was found until then.
    """
    from qhub_ext.acceptance.carry_out import check_site
    from qhub_ext.acceptance.page import report_page

    for path in (page, data):
        if path is not None and not path.absolute().parent.is_dir():
            raise UserError(f"There is no folder {path.absolute().parent} to write {path.name} to.")
    report = check_site(
        surface.service,
        skip=skip,
        within_s=float(parse_time(within, "--within")),
        tell=lambda text: click.echo(text, err=True),
    )
    written = []
    for path, contents in ((page, report_page(report).encode("utf-8", "replace")), (data, report.to_bytes())):
        if path is not None:
            try:
                write_beside(path.absolute(), contents)
            except OSError as error:
                raise UserError(f"{path} cannot be written: {error.strerror}.") from error
            written.append(f"Wrote {path}.")
    if not report.passed:
        surface.exit_code = EXIT_INTERRUPTED if report.interrupted else EXIT_JOB_FAILED
    return Page(
        [
            report.to_table(),
            Text("\n".join([report.sentence, *written, f"SHA-256 of the JSON report: {report.checksum}"])),
        ],
        report.to_json(),
    )
