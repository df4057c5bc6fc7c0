"""The daemon's side of the template: at most one process that jobs are forked from, for the Python of the latest job.

A job that is forked from it starts as if its script had been run, without the time that Python and the runner's imports take.
It is started when something waits or a CPU has been free for a moment, and goes when memory runs short.
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import time
from typing import Any

from qhub_ext import __version__
from qhub_ext.sites.embedded.kept import Departed, Kept, keep, memory_available_mb
from qhub_ext.sites.embedded.log import say
from qhub_ext.sites.embedded.processes import Process
from qhub_ext.sites.embedded.table import TableJob

SETTLED_S = 0.3
START_ABOVE_MB, KEEP_ABOVE_MB = 512, 256
GIVE_UP_AFTER = 3
"""A Python in which it has ended so often before it was ready has no use for it."""
AGAIN_AFTER_S = 10.0
ANSWER_WITHIN_S = 2.0
"""A fork takes milliseconds: who has not answered by then is stuck."""


class Template:
    def __init__(self, selector: selectors.BaseSelector, *, wanted: bool, arguments: list[str]) -> None:
        self.kept: Kept | None = None
        self._departed = Departed()
        self._selector = selector
        self._wanted = wanted
        self._arguments = arguments
        self._python = ""
        self._settled_at: float | None = None
        self._failures: dict[str, int] = {}
        self._not_before = 0.0

    @property
    def starting(self) -> bool:
        return self.kept is not None and not self.kept.ready

    def remember(self, job: TableJob) -> None:
        """The next jobs will be of this job's Python."""
        if self._wanted and job.plain:
            self._python = job.python

    def tend(self, *, waiting: bool, idle: bool) -> float | None:
        """Starts one where there is none; returns when to look again (monotonic, s)."""
        now = time.monotonic()
        if not idle:
            self._settled_at = None
        if not self._python or self._failures.get(self._python, 0) >= GIVE_UP_AFTER:
            return None
        if self.kept is not None and (self.kept.key == self._python or not idle):
            return None
        if not waiting and not idle:
            return None
        if idle and self._settled_at is None:
            self._settled_at = now
        due = max(self._not_before, self._settled_at + SETTLED_S if self._settled_at is not None else 0.0)
        if now < due:
            return due
        if self.kept is not None:
            self.dismiss()
        if memory_available_mb() < START_ABOVE_MB:
            self._not_before = now + AGAIN_AFTER_S
            return self._not_before
        self.kept = keep(self._python, self._command(), self._selector, self.heard)
        return None

    def fork(self, job: TableJob, attempt: str) -> Process | None:
        """The launcher of an attempt; None when the job has to start otherwise. Waits for the answer: it takes milliseconds."""
        kept = self.kept
        if kept is None or not kept.ready or not job.plain or kept.key != job.python:
            return None
        try:
            os.write(kept.orders, json.dumps({"attempt": attempt, "folder": job.path}).encode() + b"\n")
        except OSError:
            self.ended()
            return None
        answer = _answer(kept)
        if "pid" in answer:
            return Process(answer["pid"], answer["start_time"])
        if answer:
            say(f"the template goes: {answer.get('leaves', answer)}")
        else:
            say("the template does not answer: it is ended")
            kept.process.send(signal.SIGKILL)
        # should it have forked after all: who claims the attempt first runs it, and the other leaves
        self.dismiss()
        return None

    def heard(self, kept: Kept, _end: int) -> None:
        """Something on one of its descriptors."""
        if kept is not self.kept:
            return
        words = _read(kept)
        if words.get("ready") == __version__:
            kept.ready = True
            self._failures.pop(kept.key, None)
            say(f"the template is ready (pid {kept.process.pid})")
        else:
            self.ended(words.get("leaves", ""))

    def ended(self, why: str = "") -> None:
        assert self.kept is not None
        if not self.kept.ready:
            key = self.kept.key
            self._failures[key] = self._failures.get(key, 0) + 1
            self._not_before = time.monotonic() + AGAIN_AFTER_S
            say(f"the template ended before it was ready ({self._failures[key]} in a row): {why or 'no reason given'}")
        self.dismiss()

    def sweep(self) -> None:
        if self.kept is not None and memory_available_mb() < KEEP_ABOVE_MB:
            say("memory is short: the template goes")
            self._not_before = time.monotonic() + AGAIN_AFTER_S
            self.dismiss()
        if self.kept is not None and not self.kept.process.lives():
            self.ended()
        self._departed.reap()

    def dismiss(self) -> None:
        kept, self.kept = self.kept, None
        if kept is not None:
            kept.unregister()
            kept.close()
            self._departed.add(kept.process)

    def _command(self) -> list[str]:
        return [self._python, "-m", "qhub_ext.sites.embedded.template_launcher", *self._arguments]


def _answer(kept: Kept) -> dict[str, Any]:
    """Empty when none comes."""
    ready, _, _ = select.select([kept.words], [], [], ANSWER_WITHIN_S)
    return _read(kept) if ready else {}


def _read(kept: Kept) -> dict[str, Any]:
    """Its last word; a line is shorter than what a pipe takes at once, and so never torn."""
    try:
        *_, line = os.read(kept.words, 65536).splitlines() or [b""]
        record = json.loads(line)
    except (BlockingIOError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
