"""What will differ between the tier where a cell was tried and the one that is asked for."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from qhub_ext.job.context import TIERS
from qhub_ext.tiers.differences import Run, between, of_the_device

TRIED = Run("emulation", "kingston", "2026-04-15T07:15:15Z", 100)


@pytest.mark.parametrize(("tried", "asked"), list(permutations(TIERS, 2)))
def test_every_pair_of_tiers_has_its_difference_in_noise(tried: str, asked: str) -> None:
    told = between(Run(tried, "kingston"), Run(asked, "kingston"))
    assert "errors" in told[0] or "drift" in told[0]
    assert any("seed" in one for one in told) == ("qpu" in (tried, asked))
    assert any("queue" in one for one in told) == (asked == "qpu")


def test_device_calibration_and_shots_are_named_with_both_sides() -> None:
    told = between(TRIED, replace(TRIED, device="fez", calibrated_at="2026-05-01T00:00:00Z", shots=None))
    assert told == [
        "the device is fez and was kingston: circuits have to be made ready for it",
        "the calibration is that of 2026-05-01T00:00 UTC and was that of 2026-04-15T07:15",
        "the usual number of shots and not 100 shots",
    ]
    assert between(TRIED, TRIED) == []


def test_what_is_simulated_is_not_called_the_device() -> None:
    assert of_the_device("qpu") != of_the_device("qpu", simulated=True)
    assert any("simulated" in one for one in between(TRIED, replace(TRIED, tier="qpu", simulated=True)))
