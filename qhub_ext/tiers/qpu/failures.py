"""What the errors of QRMI and of the services behind it mean: cause, whose move it is, and whether a task may exist.

QRMI's contract: after `task_start` a plain QrmiError says that the task may exist; each of its subclasses, that none was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import Audience, Cause, DeviceError, UncertainTaskError

if TYPE_CHECKING:
    from qhub_ext.tiers.qpu.resources import Resource

NOT_SENT_AGAIN = (
    "It was not sent again: `qhub explain JOB` asks what became of it. Look before you submit the job once more."
)

_CALLS = {
    "task_start": "the start of a task",
    "task_status": "a question about a task",
    "task_result": "a question for a result",
    "task_logs": "a question for a task's log",
    "task_stop": "the stop of a task",
    "target": "a question for its target",
    "status": "a question for its state",
}
"""Calls of QRMI in words."""

# class of qrmi -> (cause, sentence, advice)
_KNOWN = {
    "AuthenticationFailedError": (
        Cause.INTEGRATION,
        "does not accept the credentials",
        "The site's credentials for it are wrong or have ended: ask the operator.",
    ),
    "ResourceNotFoundError": (
        Cause.INTEGRATION,
        "is not known to its service",
        "Is its name right in the site's list?",
    ),
    "TaskNotFoundError": (Cause.DEVICE, "does not know the task any more", "Results are kept for a limited time only."),
    "InvalidInputError": (Cause.CODE, "does not accept the task", "Its words above say what it did not like."),
    "UnsupportedPayloadError": (
        Cause.CODE,
        "does not take this kind of task",
        "`qhub devices` shows what each device takes.",
    ),
    "UnsupportedFunctionError": (Cause.INTEGRATION, "does not offer this", ""),
    "ConfigError": (Cause.INTEGRATION, "is configured wrongly", "Compare its entry with the documentation of QRMI."),
    "EnvVarNotSetError": (Cause.INTEGRATION, "lacks a variable in its configuration", "Ask the operator to add it."),
    **dict.fromkeys(
        ("ConnectionError", "gaierror", "TimeoutError"),
        (
            Cause.INTEGRATION,
            "cannot be reached",
            "Is its endpoint right in the site's configuration, and its service up? Nothing was sent.",
        ),
    ),
    "ModuleNotFoundError": (Cause.ENVIRONMENT, "cannot be reached without the package qrmi", "pip install qrmi"),
    "ImportError": (
        Cause.ENVIRONMENT,
        "cannot be reached: the package qrmi does not load",
        "Install it anew: pip install qrmi",
    ),
}

# (pattern in a plain QrmiError, cause, sentence, advice, whether trying again can help)
_WORDS: tuple[tuple[str, Cause, str, str, bool], ...] = (
    (r"\b401\b|[Uu]nauthorized", Cause.INTEGRATION, *_KNOWN["AuthenticationFailedError"][1:], False),
    (
        r"\b403\b|[Ff]orbidden|access denied",
        Cause.QUEUE_POLICY,
        "is not open to you",
        "Ask the operator for access to it.",
        False,
    ),
    (r"\b409\b|[Cc]onflict", Cause.INTEGRATION, "refuses the request in its present state", "Try again later.", True),
    (
        r"\b429\b|[Tt]oo [Mm]any",
        Cause.QUEUE_POLICY,
        "has had too many requests",
        "Try again later, with fewer tasks.",
        True,
    ),
    (r"\b503\b|[Uu]navailable|maintenance", Cause.DEVICE, "is not available at the moment", "Try again later.", True),
    (
        r"\b5\d\d\b",
        Cause.DEVICE,
        "has failed inside its own service",
        "Try again later; if it stays so, tell the operator.",
        True,
    ),
    (
        r"error decoding response body|error reading a body",
        Cause.INTEGRATION,
        "broke off in the middle of an answer, or answered what cannot be read",
        "Try again later; if it stays so, tell the operator.",
        True,
    ),
    (
        r"[Cc]onnection refused|error sending request|dns error|[Cc]onnect",
        Cause.INTEGRATION,
        "cannot be reached",
        "Is its endpoint right in the site's configuration, and its service up?",
        True,
    ),
)


_READ, _SHOWN = 100_000, 400
"""Letters of an error that are looked at, and that are told: a body that is cut cannot be read."""


class HelperLostError(DeviceError):
    """No answer came from the helper, and its process was ended. `call` is the one that stayed without."""

    transient = True

    def __init__(self, call: str, resource: Resource, why: str) -> None:
        super().__init__(
            f"{resource.title} did not answer to {_CALLS.get(call, call)}: {why}.",
            advice="Try again later; if it stays so, tell the operator.",
            cause=Cause.INTEGRATION,
        )
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return (DeviceError, (self.message,))


def failure(call: str, resource: Resource, error: Mapping[str, Any]) -> DeviceError:
    """The error of a call in our words; its own words are kept at the end."""
    name, whole = str(error.get("type", "")), " ".join(str(error.get("message", ""))[:_READ].split())
    message = whole[:_SHOWN]
    plain = name in ("QrmiError", "PanicException")
    if name == "TaskNotFoundError" and not call.startswith("task_"):  # a service's 404 to a question about a device
        error = {**error, "known": ["ResourceNotFoundError"]}
    if plain and re.search(r"\b404\b", message):  # of types whose client does not say what it is that was not found
        asked_of_a_task = call.startswith("task_") and call != "task_start"
        error = {**error, "known": ["TaskNotFoundError" if asked_of_a_task else "ResourceNotFoundError"]}
    found = next(
        ((*_KNOWN[known], False) for known in error.get("known", (name,)) if known in _KNOWN),
        next((row[1:] for row in _WORDS if plain and re.search(row[0], message)), None),
    )
    cause, sentence, advice, transient = found or (
        Cause.UNKNOWN,
        f"answered to {_CALLS.get(call, call)} with an error",
        "",
        False,
    )
    told = f"{resource.title} {sentence}: {_readable(whole)[:_SHOWN] or name}"
    kind = DeviceError
    if call == "task_start" and plain and not _surely_refused(message):
        kind, advice = UncertainTaskError, NOT_SENT_AGAIN
    made = kind(told.rstrip(".") + ".", advice=advice, cause=cause)
    made.transient = transient
    if cause is Cause.CODE:
        made.audience = Audience.YOU
    return made


def _readable(message: str) -> str:
    """A service's JSON in its own words: of `response body: 403 Forbidden {"errors": [{"message": "no"}]}` is left `403 Forbidden: no`."""
    head, brace, body = message.removeprefix("response body: ").partition("{")
    try:
        record = json.loads(brace + body)
        several = record.get("errors") or [record]
        words = "; ".join(str(one["message"]) for one in several)
    except (ValueError, KeyError, TypeError, AttributeError):
        return message
    return f"{head.strip().rstrip(':')}: {words}" if head.strip() else words


def _surely_refused(message: str) -> bool:
    """A service that answered 4xx, or that no connection was made to, has made no task."""
    return re.search(r"\b4\d\d\b|[Cc]onnection refused|dns error", message) is not None
