"""A refusal is told to the caller at the caller's own line: the frames in between say nothing to a user."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from qhub_ext.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")


def told_to_the_caller(method: Callable[P, R]) -> Callable[P, R]:
    """Shortens the traceback of a UserError; a bug of ours still shows everything."""

    @functools.wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except UserError as error:
            raise error.with_traceback(None) from None

    return run
