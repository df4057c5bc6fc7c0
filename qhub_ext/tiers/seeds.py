"""A seed for each circuit of a task: the same circuit gets the same one at any place in any batch, and no two share shots.

Aer draws shot i of a statevector run from seed + i, and gives circuit k of a batch seed + 2113 k: neighbouring seeds repeat shots.
Hashing spaces them over 63 bits.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
from collections import Counter

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.context import ExecutionContext

LARGEST = 2**63 - 1


def check_seed(seed: object) -> int | None:
    """A seed as the user gave it. 0 is a seed like any other. Raises InvalidOptionError."""
    if seed is None:
        return None
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise InvalidOptionError(
            f"A seed of {seed!r} is not accepted.", advice=f"Give a whole number from 0 to {LARGEST}."
        )
    value = int(seed.__index__())
    if not 0 <= value <= LARGEST:
        raise InvalidOptionError(
            f"A seed of {value} is not accepted.", advice=f"Give a whole number from 0 to {LARGEST}."
        )
    return value


def fresh_seed() -> int:
    return secrets.randbelow(LARGEST)


_tasks = itertools.count()


def task_seed(context: ExecutionContext) -> int:
    """Of a task that names none: the next one that follows from the job's own, so that a rerun has the same. Else a fresh one."""
    if context.drawn_seed is None or os.getpid() != context.pid:
        return fresh_seed()
    return derive_seed(context.drawn_seed, b"task", next(_tasks).to_bytes(8, "little"))


def derive_seed(seed: int, *content: bytes) -> int:
    """Another seed, fixed by `seed` and the content, and unrelated to those of other contents."""
    digest = hashlib.blake2b(seed.to_bytes(8, "little"), digest_size=8)
    for part in content:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return int.from_bytes(digest.digest(), "little") & LARGEST


class SeedSequence:
    """The seeds of one task. What was seen before in the task is another experiment, not a copy: it gets the next seed."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._seen: Counter[tuple[bytes, ...]] = Counter()

    def next(self, *content: bytes) -> int:
        occurrence = self._seen[content]
        self._seen[content] += 1
        return derive_seed(self.root, *content, occurrence.to_bytes(4, "little"))
