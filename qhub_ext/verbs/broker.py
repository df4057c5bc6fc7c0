"""`qhub broker VERB`: what waits at a broker and why, what was used, and the broker itself; `broker_orders` has what operators order of it."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import click

from qhub_ext.capture.quantity import parse_time
from qhub_ext.display.outlook import outlook_table
from qhub_ext.display.pages import write_figure
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.display.tasks import tasks_table
from qhub_ext.display.usage import BROKER_KEYS, broker_figure, broker_usage_table
from qhub_ext.display.words import duration, moment
from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.qpu.brokered import Place, ask_broker, job_session
from qhub_ext.verbs.group import Amount, facts_verb, verbs
from qhub_ext.verbs.surface import Surface


def place_of(surface: Surface) -> Place:
    settings = surface.service.settings.broker
    return settings.place or settings.directory / "broker.sock"


def segment(text: str) -> str:
    """A name as a part of a path."""
    if not text.strip() or "/" in text:
        raise InvalidOptionError(f"{text!r} is no name.", advice="`qhub broker status` and `qhub broker tasks --json` show those that there are.")  # fmt: skip
    return quote(text, safe="")


@verbs.group("broker")
def broker() -> None:
    """The second-level scheduler: whose quantum task runs next on a device."""


@broker.command("status")
@facts_verb
def status(surface: Surface) -> Page:
    """Devices of the broker, and the tasks that wait there, in the order in which they would run now."""
    facts = ask_broker(place_of(surface), "GET", "/v1/status")
    tasks = ask_broker(place_of(surface), "GET", "/v1/tasks?everybody=true&limit=50")
    now = time.time()
    devices = Table(
        ("device", "state", "running", "waiting", "next window", "alone", "trouble"),
        [
            (
                d["name"] + (" (simulated)" if d.get("virtual") else ""),
                d["state"],
                str(d["running"]),
                str(d["waiting"]),
                moment(d["window"][0], now) if d["window"] else "–",
                f"{d['lease']['holder']}, {duration(d['lease']['until'] - now)} more" if d.get("lease") else "–",
                d["trouble"] or d.get("drained") or "",
            )
            for d in facts["devices"]
        ],
        widths={"trouble": 80},
    )
    return Page([devices, tasks_table(tasks)], facts | tasks)


@broker.command("tasks")
@click.option("--all", "everybody", is_flag=True, help="Everybody's, not only yours.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")
@facts_verb
def tasks(surface: Surface, everybody: bool, limit: int) -> Table:
    """Tasks that wait or run, with the reason."""
    query = f"?everybody={str(everybody).lower()}&limit={limit}"
    return tasks_table(ask_broker(place_of(surface), "GET", f"/v1/tasks{query}"))


@broker.command("cancel")
@click.argument("task")
@facts_verb
def cancel(surface: Surface, task: str) -> Text:
    """Cancels one task; on the device it is stopped there."""
    found = ask_broker(place_of(surface), "POST", f"/v1/tasks/{segment(task)}/cancel")
    return Text(f"The task {found['id']} is cancelled; {found['done']} of {found['of']} were done.", found)


@broker.command("lease")
@click.argument("device", required=False)
@click.option("--for", "length", help="How long, such as 10m; the profile says how long at most.")
@click.option("--profile", default="", help="Profile of the session, where the site gives none.")
@click.option("--end", is_flag=True, help="Give the device back (yours, or anybody's for operators).")
@facts_verb
def lease(surface: Surface, device: str | None, length: str | None, profile: str, end: bool) -> Table:
    """Who has a device alone; with --for takes it for the session of this job, with --end gives it back."""
    path = place_of(surface)
    if device is not None and end:
        ask_broker(path, "DELETE", f"/v1/devices/{segment(device)}/lease")
    elif device is not None and length:
        body = {"session": job_session(path, profile)["id"], "length_s": float(parse_time(length, "--for"))}
        ask_broker(path, "POST", f"/v1/devices/{segment(device)}/lease", body)
    elif end or length:
        raise InvalidOptionError("Name the device.", advice="qhub broker lease kingston --for 10m")
    found, now = ask_broker(path, "GET", "/v1/leases"), time.time()
    rows = [(one["device"], one["user"], one["profile"], moment(one["until"], now), duration(one["until"] - now)) for one in found["leases"]]  # fmt: skip
    return Table(("device", "who", "profile", "until", "left"), rows, facts=found, empty="Nobody has a device alone.")


@broker.command("usage")
@click.option("--days", type=Amount(0, 3650, min_open=True), default=1.0, show_default=True, help="How far back.")
@click.option("--by", type=click.Choice(BROKER_KEYS), help="Add up by this alone; default: every combination.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture (HTML) here as well.")
@facts_verb
def usage(surface: Surface, days: float, by: str | None, figure: Path | None) -> Table:
    """Seconds of QPU by user, account, profile, device and job."""
    found = ask_broker(place_of(surface), "GET", f"/v1/usage?days={days}")
    if figure is not None:
        write_figure(figure, broker_figure(found["usage"], by or "user", days))
    return broker_usage_table(found, by)


@broker.command("simulate")
@click.option(
    "--users", type=click.IntRange(1), multiple=True, required=True, help="How many users (repeatable: a row each)."
)
@click.option("--tasks", type=Amount(0, min_open=True), default=1.0, show_default=True, help="Tasks per user and day.")
@click.option(
    "--devices", type=click.IntRange(1), help="Default: as many as are in use for three quarters of the time."
)
@click.option(
    "--days", type=Amount(0, min_open=True), default=2.0, show_default=True, help="Days on the virtual clock."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the users' random days.")
@facts_verb
def simulate(
    surface: Surface, users: tuple[int, ...], tasks: float, devices: int | None, days: float, seed: int
) -> Table:
    """How many devices so many users need and how long they would wait, by the policy of this broker's settings on a virtual clock.

    Tasks are as long as those of a public trace of cloud jobs (4 minutes on average, an hour at most), 60 % development, 25 % test and 15 % production; each
    device is calibrated for an hour twice a day, one after another.
    """
    from qhub_ext.broker.capacity import Plan, look_ahead
    from qhub_ext.broker.policy import policy_of

    found = [
        look_ahead(Plan(n, tasks, devices or 0, days, seed), policy_of(surface.service.settings.broker)) for n in users
    ]
    return outlook_table(found)


@broker.command("serve")
@click.option("--device", "devices", multiple=True, help="Device to serve (repeatable); default: all named resources.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Folder of its ledger and socket.")
@click.option(
    "--socket",
    "at",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Its unix socket; default: broker.sock in its folder.",
)
@click.option("--slurm", is_flag=True, help="Sessions are held against the jobs of Slurm.")
@click.pass_obj
def serve(surface: Surface, devices: tuple[str, ...], directory: Path | None, at: Path | None, slurm: bool) -> None:
    """Serves a broker until it is interrupted. `[broker] socket` in qhub.toml sends the tier qpu through it."""
    from qhub_ext.broker.__main__ import serve as serve_broker

    settings = surface.service.settings
    serve_broker(directory or settings.broker.directory, devices, settings, slurm=slurm, at=at)
