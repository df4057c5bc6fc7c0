"""What a process says of itself on its console: a sentence, or where `telemetry.logs` is "json" a line of JSON that names job and trace.

The runner's console is that of the job, where what an import prints comes through as well. Stdlib only, and as good as free until something is said.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VARIABLE = "QHUB_TELEMETRY_LOGS"
"""As the setting; it travels with a job, and an embedded site's daemon gets it from whoever starts it."""
JSON = "json"


@dataclass
class Console:
    service: str = "qhub"
    as_json: bool = False
    told: dict[str, Any] = field(default_factory=dict)

    def say(self, sentence: str, level: str = "warning", *, prefix: str = "qhub: ") -> None:
        """`prefix` stands before a plain sentence only."""
        print(self.line(sentence, level) if self.as_json else f"{prefix}{sentence}", file=sys.stderr, flush=True)

    def note(self, sentence: str, **told: Any) -> None:
        """What nobody needs to read who looks at one job; a line of JSON or nothing."""
        if self.as_json:
            print(self.line(sentence, "info", **told), file=sys.stderr, flush=True)

    def line(self, sentence: str, level: str, **told: Any) -> str:
        from qhub_ext.telemetry.logs import line_of

        return line_of(self.service, level, sentence, **self.told, **told)


_console = Console()


def introduce(service: str, environment: Mapping[str, str], **told: Any) -> None:
    """Who speaks from here on, and of what: job, attempt, trace_id."""
    global _console
    _console = Console(service, wanted(environment), told)


def about(**told: Any) -> None:
    """More of what is spoken of."""
    _console.told |= told


def wanted(environment: Mapping[str, str]) -> bool:
    return environment.get(VARIABLE, "").strip().lower() == JSON


def say(sentence: str, level: str = "warning", *, prefix: str = "qhub: ") -> None:
    _console.say(sentence, level, prefix=prefix)


def note(sentence: str, **told: Any) -> None:
    _console.note(sentence, **told)


def pass_on(text: str) -> None:
    """What somebody else printed: as it is, or as a line of JSON."""
    if _console.as_json:
        _console.note(text.rstrip())
    else:
        sys.stderr.write(text)
