"""Waiting for a state, with a deadline: no test sleeps for a fixed time."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
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


def remove_tree(path: Path) -> None:
    """Of a job that has ended: what writes there last may be a moment behind."""

    def gone() -> bool:
        shutil.rmtree(path, ignore_errors=True)
        return not path.exists()

    wait_until(gone, what=f"the removal of {path}")
