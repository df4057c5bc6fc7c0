from __future__ import annotations

from importlib import import_module

import pytest

from qhub_ext.tiers import devices

VENDORS = {
    "kingston": "FakeKingston",
    "berlin": "FakeBerlin",
    "sherbrooke": "FakeSherbrooke",
    "hanoi": "FakeHanoiV2",
    "cairo": "FakeCairoV2",
    "almaden": "FakeAlmadenV2",
    "armonk": "FakeArmonkV2",
    "fractional": "FakeFractionalBackend",
}


@pytest.mark.parametrize("name", VENDORS)
def test_a_target_is_the_vendors_to_the_last_bit(name: str):
    theirs = getattr(import_module("qiskit_ibm_runtime.fake_provider"), VENDORS[name])().target
    ours = devices.load(name).target
    assert set(ours.operation_names) == set(theirs.operation_names)
    for limit in ("num_qubits", "dt", "granularity", "min_length", "pulse_alignment", "acquire_alignment"):
        assert getattr(ours, limit) == getattr(theirs, limit)
    for mine, own in zip(ours.qubit_properties, theirs.qubit_properties, strict=True):
        assert (mine.t1, mine.t2, mine.frequency) == (own.t1, own.t2, own.frequency)
    for operation in theirs.operation_names:
        assert set(ours[operation]) == set(theirs[operation])
        for site, own in theirs[operation].items():
            mine = ours[operation][site]
            assert (mine is None) == (own is None)
            assert own is None or (mine.error, mine.duration) == (own.error, own.duration)


def test_a_device_is_read_once():
    assert devices.load("ibm_kingston") is devices.load("FakeKingston")
    assert devices.load("kingston").target is devices.load("kingston").target


def test_limits_are_the_devices_own():
    assert devices.load("quito").max_shots == 8192
    assert devices.load("kingston").rep_delay_s == pytest.approx(250e-6)
    assert devices.load("armonk").rep_delay_s is None
