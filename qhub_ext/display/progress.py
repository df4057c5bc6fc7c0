"""One line that tells where a job is while somebody waits for it, and is gone when the wait is over."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

from qhub_ext.display.words import age, duration, state_words
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State


class Progress:
    """In a notebook an updated display; in a terminal a line that is rewritten; elsewhere nothing."""

    def __init__(self, job_id: str, every_s: float = 1.0) -> None:
        self._id = short_id(job_id)
        self._every_s = every_s
        self._told: tuple[str, float] = ("", 0.0)
        self._handle: Any = None
        self._terminal = False

    def __enter__(self) -> Self:
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython else None
        if shell is not None and getattr(shell, "kernel", None) is not None:
            from IPython.display import display

            self._handle = display({"text/plain": f"Job {self._id}"}, raw=True, display_id=True)
        else:
            self._terminal = sys.stderr.isatty()
        return self

    def show(self, record: JobRecord) -> None:
        now = time.time()
        state = record.state.value
        if state == self._told[0] and now < self._told[1] + self._every_s:
            return
        self._told = (state, now)
        since = record.attempt.running_at or record.asked_at or record.spec.created_at
        now = record.attempt.ended_at or now
        reason = f" ({record.attempt.reason})" if record.state.waiting and record.attempt.reason else ""
        told = record.spec.kind == "notebook" or record.attempt.phase == "device"
        if told and record.state is State.RUNNING and record.attempt.phase_text:
            reason = f" ({record.attempt.phase_text})"
        took = duration(now - since) if record.state.final else age(now - since)
        text = f"Job {self._id}  {state_words(record.state)}{reason}  {took}"
        if self._handle is not None:
            self._handle.update({"text/plain": text}, raw=True)
        elif self._terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def close(self) -> None:
        """A terminal's line is wiped; a notebook keeps the last word, since an output cannot be taken back."""
        self._handle = None
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            self._terminal = False

    def __exit__(self, *_: object) -> None:
        self.close()
