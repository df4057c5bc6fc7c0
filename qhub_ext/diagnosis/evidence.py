"""All that is known of one job, as plain data, and what a rule finds in it. `gather` reads it from the folder; `qhub_ext.service.evidence` asks
the site and the broker as well.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from qhub_ext.diagnosis.drift import Drifted
from qhub_ext.errors import Audience, Cause
from qhub_ext.job.calibration import Snapshot
from qhub_ext.job.reason import Reason
from qhub_ext.job.record import JobRecord
from qhub_ext.jobfolder.device_tasks import DeviceTask
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder

NOBODY = "nobody"


class Confidence(enum.StrEnum):
    """Words, since nobody has counted how often a rule is right at a site."""

    SURE = "sure"
    """The part that failed says so itself."""
    LIKELY = "likely"
    """It follows from what is seen; something else could look the same."""
    POSSIBLE = "possible"
    """Worth a look; it is not said to be the cause."""


@dataclass(frozen=True)
class Clue:
    """One piece of evidence: `text` as it stands there, `where` to see it (a file of the job folder with its line, a field of the scheduler,
    a place of the device), `tab` of the job view that shows it.
    """

    text: str
    where: str
    tab: str = ""


@dataclass(frozen=True)
class Finding:
    """What one rule found. `audience` is whose move it is; `again`: whether trying again, with nothing changed, can help; `word` the site's."""

    rule: str
    cause: Cause
    sentence: str
    clues: tuple[Clue, ...] = ()
    audience: str = Audience.YOU
    advice: str = ""
    again: bool = False
    confidence: Confidence = Confidence.SURE
    word: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"audience": str(self.audience), "clues": [asdict(clue) for clue in self.clues]}


@dataclass(frozen=True)
class Raised:
    """One error of the cell, the last or one behind it. `own`: the cell raised it by itself."""

    kind: str
    text: str
    kinds: frozenset[str]
    errno: int | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


@dataclass(frozen=True)
class Evidence:
    """`record` of a job or of one element of an array; `outcome` as sealed, {} where nothing was. `console` and `printed`, the
    messages of a job that did not complete, are the last lines, each with its number. `waits` is the site's reason, `silent` what the site said in its place. `broker` is the broker's
    sentence. `drift` is between the calibrations that the job met first and last.
    """

    folder: JobFolder
    record: JobRecord
    outcome: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    console: Sequence[tuple[int, str]] = ()
    printed: Sequence[tuple[int, str]] = ()
    tasks: Sequence[Mapping[str, Any]] = ()
    device_tasks: Sequence[DeviceTask] = ()
    runtime: Mapping[str, Any] = field(default_factory=dict)
    waits: Reason | None = None
    silent: str = ""
    broker: str = ""
    whole: str = ""
    """Of an element: the sentence about its array."""
    snapshots: Sequence[str] = ()
    calibration: Snapshot | None = None
    drift: Drifted | None = None
    breakdown: Mapping[str, float] = field(default_factory=dict)
    """Seconds by part, see `qhub_ext.diagnosis.breakdown`; of one whose wall time ran out."""

    # ------------------------------------------------------------------ what rules ask for

    @property
    def state(self) -> str:
        return self.record.state.value

    @property
    def attempt(self) -> AttemptFolder:
        return self.folder.attempt(self.record.attempt.number)

    @property
    def message(self) -> str:
        return self.record.attempt.message

    @property
    def cause(self) -> Cause:
        try:
            return Cause(self.record.attempt.cause or "unknown")
        except ValueError:  # a word from a newer version
            return Cause.UNKNOWN

    @property
    def facts(self) -> Mapping[str, Any]:
        """Of the error that ended the cell, see `qhub_ext.runner.raised`."""
        return (self.outcome.get("error") or {}).get("facts") or {}

    @cached_property
    def raised(self) -> tuple[Raised, ...]:
        """The error that ended the cell, and those behind it. That of an interrupt from outside is none of its own."""
        error = self.outcome.get("error")
        # the runner may have been stopped by what the site tells later, such as the failure of its node
        stopped = self.outcome.get("state") in ("cancelled", "timed_out")
        if not error or stopped or self.state != "failed":
            return ()
        facts = self.facts
        kind = str(error.get("ename", ""))
        found = [
            Raised(
                kind,
                str(error.get("evalue", "")),
                frozenset(facts.get("kinds") or [kind]),
                facts.get("errno"),
                facts.get("told") or {},
                bool(facts.get("own")),
            )
        ]
        for behind in facts.get("behind") or ():
            name = str(behind.get("kind", ""))
            found.append(
                Raised(
                    name, str(behind.get("text", "")), frozenset([name]), behind.get("errno"), behind.get("told") or {}
                )
            )
        return tuple(found)  # fmt: skip

    @property
    def met(self) -> tuple[Raised, ...]:
        """The errors that came to the cell from outside of it."""
        return tuple(error for error in self.raised if not error.own)

    @property
    def notes(self) -> Sequence[str]:
        return self.record.notes

    @property
    def sent(self) -> Sequence[DeviceTask]:
        """What this attempt sent to devices."""
        return [task for task in self.device_tasks if task.attempt == self.record.attempt.number]

    # ------------------------------------------------------------------ where to see it

    def place(self, path: Path, line: int | None = None) -> str:
        try:
            text = str(path.relative_to(self.folder.path))
        except ValueError:
            text = str(path)
        return text if line is None else f"{text}:{line}"

    def in_outcome(self, text: str, tab: str = "attempts") -> Clue:
        """What the site alone knows, or has said later, stands in a journal instead."""
        message = self.record.attempt.message
        told = not self.outcome or (text == message and self.outcome.get("message") != message)
        return Clue(text, self.place(self.folder.journals if told else self.attempt.outcome), tab)

    def in_console(self, pattern: str = "") -> tuple[Clue, ...]:
        """The last line of the console that has these words; the very last where none are asked for."""
        for number, line in reversed(self.console):
            if line.strip() and pattern in line:
                return (Clue(line.strip()[:300], self.place(self.attempt.console, number), "log"),)
        return ()

    def in_traceback(self) -> tuple[Clue, ...]:
        """Where the cell was, and where the error was made."""
        if not self.raised:
            return ()
        first, line = self.raised[0], self.facts.get("line")
        text = str(first.told.get("message") or first.text).strip()
        said = f"{first.kind}: {text.splitlines()[0][:300]}" if text else first.kind
        place = self.place(self.folder.cell, line) if line else self.place(self.attempt.outputs)
        clues = [Clue(said, place, "outputs")]
        within = self.facts.get("within")
        if within:
            clues.append(Clue(f"raised in {within['function']}", f"{within['file']}:{within['line']}", "outputs"))
        return tuple(clues)

    def in_device_journal(self) -> tuple[Clue, ...]:
        return tuple(
            Clue(f"task {task.task or task.id[:8]} on {task.resource}: {task.state}", self.place(self.attempt.device_journal), "timeline")
            for task in self.sent[-1:]
        )  # fmt: skip
