"""From the evidence of one job to an answer: the findings in their order, and the one sentence that is told first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qhub_ext.diagnosis.evaluation import Rules, evaluate
from qhub_ext.diagnosis.evidence import NOBODY, Confidence, Evidence, Finding
from qhub_ext.diagnosis.rules import code, device, ends
from qhub_ext.diagnosis.rules.doubts import COMPLETED
from qhub_ext.diagnosis.rules.waits import RUNNING, WAITING
from qhub_ext.errors import Cause
from qhub_ext.job.state import State

ENDED = Rules((*device.RULES, *code.RULES, *ends.RULES), (*code.GENERAL, *ends.GENERAL))
NOTHING_FAILED = "It ran to its end, and nothing failed."


@dataclass(frozen=True)
class Explanation:
    """`cause` is "" where there is nothing to explain and `unknown` where no finding is more than possible; `word` is the site's own.
    `audience` is whose move it is; `again`: whether trying again with nothing changed can help. `findings` with their evidence, the best first.
    """

    cause: str
    sentence: str
    audience: str
    advice: str
    word: str = ""
    again: bool = False
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        cause = f"{self.cause} ({self.word})" if self.cause and self.word else self.cause or self.word
        again = "trying again can help" if self.again else ""
        said = {
            "cause": cause,
            "move": "" if self.audience == NOBODY else self.audience,
            "try": self.advice,
            "again": again,
        }
        lines = [self.sentence, *(f"  {label:<6} {text}" for label, text in said.items() if text)]
        for finding in self.findings[:1]:
            lines += [f"  {'seen':<6} {clue.where}: {clue.text}" for clue in finding.clues[:4]]
        lines += [
            f"  {'also':<6} {f.sentence} ({f.cause.value}, {f.confidence.value}) {f.advice}".rstrip()
            for f in self.findings[1:4]
        ]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - IPython's
        printer.text(str(self))

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "audience": str(self.audience),
            "findings": [finding.to_json() for finding in self.findings],
        }


def explain(seen: Evidence) -> Explanation:
    state = seen.record.state
    if not state.final:
        return _told(seen, evaluate(seen, WAITING if state.waiting else RUNNING))
    if state is State.COMPLETED:
        doubts = evaluate(seen, COMPLETED)
        if not doubts:
            return Explanation("", f"{seen.whole}{NOTHING_FAILED}", NOBODY, "")
        return _told(seen, doubts, before="It ran to its end, but look at this: ")
    return _told(seen, evaluate(seen, ENDED))


def _told(seen: Evidence, findings: tuple[Finding, ...], before: str = "") -> Explanation:
    if not findings:
        told = seen.message or seen.record.attempt.reason or f"It is {seen.state}, and nothing says why."
        return Explanation(
            Cause.UNKNOWN.value,
            seen.whole + told,
            "you" if seen.record.state.final else "site",
            seen.record.attempt.advice,
        )
    best = findings[0]
    unsure = best.confidence is Confidence.POSSIBLE
    running = best.rule == "running"
    sentence = best.sentence
    if unsure and seen.message and not running and seen.record.state is not State.COMPLETED:
        sentence = seen.message
    cause = (
        ""
        if running or (unsure and seen.record.state is State.COMPLETED)
        else Cause.UNKNOWN.value
        if unsure
        else best.cause.value
    )
    return Explanation(
        cause,
        f"{seen.whole}{before}{sentence}",
        str(best.audience),
        best.advice,
        best.word,
        best.again,
        () if running else findings,
    )
