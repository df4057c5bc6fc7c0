"""`qhub broker VERB`: what waits at the broker and why, for users; drain, windows, usage and audit, for operators."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from qhub_ext import verbs as v
from qhub_ext.capture.quantity import parse_time
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.display.tasks import tasks_table
from qhub_ext.display.words import duration, moment
from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.qpu.brokered import ask_broker


def _socket(surface: v.Surface) -> Path:
    settings = surface.service.settings.broker
    return settings.socket or settings.directory / "broker.sock"


@v.verbs.group("broker")
def broker() -> None:
    """The second-level scheduler: whose quantum task runs next on a device."""


@broker.command("status")
@v.facts_verb
def status(surface: v.Surface) -> Page:
    """Devices of the broker, and the tasks that wait there, in the order in which they would run now."""
    facts = ask_broker(_socket(surface), "GET", "/v1/status")
    tasks = ask_broker(_socket(surface), "GET", "/v1/tasks?everybody=true&limit=50")
    now = time.time()
    devices = Table(
        ("device", "state", "running", "waiting", "next window", "trouble"),
        [
            (
                d["name"] + (" (simulated)" if d.get("virtual") else ""),
                d["state"],
                str(d["running"]),
                str(d["waiting"]),
                moment(d["window"][0], now) if d["window"] else "–",
                d["trouble"],
            )
            for d in facts["devices"]
        ],
        widths={"trouble": 80},
    )
    return Page([devices, tasks_table(tasks)], facts | tasks)


@broker.command("tasks")
@click.option("--all", "everybody", is_flag=True, help="Everybody's, not only yours.")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@v.facts_verb
def tasks(surface: v.Surface, everybody: bool, limit: int) -> Table:
    """Tasks that wait or run, with the reason."""
    query = f"?everybody={str(everybody).lower()}&limit={limit}"
    return tasks_table(ask_broker(_socket(surface), "GET", f"/v1/tasks{query}"))


@broker.command("cancel")
@click.argument("task")
@v.facts_verb
def cancel(surface: v.Surface, task: str) -> Text:
    """Cancels one task; on the device it is stopped there."""
    found = ask_broker(_socket(surface), "POST", f"/v1/tasks/{_segment(task)}/cancel")
    return Text(f"The task {found['id']} is cancelled; {found['done']} of {found['of']} were done.", found)


@broker.command("drain")
@click.argument("device")
@click.option("--note", default="", help="Why; users see it.")
@v.facts_verb
def drain(surface: v.Surface, device: str, note: str) -> Text:
    """Starts nothing new on a device; what runs ends (operators)."""
    found = ask_broker(_socket(surface), "POST", f"/v1/devices/{_segment(device)}/drain", {"note": note})
    return Text(f"{device} starts nothing new. `qhub broker resume {device}` ends that.", found)


@broker.command("resume")
@click.argument("device")
@v.facts_verb
def resume(surface: v.Surface, device: str) -> Text:
    """Takes a drained device into use again (operators)."""
    return Text(f"{device} is in use.", ask_broker(_socket(surface), "POST", f"/v1/devices/{_segment(device)}/resume"))


@broker.command("window")
@click.option("--start", help="Begin, ISO 8601 (UTC where it says no zone), or +30m from now.")
@click.option("--length", help="How long, such as 45m.")
@click.option("--rule", default="", help="iCalendar RRULE, such as FREQ=HOURLY;INTERVAL=12; default: once.")
@click.option("--device", default="", help="Default: all devices.")
@click.option("--note", default="")
@click.option("--remove", type=int, help="Number of a window to remove.")
@v.facts_verb
def window(surface: v.Surface, start: str | None, length: str | None, rule: str, device: str, note: str, remove: int | None) -> Any:  # fmt: skip
    """Calibration windows: lists them; with --start and --length adds one, with --remove removes one (operators)."""
    path = _socket(surface)
    if remove is not None:
        ask_broker(path, "DELETE", f"/v1/windows/{remove}")
    elif start or length:
        if not (start and length):
            raise InvalidOptionError("A window needs --start and --length.")
        body = {"start": _begin(start), "length_s": _seconds(length), "rule": rule, "device": device, "note": note}
        ask_broker(path, "POST", "/v1/windows", body)
    found = ask_broker(path, "GET", "/v1/windows")
    rows = [
        (
            str(w["id"]),
            w["device"] or "all",
            moment(w["start"]),
            duration(w["length_s"]),
            w["rule"] or "once",
            w["note"],
        )
        for w in found["windows"]
    ]
    return Table(("window", "device", "start", "length", "again", "note"), rows, facts=found, empty="No window is set.")


@broker.command("usage")
@click.option("--days", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True)
@v.facts_verb
def usage(surface: v.Surface, days: float) -> Table:
    """Seconds of QPU by user, account, profile, device and job."""
    found = ask_broker(_socket(surface), "GET", f"/v1/usage?days={days}")
    rows = [
        (
            u["user"],
            u["account"],
            u["profile"],
            u["device"],
            u["job"],
            f"{u['qpu_s']:.1f} s",
            str(u["tasks"]),
            str(u["slices"]),
        )
        for u in found["usage"]
    ]
    return Table(
        ("user", "account", "profile", "device", "job", "QPU", "tasks", "slices"),
        rows,
        facts=found,
        empty="Nothing ran in that time.",
    )


@broker.command("audit")
@v.facts_verb
def audit(surface: v.Surface) -> Table:
    """Who ordered what (operators)."""
    found = ask_broker(_socket(surface), "GET", "/v1/audit")
    rows = [(moment(a["at"]), a["who"], a["verb"], a["what"]) for a in found["audit"]]
    return Table(("at", "who", "verb", "what"), rows, facts=found, empty="Nobody ordered anything yet.")


@broker.command("serve")
@click.option("--device", "devices", multiple=True, help="Device to serve (repeatable); default: all named resources.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Folder of its ledger and socket.")
@click.option("--slurm", is_flag=True, help="Sessions are held against the jobs of Slurm.")
@click.pass_obj
def serve(surface: v.Surface, devices: tuple[str, ...], directory: Path | None, slurm: bool) -> None:
    """Serves a broker until it is interrupted. `[broker] socket` in qhub.toml sends the tier qpu through it."""
    from qhub_ext.broker.__main__ import serve as serve_broker

    settings = surface.service.settings
    serve_broker(directory or settings.broker.directory, devices, settings, slurm=slurm)


@broker.command("demo")
@click.option("--device", default="kingston", show_default=True)
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture (HTML) here as well.")
@v.facts_verb
def demo(surface: v.Surface, device: str, figure: Path | None) -> Text:  # noqa: ARG001 - as every verb
    """Two users and three profiles at a virtual QPU: who has the device when, and that nobody loses a shot."""
    from qhub_ext.broker import demo as play
    from qhub_ext.tiers import catalog

    shown = play.run_demo(catalog.resolve(device), lambda text: click.echo(text, err=True))
    if figure is not None:
        figure.write_text(play.figure(shown).to_html(include_plotlyjs=True))
    facts = [
        {"name": s.name, "profile": s.profile, "shots": s.row.shots, "done": s.row.done, "slices": len(s.slices)}
        for s in shown
    ]
    return Text(play.timeline(shown), facts)


def _segment(text: str) -> str:
    return quote(text, safe="")


def _begin(text: str) -> float:
    if text.startswith("+"):
        return time.time() + _seconds(text[1:])
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidOptionError(
            f"--start {text!r} is no moment.", advice="For example 2026-12-01T03:00 or +30m."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _seconds(text: str) -> float:
    return float(parse_time(text, "--length"))
