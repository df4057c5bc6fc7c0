"""Errors as HTTP, in this one place: which status, and the body that every error has.

| status | when |
|---|---|
| 400 | the request: an option, a value, a cell that cannot travel |
| 403 | the server's Authorizer says no, or nobody is logged in |
| 404 | no such job, device or page; a job folder that is gone or closed |
| 409 | the state of the job or of its folder does not allow it, or a repeat with another body |
| 502 | the site scheduler or a device said no |
| 503 | the site cannot be reached; `known_at` says when it last answered |
| 500 | everything else: ours |
"""

from __future__ import annotations

import json
import math
from http.client import responses
from typing import Any

from tornado.web import HTTPError

from qhub_ext.errors import (
    Audience,
    Cause,
    DeviceError,
    JobFailedError,
    JobFolderError,
    QhubError,
    SiteError,
    SiteUnreachableError,
    UnknownNameError,
    UnreadableJobError,
    UserError,
)


class ConflictError(QhubError):
    """The job is not in a state for this, or the same key came with another request. `facts` go into the body."""

    cause = Cause.USER
    audience = Audience.YOU

    def __init__(self, message: str, *, advice: str = "", where: str = "", facts: dict[str, Any] | None = None) -> None:
        super().__init__(message, advice=advice, where=where)
        self.facts = facts or {}


class UnreachableNowError(SiteUnreachableError):
    """With what is known nevertheless, in `facts`."""

    def __init__(self, error: SiteUnreachableError, facts: dict[str, Any]) -> None:
        super().__init__(error.message, advice=error.advice, where=error.where)
        self.known_at, self.facts = error.known_at, facts


# the first that fits
_STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (ConflictError, 409),
    (JobFailedError, 409),
    (UnknownNameError, 404),
    (UnreadableJobError, 404),
    (JobFolderError, 409),
    (UserError, 400),
    (SiteUnreachableError, 503),
    (SiteError, 502),
    (DeviceError, 502),
)


def status_of(error: BaseException) -> int:
    if isinstance(error, HTTPError):
        return error.status_code
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def body_of(error: BaseException) -> dict[str, Any]:
    if isinstance(error, QhubError):
        body: dict[str, Any] = {
            "message": error.message,
            "advice": error.advice,
            "cause": error.cause.value,
            "audience": who(error.audience),
            "where": error.where,
            "transient": error.transient,
        }
        if isinstance(error, SiteUnreachableError):
            body["known_at"] = error.known_at
        return body | getattr(error, "facts", {})
    if isinstance(error, HTTPError):
        return said(error.log_message or _sentence(error.status_code), "you" if error.status_code < 500 else "us")
    return said("The qhub_ext server extension failed; its log has the details.", "us")


def said(message: str, audience: str, cause: str = "") -> dict[str, Any]:
    cause = cause or ("user" if audience == "you" else "integration")
    return {"message": message, "advice": "", "cause": cause, "audience": audience, "where": "", "transient": False}


def who(audience: str) -> str:
    """`us` is shorter than the name of a package, and what a front end can compare."""
    return "us" if audience == Audience.DEVELOPERS else str(audience)


def _sentence(status: int) -> str:
    return f"{responses.get(status, 'Unknown error')}."


def to_bytes(body: Any) -> bytes:
    """JSON that every reader takes: no NaN, and text as it is."""
    try:
        text = json.dumps(body, allow_nan=False, separators=(",", ":"))
    except ValueError:  # a NaN in somebody's data
        text = json.dumps(_without_nan(body), allow_nan=False, separators=(",", ":"))
    return text.encode()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value
