"""What a process records its spans with. `install` makes one recorder the process's own; without one, recording costs next to nothing.

A span is written when it ends, by one write to the end of the process's own file. A full disk ends the recording and not the job.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import socket
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from qhub_ext.telemetry.clocks import ahead_of_files
from qhub_ext.telemetry.context import TraceContext, new_span_id
from qhub_ext.telemetry.otlp import RecordedSpan, Value, dumps, envelope

MOST_ENVELOPES = 64
MOST_SPANS = 100_000
"""Of one process; a loop that makes more would fill the disk with them."""


class OpenSpan:
    """A span that has begun. `attributes` may be added to until it ends."""

    __slots__ = ("_at", "attributes", "begin_ns", "context", "name", "parent_id")

    def __init__(self, name: str, context: TraceContext, parent_id: str, attributes: dict[str, Value]) -> None:
        self.name, self.context, self.parent_id, self.attributes = name, context, parent_id, attributes
        self.begin_ns, self._at = time.time_ns(), time.perf_counter_ns()

    def close(self) -> RecordedSpan:
        """Its length is measured by a clock that nobody sets."""
        end_ns = self.begin_ns + time.perf_counter_ns() - self._at
        ids = (self.context.trace_id, self.context.span_id, self.parent_id)
        return RecordedSpan(*ids, self.name, self.begin_ns, end_ns, self.attributes)


class Recorder:
    """Writes to `path`, made with the first span. Below `root` where no other span is open. `told` are attributes of this writer; the dots
    in names of attributes are written as two underscores wherever they are keywords.
    """

    def __init__(self, path: Path, root: TraceContext, service: str, **told: Value) -> None:
        self.root = root
        self._path = path
        self._resource: dict[str, Value] = {"service.name": service, **_dotted(told)}
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._fd = -1
        self._left = MOST_SPANS if root.sampled else 0
        self._dropped = 0
        self._before = self._after = b""
        self._envelopes: dict[tuple[tuple[str, Value], ...], tuple[bytes, bytes]] = {}
        self._clock: dict[str, Value] = {}
        """How its clock stands, for spans of others that were brought onto it."""

    @property
    def on(self) -> bool:
        return self.root.sampled

    def write(self, span: RecordedSpan) -> None:
        if self._left <= 0:
            self._dropped += self.root.sampled
            return
        text = dumps(span)
        with self._lock:
            if not self._ready():
                return
            self._left -= 1
            try:
                os.write(self._fd, self._before + text + self._after)
            except OSError:  # a full disk: the job goes on without its spans
                self._left = 0

    def add(
        self,
        name: str,
        kind: str,
        begin_s: float,
        end_s: float,
        parent: TraceContext | None = None,
        own: TraceContext | None = None,
        **attributes: Value,
    ) -> TraceContext:
        """A span that is over: moments in s since 1970 UTC."""
        above = parent or self.root
        context = own or TraceContext(above.trace_id, new_span_id())
        begin_ns = int(begin_s * 1e9)
        told: dict[str, Value] = {"qhub.kind": kind, **_dotted(attributes)}
        self.write(RecordedSpan(context.trace_id, context.span_id, above.span_id, name, begin_ns, max(begin_ns, int(end_s * 1e9)), told))  # fmt: skip
        return context

    def adopt(self, spans: list[RecordedSpan]) -> None:
        """Spans that others recorded and answered with, each with its own resource; their times are by the clock here, and they are of this job."""
        job = {name: value for name, value in self._resource.items() if name.startswith("qhub.job.")}
        for span in spans:
            if self._left <= 0 or not self._ready():
                return
            self._left -= 1
            before, after = self._envelope({**span.resource, **job, **self._clock})
            with self._lock, contextlib.suppress(OSError):
                os.write(self._fd, before + dumps(span) + after)

    def _envelope(self, resource: dict[str, Value]) -> tuple[bytes, bytes]:
        """Made once for each of those who answer."""
        key = tuple(resource.items())
        if key not in self._envelopes:
            if len(self._envelopes) >= MOST_ENVELOPES:
                self._envelopes.clear()
            self._envelopes[key] = envelope(resource, str(resource.get("service.version", "")))
        return self._envelopes[key]

    def close(self) -> None:
        """Says how many were left out, and closes the file."""
        if self._dropped and self._fd >= 0 and self._pid == os.getpid():
            self._left, dropped, self._dropped = 1, self._dropped, 0
            now = time.time()
            self.add("spans left out", "container", now, now, qhub__spans__dropped=dropped)
        with self._lock, contextlib.suppress(OSError):
            if self._fd >= 0:
                os.close(self._fd)
        self._fd = -1
        self._left = 0

    def _ready(self) -> bool:
        if self._fd < 0 or self._pid != os.getpid():
            self._open()
        return self._left > 0 and self._fd >= 0

    def _open(self) -> None:
        """A forked child writes a file of its own."""
        version = str(import_module("qhub_ext").__version__)
        path = self._path
        if self._pid != os.getpid():
            self._pid = os.getpid()
            path = path.with_name(f"{path.stem}-{self._pid}{path.suffix}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            end = os.lseek(self._fd, 0, os.SEEK_END)
            torn = end > 0 and os.pread(self._fd, 1, end - 1) != b"\n"
        except OSError:
            self._left = 0
            return
        found = ahead_of_files(self._fd)
        clock: dict[str, Value] = {}
        if found is not None:
            clock = {"qhub.clock.ahead": round(found.ahead_s, 6), "qhub.clock.error": round(found.error_s, 6)}
            self._clock = {**clock, "qhub.clock.host": socket.gethostname()}
        host: dict[str, Value] = {"host.name": socket.gethostname(), "process.pid": self._pid}
        self._before, self._after = envelope({**self._resource, "service.version": version, **host, **clock}, version)
        if torn:
            with contextlib.suppress(OSError):
                os.write(self._fd, b"\n")


def _dotted(attributes: dict[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


_recorder: Recorder | None = None
_open: contextvars.ContextVar[TraceContext | None] = contextvars.ContextVar("qhub_open_span", default=None)


def install(recorder: Recorder | None) -> None:
    global _recorder
    _recorder = recorder if recorder is not None and recorder.on else None


def recorder() -> Recorder | None:
    """The process's own; None where nothing is recorded."""
    return _recorder


