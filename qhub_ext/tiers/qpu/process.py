"""The helper process of one resource, seen from the side that asks. Calls take turns; a deadline that passes ends the process."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from qhub_ext.errors import DeviceError
from qhub_ext.telemetry.otlp import RecordedSpan
from qhub_ext.tiers.qpu import helper
from qhub_ext.tiers.qpu.failures import HelperLostError, failure
from qhub_ext.tiers.qpu.helper_spans import span_of
from qhub_ext.tiers.qpu.resources import Resource

_KEPT_VARIABLES = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
OPEN_S = 30.0


class ResourceProcess:
    """One QuantumResource in a process of its own. Raises DeviceError; HelperLostError when no answer came.

    What it started ends with it; with `tasks_stay` somebody comes back for that.
    """

    def __init__(self, resource: Resource, *, tasks_stay: bool = False) -> None:
        self.resource = resource
        self._tasks_stay = tasks_stay
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def call(
        self, name: str, *arguments: Any, deadline_s: float, told: list[RecordedSpan] | None = None, **fields: Any
    ) -> Any:
        """The value that the call returns. An end of the process, and a deadline in s that passes, are HelperLostError.

        With a `traceparent` among the fields, the span of the call is added to what is `told`.
        """
        with self._lock:
            self._ensure()
            return self._ask({"call": name, "arguments": list(arguments), **fields}, deadline_s, told)

    def close(self) -> None:
        """Lets the process end by itself: unless its tasks stay, it stops what it had started and nobody waited for."""
        with self._lock:
            if self._process is None:
                return
            with contextlib.suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5.0)
            self._kill()

    def _ensure(self) -> None:
        if self.pid is not None:
            return
        self._kill()
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, "-I", helper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(self.resource.config),
            start_new_session=True,  # an interrupt meant for the cell must not end it in the middle of a call
        )
        os.set_blocking(self._process.stdout.fileno(), False)  # type: ignore[union-attr]
        opening = {
            "call": "open",
            "resource": self.resource.name,
            "type": self.resource.type,
            "config": dict(self.resource.config),
            "tasks_stay": self._tasks_stay,
        }
        try:
            self._ask(opening, OPEN_S)
        except DeviceError:  # a process without its resource would answer every later call with that
            self._kill()
            raise

    def _ask(self, call: dict[str, Any], deadline_s: float, told: list[RecordedSpan] | None = None) -> Any:
        process = self._process
        assert process is not None
        number = next(self._numbers)
        name = call["call"]
        try:
            call = {"id": number, **call}
            process.stdin.write(json.dumps(call).encode() + b"\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        except OSError:
            self._kill()
            raise HelperLostError(name, self.resource, "its helper process ended") from None
        answer = self._read(name, time.monotonic() + deadline_s, deadline_s)
        if told is not None and (span := span_of(call, answer, process.pid)) is not None:
            told.append(span)
        if "error" in answer:
            raise failure(name, self.resource, answer["error"])
        return answer.get("value")

    def _read(self, name: str, until: float, deadline_s: float) -> dict[str, Any]:
        process = self._process
        assert process is not None
        fd = process.stdout.fileno()  # type: ignore[union-attr]
        pieces = [self._rest]
        while b"\n" not in pieces[-1]:
            left = until - time.monotonic()
            ready = select.select([fd], [], [], max(0.0, left))[0]
            if not ready:
                self._kill()
                raise HelperLostError(name, self.resource, f"no answer came within {deadline_s:g} s")
            piece = os.read(fd, 1 << 20)
            if not piece:
                self._kill()
                raise HelperLostError(name, self.resource, "its helper process ended")
            pieces.append(piece)
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            self._kill()
            raise DeviceError(f"The helper of {self.resource.name} answered something that cannot be read.") from None
        return answer

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            self._process = None


def _environment(config: Mapping[str, str]) -> dict[str, str]:
    """Little, and nothing secret: the helper's own children and /proc show it."""
    kept = {
        name: os.environ[name]
        for name in (*_KEPT_VARIABLES, *(n.upper() for n in _KEPT_VARIABLES))
        if name in os.environ
    }
    if any("://127.0.0.1" in value or "://localhost" in value for value in config.values()):
        for name in ("no_proxy", "NO_PROXY"):
            kept[name] = ",".join(filter(None, (kept.get(name), "127.0.0.1", "localhost")))
    return {**kept, "TOKIO_WORKER_THREADS": "1"}
