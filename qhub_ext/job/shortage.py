"""How a program that was given too little memory says so with its last words: Python, C++, the loader, the operating system."""

from __future__ import annotations

import re
from typing import NamedTuple

_SIGNS = (
    (
        r"MemoryError|std::bad_alloc|[Cc]annot allocate memory|failed to map segment|[Oo]ut of memory|oom-kill",
        "there was less memory than it needs",
        "Ask for more with --memory; `ulimit -v`, in a prologue or on the node, limits it as well.",
    ),
    # a stack is memory, so that a limit of memory is one of threads too
    (
        r"can't start new thread|Resource temporarily unavailable|pthread_create",
        "the system gave it no more threads, most often for want of memory",
        "Ask for more with --memory; `ulimit -v` and `ulimit -u`, in a prologue or on the node, limit threads as well.",
    ),
)


class Shortage(NamedTuple):
    """`told` continues a sentence that ends with a colon."""

    told: str
    advice: str


def find_shortage(last_words: str) -> Shortage | None:
    return next((Shortage(told, advice) for sign, told, advice in _SIGNS if re.search(sign, last_words)), None)
