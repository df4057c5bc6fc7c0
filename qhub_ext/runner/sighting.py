"""What the supervisor saw of one attempt: plain facts, from which `verdict` judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Stop:
    """Somebody asked for the end. `why` is the site's word (time, cancel, requeue, preempt), "" when it left none; `time_up_s`
    says from when on such silence means that the time is up, where the site told that beforehand. Seconds since the start."""

    why: str
    signal: str
    after_s: float
    time_up_s: float | None = None

    @property
    def is_for_time(self) -> bool:
        return self.why == "time" or (not self.why and self.time_up_s is not None and self.after_s >= self.time_up_s)


@dataclass
class Sighting:
    """What the supervisor saw of one attempt. `source` is the text of the cell, `crash` the report of faulthandler, `console` the
    end of what was printed outside of the cell, looked at when no cell was begun.

    Of a notebook, `cells` is how many run, and the rest is about the last one begun: its `number`; `left` come after it.
    """

    source: str = ""
    cells: int | None = None
    script: bool = False
    number: int = 1
    left: int = 0
    reply: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    ended: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, Any] | None = None
    stop: Stop | None = None
    killed_at_deadline: bool = False
    returncode: int | None = None
    crash: str = ""
    console: str = ""
    memory_exceeded_mb: float | None = None
    oom_killed: bool = False
    disk_full: bool = False
    lost_bytes: int = 0
    cell_begun: bool = False
    cell_done: bool = False
    harvested: bool = False

    def begin(self, number: int, source: str) -> None:
        self.number, self.source, self.cell_begun = number, source, True
        self.reply, self.error, self.ended = None, None, {}

    def forgive(self) -> None:
        """The error of a cell that may raise."""
        self.reply, self.error, self.ended = {**(self.reply or {}), "status": "ok"}, None, {}

    @property
    def subject(self) -> str:
        alone = "the script" if self.script else "the cell"
        return alone if self.cells is None else f"cell {self.number} of {self.cells}"

    @property
    def whole(self) -> str:
        alone = "The script" if self.script else "The cell"
        return alone if self.cells is None else "The notebook"

    @property
    def succeeded(self) -> bool:
        if self.reply is None:
            return False
        return (self.reply.get("status") == "ok" and not self.left) or self.ended.get("exit") == 0
