"""W3C's trace context: which trace a process takes part in, and below which span. https://www.w3.org/TR/trace-context/"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
VARIABLE = "TRACEPARENT"
"""The environment variable that carries a context to child processes, by the convention of OpenTelemetry."""


@dataclass(frozen=True)
class TraceContext:
    """`sampled` False: nobody records. Ids are lower-case hex of 32 and 16 digits."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def below(self, *words: object) -> TraceContext:
        """The span of this name below this one: two processes that never spoke to each other find the same id."""
        return TraceContext(self.trace_id, derived_id(self.span_id, *words), self.sampled)


def new_context(outer: str = "", *, sampled: bool = True) -> TraceContext:
    """A root of its own; within the trace of `outer` where that is a traceparent."""
    found = parse_traceparent(outer)
    trace_id = found.trace_id if found is not None else os.urandom(16).hex()
    return TraceContext(trace_id, new_span_id(), sampled)


def parse_traceparent(text: str) -> TraceContext | None:
    """None for what is no traceparent; a version from the future is read as far as it is known."""
    found = _TRACEPARENT.fullmatch(text.strip())
    if found is None or (text.strip().startswith("00") and found[4]):
        return None
    trace_id, span_id, flags = found[1], found[2], int(found[3], 16)
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(flags & 1))


def context_of_job(job_id: str, traceparent: str) -> TraceContext:
    """Of a job that has none, of an older version, one that follows from its id."""
    found = parse_traceparent(traceparent)
    if found is not None:
        return found
    digest = hashlib.sha256(job_id.encode()).hexdigest()
    return TraceContext(digest[:32], digest[32:48])


def new_span_id() -> str:
    return os.urandom(8).hex()


def derived_id(*words: object) -> str:
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()[:16]
