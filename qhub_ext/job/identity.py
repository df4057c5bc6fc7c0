"""Job ids: made before submission, sortable by time, short enough to say aloud.

`01kayt4w2-7qm3xd` is a 45 bit count of milliseconds since 1970 (UTC) and 30 random bits, in Crockford's base 32.
People type the part behind the hyphen; one element of an array is `ID.7`.
"""

from __future__ import annotations

import os
import re
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PATTERN = re.compile(r"[0-9a-hjkmnp-tv-z]{9}-[0-9a-hjkmnp-tv-z]{6}(\.[0-9]{1,6})?")


_latest_ms = 0


def new_job_id(now: float | None = None, entropy: int | None = None) -> str:
    """Two of one process sort in the order in which they were made, also within a millisecond."""
    global _latest_ms
    moment_ms = int((time.time() if now is None else now) * 1000)
    if now is None:
        moment_ms = _latest_ms = max(moment_ms, _latest_ms + 1)
    noise = int.from_bytes(os.urandom(4)) & 0x3FFFFFFF if entropy is None else entropy
    return f"{_encode(moment_ms, 9)}-{_encode(noise, 6)}"


def short_id(job_id: str) -> str:
    """What a person types: `7qm3xd`, or `7qm3xd.7` for one element of an array."""
    return job_id.partition("-")[2] or job_id


def is_job_id(text: str) -> bool:
    return PATTERN.fullmatch(text) is not None


def element_id(array_id: str, index: int) -> str:
    return f"{array_id}.{index}"


def split_element(job_id: str) -> tuple[str, int | None]:
    """`ID.7` -> (`ID`, 7); `ID`, and a name such as `study.py`, -> (itself, None)."""
    array_id, _, index = job_id.rpartition(".")
    return (array_id, int(index)) if array_id and index.isascii() and index.isdigit() else (job_id, None)


def _encode(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
