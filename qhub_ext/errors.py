"""Every error that qhub_ext raises on purpose.

    QhubError                 what happened, whose move it is, what to try
    |- UserError              a slip in a command, an option or a cell: one line, no traceback
    |  |- UnknownNameError    a tier, device, option, verb, job or variable that does not exist
    |  |- InvalidOptionError  a value that is not accepted, with what would be
    |  |- CaptureError        a value of the notebook that cannot travel with the cell
    |  `- PreflightError      a payload that the chosen device or this memory cannot take
    |- SettingsError          a key of qhub.toml or a QHUB_* variable that is not accepted
    |- JobFolderError         a folder that cannot be read or written, or that is not ours
    |  |- UnreadableJobError  a job whose folder is gone, or closed to this user
    |  `- NewerVersionError   a job folder that a newer version of this package wrote
    |- EnvironmentMismatchError  the place of execution cannot load what was captured
    |- SiteError              the site scheduler refused, or could not be reached
    |- DeviceError            a quantum resource or its service refused, failed or could not be reached
    |  `- UncertainTaskError  a task that may exist on the device: it is not sent again
    `- JobFailedError         a job that was waited for did not complete

An error is plain fields, so that it survives a process boundary: `to_json` and `from_json`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from qhub_ext.nearest import NO_WORDS, meant, nearest


class Cause(enum.StrEnum):
    """Why something ended as it did. State says where a job is, cause says why."""

    CODE = "code"
    """The user's own code raised, crashed or exited."""
    ENVIRONMENT = "environment"
    """Python, packages or variables differ from what the cell needs."""
    RESOURCES = "resources"
    """Memory, disk, time or output beyond what the job was given."""
    QUEUE_POLICY = "queue policy"
    """A rule of the site: limits, priorities, preemption, reservations."""
    CALIBRATION = "calibration"
    """The state of the device: dead edges, drift, a calibration window."""
    DEVICE = "device"
    """The device or its control system refused or failed."""
    INTEGRATION = "integration"
    """Something between the parts: file system, network, scheduler, this software."""
    USER = "user"
    """Somebody asked for it, such as a cancellation."""
    UNKNOWN = "unknown"
    """There is no evidence either way."""


class Audience(enum.StrEnum):
    """Whose move it is."""

    YOU = "you"
    SITE = "site"
    DEVICE = "device"
    DEVELOPERS = "qhub_ext developers"


class QhubError(Exception):
    """The root. `message` is fit for the user: what, where, and what would be accepted."""

    cause: Cause = Cause.UNKNOWN
    audience: Audience = Audience.DEVELOPERS
    transient: bool = False

    def __init__(self, message: str, *, advice: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.where = where

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self).__name__, self.message, self.advice, self.where, self.cause.value))

    def to_json(self) -> dict[str, str]:
        return {
            "error": type(self).__name__,
            "message": self.message,
            "advice": self.advice,
            "where": self.where,
            "cause": self.cause.value,
            "audience": self.audience.value,
        }

    @staticmethod
    def from_json(record: dict[str, str]) -> QhubError:
        texts = (record.get(name, "") for name in ("advice", "where", "cause"))
        return _restore(record["error"], record["message"], *texts)


class UserError(QhubError):
    cause = Cause.CODE
    audience = Audience.YOU


class UnknownNameError(UserError):
    """Names what was asked for and what exists, nearest first."""

    @classmethod
    def among(
        cls, kind: str, name: str, known: list[str], *, advice: str = "", words: Mapping[str, str] = NO_WORDS
    ) -> UnknownNameError:
        """`kind` is the word that the sentence uses: tier, device, option, job. `words`, see `nearest`."""
        near = nearest(name, known, words)
        if near:
            hint = meant(near)
        elif known:
            most = len(known) if len(known) <= 40 else 20
            shown = ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")
            hint = f"Known: {shown}."
        else:
            hint = f"There is no other {kind} either."
        return cls(f"There is no {kind} {name!r}.", advice=f"{hint} {advice}".strip())


class InvalidOptionError(UserError):
    pass


class CaptureError(UserError):
    pass


class PreflightError(UserError):
    """`cause` is code unless it is set: memory, a limit of the profile, a gate that is switched off are not."""

    def __init__(self, message: str, *, advice: str = "", where: str = "", cause: Cause | None = None) -> None:
        super().__init__(message, advice=advice, where=where)
        if cause is not None:
            self.cause = cause


class SettingsError(QhubError):
    cause = Cause.ENVIRONMENT
    audience = Audience.YOU


class JobFolderError(QhubError):
    cause = Cause.INTEGRATION
    audience = Audience.YOU


class UnreadableJobError(JobFolderError):
    pass


class NewerVersionError(JobFolderError):
    pass


class EnvironmentMismatchError(QhubError):
    cause = Cause.ENVIRONMENT
    audience = Audience.YOU


class SiteError(QhubError):
    cause = Cause.INTEGRATION
    audience = Audience.SITE


class SiteUnreachableError(SiteError):
    """Nothing is known about the request: ask before sending it again."""

    transient = True
    known_at: float | None = None
    """When the site last answered, in s since 1970 UTC."""


class DeviceError(QhubError):
    """`cause` is device unless it is set: credentials and connections are integration."""

    cause = Cause.DEVICE
    audience = Audience.SITE

    def __init__(self, message: str, *, advice: str = "", where: str = "", cause: Cause | None = None) -> None:
        super().__init__(message, advice=advice, where=where)
        if cause is not None:
            self.cause = cause


class UncertainTaskError(DeviceError):
    """The answer to a start was lost. The task may run, and may cost: a person decides."""

    cause = Cause.INTEGRATION


class JobFailedError(QhubError):
    """Raised by a wait. `message` holds the job's own last words."""

    cause = Cause.UNKNOWN
    audience = Audience.YOU


def _restore(name: str, message: str, advice: str, where: str, cause: str = "") -> QhubError:
    known = {cls.__name__: cls for cls in _tree(QhubError)}
    error = known.get(name, QhubError)(message, advice=advice, where=where)
    if cause and error.cause != cause:
        error.cause = Cause(cause)
    return error


def _tree(root: type[QhubError]) -> list[type[QhubError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]


class QhubWarning(UserWarning):
    """What a user should know and may leave as it is: one line, without the place in our code where it was noticed."""
