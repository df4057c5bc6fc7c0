"""What the last words of a script say of its end, where it left no outcome: the same on every site. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from qhub_ext.errors import Cause
from qhub_ext.job.shortage import find_shortage


class Exit(NamedTuple):
    """`because` ends the sentence about the exit, and begins with a colon or is empty."""

    cause: Cause
    because: str
    advice: str


def read_exit(last_words: str, *, code: int = 0, advice: str) -> Exit:
    """`code` is 0 for one that a signal ended; `advice` is what to try where nothing better is known."""
    shortage = find_shortage(last_words)
    if shortage is not None:
        return Exit(Cause.RESOURCES, f": {shortage.told}", shortage.advice)
    if re.search(r"No module named '?(qhub_ext|ipykernel)", last_words):
        advice = "qhub_ext must be installed in the Python that runs the job; `runtimes` of qhub.toml names it."
    absent = code in (126, 127) or "No module named" in last_words
    return Exit(Cause.ENVIRONMENT if absent else Cause.UNKNOWN, "", advice)
