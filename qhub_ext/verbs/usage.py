"""Seconds of QPU that jobs used."""

from __future__ import annotations

import time
from pathlib import Path

import click

from qhub_ext.display.tables import Table
from qhub_ext.verbs.group import facts_verb, verbs
from qhub_ext.verbs.surface import Surface

USAGE_KEYS = ("device", "job", "profile", "user", "account", "day", "site")


@verbs.command("usage")
@click.option("--by", type=click.Choice(USAGE_KEYS), default="device", show_default=True, help="What is added up.")
@click.option("--since", default="30d", show_default=True, help="Jobs submitted within this time, such as 7d or 12h.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture (HTML) here as well.")
@facts_verb
def usage_verb(surface: Surface, by: str, since: str, figure: Path | None) -> Table:
    """Seconds of QPU that your jobs used, from their own records; with `--by job --json` also the site's ids of them."""
    from qhub_ext.capture.quantity import parse_time
    from qhub_ext.display.pages import write_figure
    from qhub_ext.display.usage import usage_figure, usage_table
    from qhub_ext.service.usage import summed

    jobs = surface.service.usage(time.time() - parse_time(since, "--since", years=100))
    sums = summed(jobs, by)
    if figure is not None:
        write_figure(figure, usage_figure(by, since, sums))
    return usage_table(by, since, sums, [one.to_json() for one in jobs])
