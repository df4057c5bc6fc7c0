"""What was found before anything is sent: a refusal, a warning or a note, in the same words on every tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qhub_ext.errors import Cause, PreflightError

REFUSE, WARN, NOTE = "refuse", "warn", "note"

# a refusal of another kind is the code's
_CAUSES = {"dead": Cause.CALIBRATION, "calibration-age": Cause.CALIBRATION, "qpu-time": Cause.QUEUE_POLICY}


class PreflightWarning(UserWarning):
    """A finding that does not stop a task."""


@dataclass(frozen=True)
class Finding:
    """`severity` is refuse, warn (told to the user) or note (kept in the record). `numbers` are the evidence."""

    severity: str
    kind: str
    sentence: str
    advice: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "kind": self.kind,
            "sentence": self.sentence,
            "advice": self.advice,
            "numbers": dict(self.numbers),
        }


def raise_refusals(findings: Iterable[Finding]) -> None:
    """Raises PreflightError with the first refusal, and how many more there are."""
    refusals = [finding for finding in findings if finding.severity == REFUSE]
    if refusals:
        more = f" ({len(refusals) - 1} more like it.)" if len(refusals) > 1 else ""
        cause = _CAUSES.get(refusals[0].kind)
        raise PreflightError(refusals[0].sentence + more, advice=refusals[0].advice, cause=cause)
