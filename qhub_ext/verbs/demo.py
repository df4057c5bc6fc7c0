"""`qhub demo VERB`: things made to happen, to be looked at."""

from __future__ import annotations

from pathlib import Path

import click

from qhub_ext.display.pages import write_figure
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.job.identity import short_id
from qhub_ext.verbs.group import facts_verb, verbs
from qhub_ext.verbs.surface import Surface


@verbs.group("demo")
def demo() -> None:
    """Things made to happen on this computer, to be looked at."""


@demo.command("faults")
@facts_verb
def faults(surface: Surface) -> Page:
    """Ten faults on the embedded site and a virtual QPU: what each was, what is said of it, and where that is seen. About a minute."""
    from qhub_ext.service.faults import run_faults

    shown = run_faults(surface.service.settings, lambda text: click.echo(text, err=True))
    rows = []
    facts = []
    for one in shown:
        clue = one.why.findings[0].clues[0] if one.why.findings and one.why.findings[0].clues else None
        rows.append(
            (
                short_id(one.job.id),
                one.fault.name,
                one.why.cause or "-",
                one.why.audience,
                f"{clue.where}: {clue.text}"[:120] if clue else "-",
            )
        )
        facts.append(one.why.to_json() | {"job": one.job.id, "fault": one.fault.name})
    table = Table(("job", "fault", "cause", "whose move", "seen"), tuple(rows), facts)
    return Page([table, Text("`qhub explain JOB` says more of each; the jobs stay in your list.", None)], facts)


@demo.command("broker")
@click.option("--device", default="kingston", show_default=True, help="Whose virtual QPU it runs on.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture (HTML) here as well.")
@facts_verb
def broker(surface: Surface, device: str, figure: Path | None) -> Text:  # noqa: ARG001 - as every verb
    """Two users and three profiles at a virtual QPU: who has the device when, and that nobody loses a shot. Half a minute."""
    from qhub_ext.broker import demo as play
    from qhub_ext.tiers import catalog

    shown = play.run_demo(catalog.resolve(device), lambda text: click.echo(text, err=True))
    if figure is not None:
        write_figure(figure, play.figure(shown))
    facts = [
        {"name": s.name, "profile": s.profile, "shots": s.row.shots, "done": s.row.done, "slices": len(s.slices)}
        for s in shown
    ]
    return Text(play.timeline(shown), facts)
