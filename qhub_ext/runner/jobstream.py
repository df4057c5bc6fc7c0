"""Standard output and error of the job kernel, held to the job's output limit at the source.

A cell that prints without end fills memory and disk of whoever listens, unless the kernel itself stops sending. Up to the
limit everything passes; beyond it each flush (five a second) carries the last `TAIL` characters only, and the rest is
counted, so that the end of the output, where the reason for the end usually stands, is never lost.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from ipykernel.iostream import OutStream

TAIL = 64 * 1024
PIECE = 1024 * 1024


class Budget:
    """What the job may still send, in bytes, for all streams and displays together. `report` hears how much was cut."""

    def __init__(self) -> None:
        self.left = float("inf")
        self.single = float("inf")
        self.report: Callable[[int], None] = lambda _cut: None

    def allow(self, limit: int) -> None:
        self.left = self.single = float(limit)


BUDGET = Budget()


class JobStream(OutStream):
    patient = False
    """Whether a cell runs; ipykernel's own flushes around it need no wait."""
    silent = False
    """Set at the end; False again when something is written after all."""
    held: list[tuple[JobStream, str]] | None = None
    """Where a list, it takes what is written, to be written when the cell begins."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._late: deque[tuple[dict[str, Any], str]] = deque()
        self._late_size = 0
        self._cut = 0
        self._born, self._waited = time.monotonic(), 0.0
        # "force": ipykernel leaves the descriptors alone below pytest, and a job submitted from a test is a job
        super().__init__(*args, **{**options, "watchfd": "force"})

    def fileno(self) -> int:
        """The watched descriptor: `subprocess.run(..., stdout=sys.stdout)` is the job's output too."""
        return getattr(self, "_original_stdstream_fd", -1)

    def silence_copy(self) -> None:
        """What is published need not also fill the console log."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._original_stdstream_copy)
        os.close(null)

    def flush(self) -> None:
        super().flush()
        # who flushes before a crash wants the bytes out. A cell that flushes all the time waits a fiftieth of its time at most.
        began = time.monotonic()
        spare = 0.2 + 0.02 * (began - self._born) - self._waited
        if self.patient and spare > 0 and threading.current_thread() is threading.main_thread():
            until_handed_over(spare)
            self._waited += time.monotonic() - began

    def write(self, string: str) -> int | None:  # type: ignore[override]
        JobStream.silent = False
        if JobStream.held is not None and isinstance(string, str):
            JobStream.held.append((self, string))
            return len(string)
        size = len(string) if isinstance(string, str) else 0
        if size <= BUDGET.left:
            BUDGET.left -= size
            return super().write(string)
        room = int(max(BUDGET.left, 0))
        BUDGET.left = 0
        if room:
            super().write(string[:room])
        if self._is_master_process():
            self._write_late(string[max(room, size - TAIL) :], size - room)
            self._schedule_flush()
        else:  # a forked child has no thread that would flush later
            self._cut += size - room
            if self._cut > PIECE:
                cut, self._cut = self._cut, 0
                BUDGET.report(cut)
        return size

    def _write_late(self, kept: str, size: int) -> None:
        with self._buffer_lock:
            self._cut += size - len(kept)
            self._late.append((self.parent_header, kept))
            self._late_size += len(kept)
            while self._late_size > TAIL:
                first_parent, first = self._late.popleft()
                dropped = min(len(first), self._late_size - TAIL)
                self._late_size -= dropped
                self._cut += dropped
                if dropped < len(first):
                    self._late.appendleft((first_parent, first[dropped:]))

    def _flush_buffers(self) -> Iterator[tuple[dict[str, Any], str]]:
        for parent, data in super()._flush_buffers():
            for begin in range(0, len(data), PIECE):  # no message so large that one JSON text doubles the memory
                yield parent, _sendable(data[begin : begin + PIECE])
        with self._buffer_lock:
            late, self._late, self._late_size = self._late, deque(), 0
            cut, self._cut = self._cut, 0
        if cut:
            BUDGET.report(cut)
        if late:
            yield late[-1][0], _sendable("".join(text for _, text in late))


def until_handed_over(within_s: float, untold_s: float = 0.01) -> None:
    """ZeroMQ's own threads write to the socket a moment after they were told to. They have when they sleep again, as long as the other side reads.
    Where the system does not tell of them, that is taken to last `untold_s`.
    """
    until = time.monotonic() + within_s
    threads = _transport_threads(os.getpid())
    if not threads:
        time.sleep(min(within_s, untold_s))
    while not all(map(_asleep, threads)) and time.monotonic() < until:
        time.sleep(0.001)


@lru_cache(maxsize=1)
def _transport_threads(pid: int) -> tuple[str, ...]:
    """Their files in /proc; empty where that does not tell."""
    found = []
    try:
        for number in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{number}/comm") as file:
                if file.read().startswith("ZMQbg/IO"):
                    found.append(f"/proc/{pid}/task/{number}/stat")
    except OSError:
        return ()
    return tuple(found)


def _asleep(stat: str) -> bool:
    try:
        with open(stat, "rb") as file:
            return file.read().rpartition(b") ")[2].startswith(b"S")
    except OSError:  # it has ended
        return True


def _sendable(text: str) -> str:
    """JSON over UTF-8 cannot carry lone surrogates; a string of Python can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def hold_displays_to_budget(publisher: Any) -> None:
    """Wraps `send_multipart` of the kernel's IOPub thread: displays count too, and one larger than the limit is left out."""
    send = publisher.send_multipart
    kept = {"moment": 0.0}

    def send_within_budget(frames: list[Any], *args: Any, **options: Any) -> Any:
        topic = bytes(frames[0])
        JobStream.silent &= topic.endswith(b"status")
        if topic.startswith((b"stream.", b"comm")) or not topic.endswith((b"display_data", b"execute_result")):
            return send(frames, *args, **options)
        size = sum(len(frame) for frame in frames)
        if size > BUDGET.single:
            BUDGET.report(size)
            return None
        if BUDGET.left <= 0:
            # ten a second: whoever redraws one picture for ever still shows the last state
            if time.monotonic() - kept["moment"] < 0.1:
                BUDGET.report(size)
                return None
            kept["moment"] = time.monotonic()
        BUDGET.left -= size
        return send(frames, *args, **options)

    publisher.send_multipart = send_within_budget
