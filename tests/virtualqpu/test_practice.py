"""Faults and calibrations that a notebook asks of the virtual QPU of its machine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.errors import InvalidOptionError
from qhub_ext.virtualqpu import practice


@pytest.fixture
def own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("QHUB_QPU_VIRTUAL_DIRECTORY", str(tmp_path / "virtual"))
    yield
    os.kill(json.loads((tmp_path / "virtual" / "server.json").read_text())["pid"], signal.SIGTERM)


def test_the_virtual_qpu_is_started_and_goes_wrong_and_drifts_at_a_word(own_machine: None) -> None:
    assert [fault["kind"] for fault in practice.switch_on("failed_job", times=2)] == ["failed_job"]
    assert len(practice.switch_on("paused")) == 2
    practice.switch_off()
    assert [fault["kind"] for fault in practice.switch_on("503", where="/jobs")] == ["503"]
    first, second = practice.calibrate("manila_v2"), practice.calibrate("manila_v2")
    assert (first["cycle"], second["cycle"]) == (1, 2)
    assert first["snapshot"] != second["snapshot"]
    assert practice.calibrate("manila_v2", window_s=600)["calibrating"]
    with pytest.raises(InvalidOptionError, match="There is no fault 'earthquake'"):
        practice.switch_on("earthquake")
    with pytest.raises(InvalidOptionError, match="refused"):
        practice.calibrate("nosuch")
