"""Real faults, and what is said of them: rarely nothing, never the wrong thing with confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.diagnosis.corpus.run import CASES
from tests.diagnosis.matrix import Heard, hand_over, matrix

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.slow,
    # the virtual QPUs are served from this process, and FastAPI's own models make pydantic warn
    pytest.mark.filterwarnings("ignore::pydantic.warnings.UnsupportedFieldAttributeWarning"),
]


def test_of_all_faults_19_in_20_are_explained_and_none_is_explained_wrongly(
    said: Sequence[Heard], record_property: Callable[[str, Any], None]
) -> None:
    hand_over(record_property, said)
    assert len(said) >= 60
    assert [one for one in said if one.wrong] == [], matrix(said)
    assert sum(one.right for one in said) >= 0.95 * len(said), matrix(said)


def test_every_explanation_has_evidence_and_says_where_to_see_it(said: Sequence[Heard]) -> None:
    assert [one.name for one in said if one.told not in ("", "unknown") and not one.clues] == []


def test_the_kind_of_fault_is_told_where_several_have_one_cause(said: Sequence[Heard]) -> None:
    found = {one.name: one.rule for one in said}
    assert {case.name: found[case.name] for case in CASES if case.rules and found[case.name] not in case.rules} == {}


def test_four_failures_that_look_alike_elsewhere_are_told_apart(said: Sequence[Heard]) -> None:
    """Pasqal's own training material shows them as "No results found", "No accessible QRMI resource", "Connection refused" and 403."""
    found = {one.name: one for one in said}
    alike = [
        found["a task longer than the broker's policy allows"],
        found["a broker whose operator drains the device"],
        found["a wrong port"],
        found["403 at the start"],
    ]
    assert [one.rule for one in alike] == ["policy limit", "maintenance", "wrong address", "denied"]
    assert [one.told for one in alike] == ["queue policy", "device", "integration", "queue policy"]
    assert len({one.sentence for one in alike}) == 4
