"""`qhub broker VERB` for operators: what they order of a broker (drain, windows, limits, places, tokens), and the audit of it."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import Any

import click

from qhub_ext.capture.quantity import parse_time
from qhub_ext.display.tables import Table, Text
from qhub_ext.display.words import duration, moment
from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.verbs.broker import broker, place_of, segment
from qhub_ext.verbs.group import facts_verb
from qhub_ext.verbs.surface import Surface

MOST, LAST, LONGEST_S = 1e12, 1e11, 31 * 86400.0
"""What a broker takes: as a limit, as a moment (s since 1970 UTC), and as the length of a window."""


@broker.command("drain")
@click.argument("device")
@click.option("--note", default="", help="Why; users see it.")
@facts_verb
def drain(surface: Surface, device: str, note: str) -> Text:
    """Starts nothing new on a device; what runs ends (operators)."""
    found = ask_broker(place_of(surface), "POST", f"/v1/devices/{segment(device)}/drain", {"note": note})
    return Text(f"{device} starts nothing new. `qhub broker resume {device}` ends that.", found)


@broker.command("resume")
@click.argument("device")
@facts_verb
def resume(surface: Surface, device: str) -> Text:
    """Takes a drained device into use again (operators)."""
    return Text(f"{device} is in use.", ask_broker(place_of(surface), "POST", f"/v1/devices/{segment(device)}/resume"))


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
    path = place_of(surface)
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
    path = place_of(surface)
    if value is not None:
        target = f"/v1/limits/{segment(scope or '')}/{segment(name or '')}/{segment(what or '')}"
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
    found = ask_broker(place_of(surface), "PUT", f"/v1/tasks/{segment(task)}/priority", {"priority": priority})
    return Text(f"The task {found['id']} has priority {found['priority']} among those of {found['profile']}.", found)


@broker.command("token")
@click.argument("user")
@click.option("--revoke", is_flag=True, help="Withdraw the token of this user instead.")
@facts_verb
def token(surface: Surface, user: str, revoke: bool) -> Text:
    """Makes a token for a user who comes over TCP where there is no MUNGE (operators): `[broker] token_file` names the file with it."""
    if revoke:
        ask_broker(place_of(surface), "DELETE", f"/v1/tokens/{segment(user)}")
        return Text(f"The token of {user} is withdrawn.", {"user": user})
    found = ask_broker(place_of(surface), "POST", "/v1/tokens", {"user": user})
    return Text(f"{found['token']}\nShown this once: {user} keeps it in a file of mode 0600 that `token_file` under [broker] names.", found)  # fmt: skip


@broker.command("audit")
@facts_verb
def audit(surface: Surface) -> Table:
    """Who ordered what (operators)."""
    found = ask_broker(place_of(surface), "GET", "/v1/audit")
    rows = [(moment(a["at"]), a["who"], a["verb"], a["what"]) for a in found["audit"]]
    return Table(("at", "who", "verb", "what"), rows, facts=found, empty="Nobody ordered anything yet.")


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
        at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        at = math.nan
    if not 0 <= at <= LAST:
        raise InvalidOptionError(f"--start {text!r} is no moment.", advice="For example 2026-12-01T03:00 or +30m.")
    return at


def _length(text: str) -> float:
    found = float(parse_time(text, "--length"))
    if found > LONGEST_S:
        raise InvalidOptionError(f"--length {text} is more than 31 days.", advice="`qhub broker drain` keeps a device for as long as you want.")  # fmt: skip
    return found
