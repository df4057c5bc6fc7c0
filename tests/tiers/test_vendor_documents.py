"""What QRMI gives as a target, read as far as it can be read; what cannot is named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers import catalog
from qhub_ext.tiers.reading import Reading
from qhub_ext.tiers.snapshots import read_document


@pytest.fixture
def manila() -> dict[str, Any]:
    return copy.deepcopy(
        {"configuration": catalog.read_configuration("manila"), "properties": catalog.read_properties("manila")}
    )


def read(document: Any) -> Reading:
    return read_document(json.loads(json.dumps(document)), device="manila", source="a test")


def test_a_whole_document_is_the_snapshot_of_the_catalog(manila: dict[str, Any]) -> None:
    reading = read(manila)
    assert reading.unread == ()
    assert reading.snapshot.id == catalog.read_snapshot("manila").id


def test_what_cannot_be_read_is_named_by_its_place_and_the_rest_is_kept(manila: dict[str, Any]) -> None:
    properties = manila["properties"]
    properties["qubits"][1][0]["unit"] = "furlong"
    properties["qubits"][2] = "nothing"
    properties["gates"][0]["qubits"] = [99]
    del properties["gates"][1]["parameters"]
    properties["qubits"][3][1]["date"] = "yesterday"
    reading = read(manila)
    told = "\n".join(reading.unread)
    for words in (
        "qubits[1].T1: the unit 'furlong'",
        "qubits[2]: a list",
        "gates[0]: it is on qubits (99,)",
        "gates[1]:",
        "qubits[3]",
    ):
        assert words in told, words
    snapshot = reading.snapshot
    assert snapshot.column("t1_s")[0] is not None
    assert snapshot.column("t1_s")[1] is None
    assert snapshot.column("t1_s")[2] is None


def test_without_a_configuration_the_numbers_are_read_and_its_absence_is_said(manila: dict[str, Any]) -> None:
    for document in ({"configuration": None, "properties": manila["properties"]}, manila["properties"]):
        reading = read(document)
        assert reading.snapshot.qubits == 5
        assert "configuration" in reading.unread[0]


def test_without_a_date_the_latest_value_dates_it(manila: dict[str, Any]) -> None:
    del manila["properties"]["last_update_date"]
    reading = read(manila)
    assert reading.snapshot.taken_at.startswith("2024-05-27")
    assert any("last_update_date" in sentence for sentence in reading.unread)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (None, "JSON object, not NoneType"),
        ([], "no specification of manila"),
        ({}, "holds nothing"),
        ({"device": 3}, "holds device"),
        ({"configuration": None, "properties": None}, "properties are null"),
        ({"configuration": {}, "properties": {}}, "how many qubits"),
        ({"quality_metrics": {"observations": []}}, "which qubits"),
    ],
)
def test_what_is_no_target_is_one_sentence(document: Any, words: str) -> None:
    with pytest.raises(InvalidOptionError, match=words):
        read(document)


def test_the_quality_metrics_of_iqm_are_read_with_its_own_names() -> None:
    at = "2025-12-09T11:50:43.802455"

    def observation(field: str, value: float | None, **more: Any) -> dict[str, Any]:
        return {"dut_field": field, "value": value, "unit": "", "created_timestamp": at, "invalid": False, **more}

    document = {
        "dynamic_quantum_architecture": {
            "qubits": ["QB1", "QB2", "QB3"],
            "computational_resonators": [],
            "gates": {"prx": {}, "cz": {}, "measure": {}},
        },
        "calibration_set": {},
        "static_quantum_architecture": None,
        "quality_metrics": {
            "end_timestamp": "2025-12-09T11:50:44.542799Z",
            "observations": [
                observation("characterization.model.QB1.t1_time", 4.1e-5),
                observation("characterization.model.QB2.t2_time", 2.5e-5),
                observation("metrics.ssro.measure.constant.QB1.fidelity", 0.96),
                observation("metrics.ssro.measure.constant.QB1.error_0_to_1", 0.03),
                observation("metrics.ssro.measure.constant.QB1.error_1_to_0", 0.05),
                observation("metrics.rb.prx.drag_crf_sx.QB3.fidelity:par=d2", 0.999),
                observation("metrics.irb.cz.crf_crf.QB1__QB2.fidelity:par=d2", 0.98),
                observation("metrics.irb.cz.slepian_crf.QB1__QB2.fidelity:par=d2", 0.99),
                observation("metrics.irb.cz.crf_crf.QB2__QB3.fidelity:par=d2", 0.5, invalid=True),
                observation("metrics.irb.cz.crf_crf.QB1__COMP_R.fidelity", 0.9),
                observation("controllers.QB1.flux.voltage", 0.1),
            ],
        },
    }
    reading = read_document(document, device="garnet", source="a test")
    snapshot = reading.snapshot
    assert snapshot.taken_at == "2025-12-09T11:50:44Z"
    assert snapshot.extra["names"] == ["QB1", "QB2", "QB3"]
    assert snapshot.column("t1_s").values == (4.1e-5, None, None)
    assert snapshot.column("t2_s").values == (None, 2.5e-5, None)
    assert snapshot.column("readout_error")[0] == pytest.approx(0.04)
    assert snapshot.column("prob_meas1_prep0")[0] == 0.03
    assert snapshot.one_qubit_errors[2] == pytest.approx(1e-3)
    assert dict(snapshot.edges) == {(0, 1): pytest.approx(0.01)}  # the best that the device offers there
    told = "\n".join(reading.unread)
    assert "COMP_R" in told
    assert "1 observations of controllers.QB1" in told
