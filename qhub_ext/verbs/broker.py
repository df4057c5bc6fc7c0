"""`qhub broker VERB`: what waits at the broker and why, for users; drain, windows, usage and audit, for operators."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
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

MOST, LAST, LONGEST_S = 1e12, 1e11, 31 * 86400.0
"""What a broker takes: as a limit, as a moment (s since 1970 UTC), and as the length of a window."""


def _socket(surface: Surface) -> Place:
    settings = surface.service.settings.broker
    return settings.place or settings.directory / "broker.sock"


@verbs.group("broker")
def broker() -> None:
    """The second-level scheduler: whose quantum task runs next on a device."""


@broker.command("status")
@facts_verb
def status(surface: Surface) -> Page:
    """Devices of the broker, and the tasks that wait there, in the order in which they would run now."""
    facts = ask_broker(_socket(surface), "GET", "/v1/status")
    tasks = ask_broker(_socket(surface), "GET", "/v1/tasks?everybody=true&limit=50")
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
    return tasks_table(ask_broker(_socket(surface), "GET", f"/v1/tasks{query}"))


@broker.command("cancel")
@click.argument("task")
@facts_verb
def cancel(surface: Surface, task: str) -> Text:
    """Cancels one task; on the device it is stopped there."""
    found = ask_broker(_socket(surface), "POST", f"/v1/tasks/{_segment(task)}/cancel")
    return Text(f"The task {found['id']} is cancelled; {found['done']} of {found['of']} were done.", found)


@broker.command("drain")
@click.argument("device")
@click.option("--note", default="", help="Why; users see it.")
@facts_verb
def drain(surface: Surface, device: str, note: str) -> Text:
    """Starts nothing new on a device; what runs ends (operators)."""
    found = ask_broker(_socket(surface), "POST", f"/v1/devices/{_segment(device)}/drain", {"note": note})
    return Text(f"{device} starts nothing new. `qhub broker resume {device}` ends that.", found)


@broker.command("resume")
@click.argument("device")
@facts_verb
def resume(surface: Surface, device: str) -> Text:
    """Takes a drained device into use again (operators)."""
    return Text(f"{device} is in use.", ask_broker(_socket(surface), "POST", f"/v1/devices/{_segment(device)}/resume"))


@broker.command("window")
@click.option("--start", help="Begin, ISO 8601 (UTC where it says no zone), or +30m from now.")
@click.option("--length", help="How long, such as 45m.")
@click.option("--rule", help="iCalendar RRULE in UTC, such as FREQ=HOURLY;INTERVAL=12; default: once.")
@click.option("--device", help="Default: all devices.")
@click.option("--note", help="What for; users see it.")
@click.option("--remove", type=int, help="Number of a window to remove.")
@facts_verb
def window(surface: Surface, start: str | None, length: str | None, rule: str | None, device: str | None, note: str | None, remove: int | None) -> Any:  # fmt: skip
    """Calibration windows: lists them; with --start and --length adds one, with --remove removes one (operators)."""
    path = _socket(surface)
    if remove is not None:
        ask_broker(path, "DELETE", f"/v1/windows/{remove}")
    elif any(one is not None for one in (start, length, rule, device, note)):
        if not (start and length):
            raise InvalidOptionError(
                "A window needs --start and --length.", advice="For example --start +30m --length 1h."
            )
        body = {"start": _begin(start), "length_s": _length(length), "rule": rule or "", "device": device or "", "note": note or ""}  # fmt: skip
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


@broker.command("limits", context_settings={"ignore_unknown_options": True})  # -5 is a value, and refused as one
@click.argument("scope", required=False, type=click.Choice(["profile", "user", "account"]))
@click.argument("name", required=False)
@click.argument("what", required=False)
@click.argument("value", required=False)
@facts_verb
def limits(surface: Surface, scope: str | None, name: str | None, what: str | None, value: str | None) -> Table:
    """What profiles, users and accounts may use; with all four words sets one (operators): `limits user alice user_day_s 600`.

    VALUE is a number, `none` for no limit, or `default` for what the settings say. A word for a user counts before that for an account, and that before the
    profile's. `share` weighs a user in the fair share (1 where nothing is set); an account with a share counts as so many users, and its users share it.
    """
    path = _socket(surface)
    if value is not None:
        target = f"/v1/limits/{_segment(scope or '')}/{_segment(name or '')}/{_segment(what or '')}"
        if value == "default":
            ask_broker(path, "DELETE", target)
        else:
            ask_broker(path, "PUT", target, {"value": None if value == "none" else _number(value)})
    elif what is not None:
        raise InvalidOptionError("A limit needs a value.", advice=f"qhub broker limits {scope} {name} {what} 600")
    found = ask_broker(path, "GET", "/v1/limits")
    shown = [one for one in found["limits"] if scope in (None, one["scope"]) and name in (None, one["name"])]
    rows = [
        (one["scope"], one["name"], one["what"], "none" if one["value"] is None else f"{one['value']:g}", "an operator" if one["set"] else "settings")
        for one in shown
    ]  # fmt: skip
    return Table(("of", "name", "limit", "value", "set by"), rows, facts=found, empty="No limit is set.")


@broker.command("priority", context_settings={"ignore_unknown_options": True})  # -5 is a priority
@click.argument("task")
@click.argument("priority", type=click.IntRange(-10, 10))
@facts_verb
def priority(surface: Surface, task: str, priority: int) -> Text:
    """Moves a task up (to 10) or down (to -10) within its profile; a higher profile still goes first (operators)."""
    found = ask_broker(_socket(surface), "PUT", f"/v1/tasks/{_segment(task)}/priority", {"priority": priority})
    return Text(f"The task {found['id']} has priority {found['priority']} among those of {found['profile']}.", found)


@broker.command("lease")
@click.argument("device", required=False)
@click.option("--for", "length", help="How long, such as 10m; the profile says how long at most.")
@click.option("--profile", default="", help="Profile of the session, where the site gives none.")
@click.option("--end", is_flag=True, help="Give the device back (yours, or anybody's for operators).")
@facts_verb
def lease(surface: Surface, device: str | None, length: str | None, profile: str, end: bool) -> Table:
    """Who has a device alone; with --for takes it for the session of this job, with --end gives it back."""
    path = _socket(surface)
    if device is not None and end:
        ask_broker(path, "DELETE", f"/v1/devices/{_segment(device)}/lease")
    elif device is not None and length:
        body = {"session": job_session(path, profile)["id"], "length_s": float(parse_time(length, "--for"))}
        ask_broker(path, "POST", f"/v1/devices/{_segment(device)}/lease", body)
    elif end or length:
        raise InvalidOptionError("Name the device.", advice="qhub broker lease kingston --for 10m")
    found, now = ask_broker(path, "GET", "/v1/leases"), time.time()
    rows = [(one["device"], one["user"], one["profile"], moment(one["until"], now), duration(one["until"] - now)) for one in found["leases"]]  # fmt: skip
    return Table(("device", "who", "profile", "until", "left"), rows, facts=found, empty="Nobody has a device alone.")


@broker.command("token")
@click.argument("user")
@click.option("--revoke", is_flag=True, help="Withdraw the token of this user instead.")
@facts_verb
def token(surface: Surface, user: str, revoke: bool) -> Text:
    """Makes a token for a user who comes over TCP where there is no MUNGE (operators): `[broker] token_file` names the file with it."""
    if revoke:
        ask_broker(_socket(surface), "DELETE", f"/v1/tokens/{_segment(user)}")
        return Text(f"The token of {user} is withdrawn.", {"user": user})
    found = ask_broker(_socket(surface), "POST", "/v1/tokens", {"user": user})
    return Text(f"{found['token']}\nShown this once: {user} keeps it in a file of mode 0600 that `token_file` under [broker] names.", found)  # fmt: skip


@broker.command("usage")
@click.option("--days", type=Amount(0, 3650, min_open=True), default=1.0, show_default=True, help="How far back.")
@click.option("--by", type=click.Choice(BROKER_KEYS), help="Add up by this alone; default: every combination.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture (HTML) here as well.")
@facts_verb
def usage(surface: Surface, days: float, by: str | None, figure: Path | None) -> Table:
    """Seconds of QPU by user, account, profile, device and job."""
    found = ask_broker(_socket(surface), "GET", f"/v1/usage?days={days}")
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


@broker.command("audit")
@facts_verb
def audit(surface: Surface) -> Table:
    """Who ordered what (operators)."""
    found = ask_broker(_socket(surface), "GET", "/v1/audit")
    rows = [(moment(a["at"]), a["who"], a["verb"], a["what"]) for a in found["audit"]]
    return Table(("at", "who", "verb", "what"), rows, facts=found, empty="Nobody ordered anything yet.")


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


def _segment(text: str) -> str:
    """A name as a part of a path."""
    if not text.strip() or "/" in text:
        raise InvalidOptionError(f"{text!r} is no name.", advice="`qhub broker status` and `qhub broker tasks --json` show those that there are.")  # fmt: skip
    return quote(text, safe="")


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= MOST:
        raise InvalidOptionError(f"{text!r} is no limit.", advice=f"Give a number from 0 to {MOST:.0e}, `none` or `default`.")  # fmt: skip
    return found


def _begin(text: str) -> float:
    if text.startswith("+"):
        return time.time() + parse_time(text[1:], "--start")
    try:
        found = datetime.fromisoformat(text)
        moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        moment = math.nan
    if not 0 <= moment <= LAST:
        raise InvalidOptionError(f"--start {text!r} is no moment.", advice="For example 2026-12-01T03:00 or +30m.")
    return moment


def _length(text: str) -> float:
    found = float(parse_time(text, "--length"))
    if found > LONGEST_S:
        raise InvalidOptionError(f"--length {text} is more than 31 days.", advice="`qhub broker drain` keeps a device for as long as you want.")  # fmt: skip
    return found
