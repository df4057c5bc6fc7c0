"""Waiting for a state, with a deadline: no test sleeps for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T], *, within_s: float = 120.0, what: str = "the condition", every_s: float = 0.01
) -> T:
    """The first true answer of `predicate`; fails when none came `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {within_s:g} s")
        time.sleep(every_s)
