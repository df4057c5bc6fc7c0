"""`qhub fleet`: what failed at the site lately, and whether it has a common cause; of one job, whether others meet the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from qhub_ext.capture.quantity import parse_time
from qhub_ext.diagnosis.fleet.viewer import KEYS
from qhub_ext.display.fleet import FleetPage, fleet_plotly
from qhub_ext.display.pages import figure_of, write_figure
from qhub_ext.display.slo import levels_page
from qhub_ext.display.tables import Page, Pictured, Table, Text
from qhub_ext.display.words import duration
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.identity import short_id
from qhub_ext.verbs.group import complete_job, facts_verb, verbs
from qhub_ext.verbs.surface import Surface


@verbs.command("fleet")
@click.argument("job", required=False, metavar="[JOB|slo]", shell_complete=complete_job)
@click.option("--since", default="7d", show_default=True, help="What ended within this time, such as 24h or 30d.")
@click.option(
    "--by",
    type=click.Choice(KEYS),
    default="signature",
    show_default=True,
    help="What is counted; `user` is for operators.",
)
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the picture (HTML) here as well; not of one job.",
)
@facts_verb
def fleet_verb(surface: Surface, job: str | None, since: str, by: str, figure: Path | None) -> Page | Text:
    """What fails at the whole site, and whether it has a common cause; of JOB, whether only you meet what ended it.

    `fleet slo`: waits by profile against their targets, use of devices, time lost by cause.
    """
    from qhub_ext.service.fleet import ask_fleet, ask_levels, ask_of_job

    if figure is not None and job not in (None, "slo"):
        raise InvalidOptionError("--figure is for `fleet` and `fleet slo`.")
    days = float(parse_time(since, "--since")) / 86400
    if job == "slo":
        return _written(levels_page(ask_levels(surface.service, days), since), figure)
    if job is None:
        return _written(fleet_page(ask_fleet(surface.service, days, by), since), figure)
    known = surface.job(job)
    found = ask_of_job(surface.service, known.id, days)
    what = f" ({found['signature']})" if found["signature"] else ""
    return Text(f"Job {short_id(known.id)}{what}: {found['sentence']}", found)


def _written(page: Pictured, figure: Path | None) -> Pictured:
    """The page, with its picture written to `figure` as well."""
    if figure is not None:
        write_figure(figure, figure_of(page.picture))
    return page


def fleet_page(found: dict[str, Any], since: str) -> FleetPage:
    head = (
        f"{found['jobs']:,} attempts of {found['users']:,} user{'' if found['users'] == 1 else 's'} ended in the last {since}, {found['failed']:,} of them badly."
        if not found["alone"]
        else f"{found['jobs']:,} attempts of yours ended in the last {since}, {found['failed']:,} of them badly. "
        "No broker is configured, so nothing is known of others' jobs ([broker] socket in qhub.toml)."
    )
    parts: list[Any] = [Text(head)]
    by = found["by"]
    if by != "signature":
        parts.append(groups_table(found))
    parts += [clusters_table(found), *_sentences(found)]
    rows = found["groups"] if by != "signature" else found["clusters"]
    return FleetPage(parts, found, rows=rows, picture=fleet_plotly(found))


def groups_table(found: dict[str, Any]) -> Table:
    rows = [
        (g["key"], str(g["jobs"]), str(g["failed"]), f"{100 * g['failed'] / g['jobs']:.0f} %", str(g["users"]), duration(g["lost_s"]), duration(g["wait_p50_s"]))
        for g in found["groups"]
    ]  # fmt: skip
    by = found["by"]
    return Table((by, "attempts", "failed", "share", "users", "lost", "median wait"), rows, found["groups"], empty="Nothing ended in that time.", widths={by: 60})  # fmt: skip


def clusters_table(found: dict[str, Any]) -> Table:
    rows = [
        (c["id"], c["signature"] + (" (yours too)" if c["mine"] and not found["alone"] else ""), c["cause"] or "–", str(c["failed"]), str(c["users"]), duration(c["lost_s"]), _WORDS.get(c["kind"], "–"))
        for c in found["clusters"]
    ]  # fmt: skip
    return Table(
        ("id", "failure", "cause", "times", "users", "lost", "verdict"), rows, found["clusters"], title="Like failures", empty="Nothing failed in that time.",
        widths={"failure": 70},
    )  # fmt: skip


_WORDS = {"systemic": "systemic", "one user": "one user's", "spread": "no common cause", "too few": "too few to say"}


def _sentences(found: dict[str, Any]) -> list[Text]:
    told = [f"{c['id']}  {c['sentence']}" for c in found["clusters"] if c["sentence"] and c["kind"] != "too few"]
    return [Text("\n".join(told))] if told else []
