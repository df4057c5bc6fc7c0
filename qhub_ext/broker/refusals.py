"""Why the broker says no, beside the errors that everybody has."""

from __future__ import annotations

from qhub_ext.errors import Audience, Cause, QhubError


class ConflictError(QhubError):
    """The same id for something else, or a verb that does not fit the state."""

    cause = Cause.USER
    audience = Audience.YOU


class NotAllowedError(QhubError):
    """A limit of the profile, or somebody else's."""

    cause = Cause.QUEUE_POLICY
    audience = Audience.YOU


class UnknownCallerError(NotAllowedError):
    """No credential, or one that does not hold."""
