"""One evaluation of a table of rules, in a stated order.

1. Each rule that looks for one certain thing is asked, once, in the order of the table.
2. What they found is ordered by confidence: sure, likely, possible; among equals the table's order stands.
3. Where none of it is sure or likely, the general rules are asked, which find something in any case: the first answer counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qhub_ext.diagnosis.evidence import Confidence, Evidence, Finding

Rule = Callable[[Evidence], Finding | None]
_ORDER = {Confidence.SURE: 0, Confidence.LIKELY: 1, Confidence.POSSIBLE: 2}


@dataclass(frozen=True)
class Rules:
    certain: tuple[Rule, ...]
    general: tuple[Rule, ...] = ()


def evaluate(seen: Evidence, rules: Rules) -> tuple[Finding, ...]:
    """The best first, each sentence once."""
    found = [finding for rule in rules.certain if (finding := rule(seen)) is not None]
    if all(finding.confidence is Confidence.POSSIBLE for finding in found):
        general = next((finding for rule in rules.general if (finding := rule(seen)) is not None), None)
        if general is not None and not (found and general.confidence is Confidence.POSSIBLE):
            found.append(general)
    found.sort(key=lambda finding: _ORDER[finding.confidence])
    first: dict[str, Finding] = {}
    for finding in found:
        first.setdefault(finding.sentence, finding)
    return tuple(first.values())