def here() -> TraceContext | None:
    """The innermost open span of this thread or coroutine."""
    return _open.get() or (None if _recorder is None else _recorder.root)


def begin(name: str, kind: str, *, own: TraceContext | None = None, **attributes: Value) -> OpenSpan | None:
    """None where nothing is recorded; `finish` takes that too."""
    if _recorder is None:
        return None
    above = _open.get() or _recorder.root
    context = own or TraceContext(above.trace_id, new_span_id())
    told: dict[str, Value] = {"qhub.kind": kind, **_dotted(attributes)}
    return OpenSpan(name, context, above.span_id, told)


def finish(span: OpenSpan | None, error: BaseException | None = None) -> None:
    if span is None or _recorder is None:
        return
    if error is not None:
        span.attributes["error.type"] = type(error).__name__
    _recorder.write(span.close())


@contextlib.contextmanager
def recording(
    name: str, kind: str, *, own: TraceContext | None = None, **attributes: Value
) -> Iterator[OpenSpan | None]:
    """A span for the length of a `with` block; spans that begin within hang below it."""
    span = begin(name, kind, own=own, **attributes)
    if span is None:
        yield None
        return
    token = _open.set(span.context)
    try:
        yield span
    except BaseException as error:
        _open.reset(token)
        finish(span, error)
        raise
    _open.reset(token)
    finish(span)


def enter(span: OpenSpan | None) -> contextvars.Token[TraceContext | None] | None:
    """For what begins and ends in calls of their own: spans that begin from here on hang below."""
    return None if span is None else _open.set(span.context)


def leave(token: contextvars.Token[TraceContext | None] | None) -> None:
    if token is not None:
        with contextlib.suppress(ValueError):  # it ended in another context than it began in
            _open.reset(token)
