"""The specification of a device of neutral atoms, read as a calibration: what it tells of errors, and a sentence for all else."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.snapshots import read_document

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pulser import NoiseModel
    from pulser.devices import AnalogDevice, DigitalAnalogDevice

NOISE = NoiseModel(p_false_pos=0.01, p_false_neg=0.05, relaxation_rate=0.02, dephasing_rate=0.1, temperature=50.0)


def listed(device: Any, name: str = "FRESNEL") -> list[dict[str, str]]:
    """As QRMI gives it."""
    return [{"device_type": name, "specs": device.to_abstract_repr()}]


def test_errors_and_lifetimes_of_its_noise_model_are_those_of_every_atom() -> None:
    found = read_document(
        listed(replace(AnalogDevice, name="FRESNEL", noise_model=NOISE)), device="FRESNEL", source="a test"
    )
    snapshot = found.snapshot
    assert snapshot.qubits == AnalogDevice.max_atom_num
    last = snapshot.qubits - 1
    assert snapshot.column("prob_meas1_prep0")[last] == 0.01
    assert snapshot.column("prob_meas0_prep1")[last] == 0.05
    assert snapshot.column("readout_error")[0] == pytest.approx(0.03)
    assert snapshot.column("t1_s")[0] == pytest.approx(50e-6)
    assert snapshot.column("t2_s")[0] == pytest.approx(10e-6)
    assert any("temperature" in sentence for sentence in found.unread)
    assert any("channel" in sentence for sentence in found.unread)
    assert any("moment" in sentence for sentence in found.unread)
    assert (
        read_document(found.document, device="FRESNEL", source="again").snapshot.columns.keys()
        == snapshot.columns.keys()
    )


def test_a_device_without_a_noise_model_has_no_numbers_and_says_so() -> None:
    found = read_document(listed(replace(DigitalAnalogDevice, name="FRESNEL")), device="FRESNEL", source="a test")
    assert found.snapshot.columns == {}
    assert found.unread[0].startswith("default_noise_model: it is missing")
    assert found.snapshot.medians()["readout_error"].median is None


@pytest.mark.parametrize(
    "document",
    [
        [],
        [3],
        [{"device_type": "FRESNEL"}],
        [{"device_type": "FRESNEL", "specs": "{"}],
        {"devices": 3},
        listed(AnalogDevice) * 0,
    ],
)
def test_what_is_no_specification_is_one_sentence(document: Any) -> None:
    with pytest.raises(InvalidOptionError):
        read_document(document, device="FRESNEL", source="a test")


VALUE = st.none() | st.booleans() | st.integers(-1, 30) | st.floats() | st.text(max_size=3)
ANYTHING = VALUE | st.lists(VALUE, max_size=2) | st.dictionaries(st.sampled_from(["p_false_pos", "p_false_neg", "relaxation_rate", "id", "x"]), VALUE, max_size=3)  # fmt: skip
NAMES = st.sampled_from(["max_atom_num", "channels", "default_noise_model", "pre_calibrated_layouts", "max_runs"])


@given(st.dictionaries(NAMES, ANYTHING))
def test_whatever_a_service_says_is_read_or_refused(specs: dict[str, Any]) -> None:
    try:
        found = read_document([{"device_type": "X", "specs": json.dumps(specs)}], device="X", source="fuzz")
    except InvalidOptionError:
        return
    json.dumps(found.snapshot.to_json(), allow_nan=False)
    assert found.unread
