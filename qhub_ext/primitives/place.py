"""Which context a primitive runs in: the current one, or that of a backend it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.context import ExecutionContext, current
from qhub_ext.primitives.backend import QhubBackend


def check_backend(mode: object, backend: object) -> QhubBackend | None:
    """The backend from a primitive's `mode=` or `backend=`. Raises InvalidOptionError for anybody else's."""
    given = backend if backend is not None else mode
    if given is None or isinstance(given, QhubBackend):
        return given
    raise InvalidOptionError(
        f"This primitive runs on the tiers of qhub_ext and cannot use {type(given).__name__}.",
        advice="Leave it out, pass qhub_ext.backend(), or use the primitives of that backend's own package.",
    )


def context_for(backend: QhubBackend | None) -> ExecutionContext:
    """Read at each call: the tier may be changed between two calls of one primitive."""
    context = current()
    if backend is None:
        return context
    return replace(context, tier=backend.tier, device=backend.device.name)


def split_options(given: Mapping[str, Any] | None, own: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A primitive's own options, and the rest, which are the tier's."""
    given = dict(given or {})
    return {k: given.pop(k) for k in own if k in given}, given
