"""How old a calibration is is said on every tier, and whether that warns or refuses is the site's word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qiskit.circuit import QuantumCircuit

from qhub_ext.errors import Cause, PreflightError
from qhub_ext.job.context import using
from qhub_ext.primitives import Sampler
from qhub_ext.tiers import devices
from qhub_ext.tiers.age import age_words, check_age
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.findings import NOTE, REFUSE, WARN, raise_refusals

KINGSTON = devices.load("kingston")


def of_the_site(**changes: Any) -> Device:
    """A device that no package describes, with kingston's numbers."""
    snapshot = replace(KINGSTON.snapshot, device="our_qpu", **changes)
    return Device("our_qpu", KINGSTON.configuration, KINGSTON.properties, "resource our_qpu", snapshot)


@pytest.mark.parametrize("tier", ["local", "emulation"])
def test_a_task_s_record_says_how_old_the_calibration_is_and_what_the_tier_has_of_the_device(tier: str) -> None:
    circuit = QuantumCircuit(156, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    records: list[dict[str, Any]] = []
    with using(tier=tier, device="kingston", record=records.append):
        Sampler().run([circuit], shots=10).result()
    found = {one["kind"]: one for one in records[0]["findings"]}
    assert found["calibration-age"]["severity"] == NOTE, "the package's snapshot is nothing that a user could mend"
    assert found["calibration-age"]["sentence"].startswith("The calibration of kingston is ")
    assert found["calibration-age"]["numbers"]["days"] > 2
    assert found["tier-difference"]["numbers"] == {"tier": tier}
    assert ("no errors" in found["tier-difference"]["sentence"]) == (tier == "local")


def test_an_old_calibration_of_a_device_that_can_be_asked_is_warned_of_where_its_errors_count() -> None:
    old = of_the_site()
    severities = {tier: [one.severity for one in check_age(old, tier)] for tier in ("local", "emulation", "qpu")}
    assert severities == {"local": [NOTE], "emulation": [WARN], "qpu": [WARN]}
    assert "--refresh" in check_age(old, "emulation")[0].advice
    with using(pinned=("our_qpu", Path("an old one"))):
        assert [one.severity for one in check_age(old, "emulation")] == [NOTE], "it was asked for"
    assert check_age(of_the_site(taken_at="2999-01-01T00:00:00Z"), "qpu") == []
    assert check_age(of_the_site(synthetic=True), "qpu") == [], "no device ever had it"


def test_a_site_may_refuse_tasks_for_a_device_with_an_old_calibration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QHUB_PREFLIGHT_STALE", "refuse")
    (found,) = check_age(of_the_site(), "qpu")
    assert found.severity == REFUSE
    with pytest.raises(PreflightError, match="days old") as caught:
        raise_refusals([found])
    assert caught.value.cause is Cause.CALIBRATION
    assert [one.severity for one in check_age(of_the_site(), "emulation")] == [WARN], "it goes to no device"


def test_an_age_is_told_in_hours_and_then_in_days() -> None:
    assert [age_words(s) for s in (0, 3600, 47 * 3600, 48 * 3600, 228 * 86400)] == ["0 hours", "1 hour", "47 hours", "2 days", "228 days"]  # fmt: skip
