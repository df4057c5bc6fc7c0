"""`qhub demo faults`: ten faults happen, and each is explained."""

from __future__ import annotations

import json

import pytest

from qhub_ext.service.faults import FAULTS
from tests.front.conftest import Place

CAUSES = (
    *("code", "queue policy", "environment", "resources", "resources"),
    *("user", "calibration", "integration", "device", "calibration"),
)


@pytest.mark.slow
def test_ten_faults_are_explained_with_evidence_and_stay_in_the_list(place: Place) -> None:
    told = place.command("demo", "faults", "--json")
    facts = json.loads(told[told.index("[") : told.rindex("]") + 1])
    assert [one["fault"] for one in facts] == [fault.name for fault in FAULTS]
    assert tuple(one["cause"] for one in facts) == CAUSES
    assert all(one["findings"][0]["clues"] for one in facts)
    assert "explained: an error in the cell: code" in told
    assert "ValueError" in place.command("explain", facts[0]["job"])
