"""What faults were, and what they were explained as: rows and columns of causes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qhub_ext.diagnosis.explain import Explanation
from qhub_ext.errors import Cause

PROPERTY = "explained"
"""The name under which a test hands over what it heard, also from another process."""
_CAUSES = [*(cause.value for cause in Cause), ""]


@dataclass(frozen=True)
class Heard:
    """`cause` is what the fault was ("" where there is nothing to explain), `told` what was said of it."""

    name: str
    cause: str
    told: str
    rule: str
    confidence: str
    sentence: str
    clues: int

    @property
    def right(self) -> bool:
        return self.told == self.cause

    @property
    def silent(self) -> bool:
        return self.told == "unknown" and not self.right

    @property
    def wrong(self) -> bool:
        return not self.right and not self.silent


def heard(name: str, cause: str, why: Explanation) -> Heard:
    best = why.findings[0] if why.findings else None
    more = (best.rule, best.confidence.value, why.sentence, len(best.clues)) if best else ("", "", why.sentence, 0)
    return Heard(name, cause, why.cause, *more)


def hand_over(record_property: Callable[[str, Any], None], several: Iterable[Heard]) -> None:
    record_property(PROPERTY, json.dumps([asdict(one) for one in several]))


def collected(reports: Iterable[Any]) -> list[Heard]:
    texts = (value for report in reports for name, value in report.user_properties if name == PROPERTY)
    return [Heard(**one) for text in texts for one in json.loads(text)]


def matrix(several: Sequence[Heard]) -> str:
    seen = Counter((one.cause, one.told) for one in several)
    rows = [c for c in _CAUSES if any(one.cause == c for one in several)]
    columns = [c for c in _CAUSES if any(one.told == c for one in several)]
    words = {c: c or "nothing" for c in _CAUSES}
    first = max(map(len, words.values())) + 2
    wide = {c: max(8, len(words[c]) + 2) for c in columns}
    lines = [f"{'it was / told':<{first}}" + "".join(f"{words[c]:>{wide[c]}}" for c in columns)]
    lines += [f"{words[r]:<{first}}" + "".join(f"{seen[r, c] or '·':>{wide[c]}}" for c in columns) for r in rows]
    right, silent, wrong = (sum(getattr(o, what) for o in several) for what in ("right", "silent", "wrong"))
    lines.append(f"{right} of {len(several)} right, {silent} unknown, {wrong} wrong")
    for one in several:
        if not one.right:
            told = f"{one.told or 'nothing'} ({one.confidence} {one.rule}) instead of {one.cause or 'nothing'}"
            lines.append(f"  {'unknown' if one.silent else 'WRONG'}: {one.name}: {told}: {one.sentence[:200]}")
    return "\n".join(lines)
