"""A refusal is told to the caller at the caller's own line: the frames in between say nothing to a user."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from qhub_ext.errors import InvalidOptionError, UserError
from qhub_ext.tiers import device_options
from qhub_ext.tiers.options import OPTIONS

P = ParamSpec("P")
R = TypeVar("R")


def refuse_keywords(owner: str, given: Mapping[str, Any], accepted: Sequence[str], hints: Mapping[str, str]) -> None:
    """Raises InvalidOptionError for keywords that a primitive does not have, with what says the same where `hints` knows it."""
    for name in given:
        hint = hints.get(name)
        if hint is None and name in (*OPTIONS, *device_options.names()):
            hint = f"It goes into options={{{name!r}: ...}}."
        if hint is None:
            near = difflib.get_close_matches(name, accepted, n=1, cutoff=0.6)
            hint = (
                f"Did you mean {near[0]}?"
                if near
                else "What belongs to a tier or a device's service goes into options={...}."
            )
        raise InvalidOptionError(f"{owner} takes no {name!r}.", advice=f"{hint} Accepted: {', '.join(accepted)}.")


def told_to_the_caller(method: Callable[P, R]) -> Callable[P, R]:
    """Shortens the traceback of a UserError; a bug of ours still shows everything."""

    @functools.wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except UserError as error:
            raise error.with_traceback(None) from None

    return run
