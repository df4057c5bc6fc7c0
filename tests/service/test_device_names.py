"""One device has one name in a job, however its name was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import UnknownNameError
from qhub_ext.service import JobService
from qhub_ext.settings import SlurmDeviceSettings, SlurmSettings, load_settings


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobService:
    monkeypatch.setenv("QHUB_SHELF", str(tmp_path / "jobs"))
    return JobService(load_settings())


WRITTEN = ["kingston", "Kingston", " ibm_kingston", "IBM_KINGSTON\t", "FakeKingston"]


@pytest.mark.parametrize("written", WRITTEN)
def test_a_job_has_the_device_s_own_name(service: JobService, written: str) -> None:
    draft = service.draft(Request(tier="local", device=written), "x = 1", {})
    assert draft.spec.device == "kingston"


def test_so_it_has_where_the_settings_or_a_notebook_name_it(
    service: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QHUB_DEVICE", "ibm_kingston")
    assert JobService(load_settings()).draft(Request(tier="local"), "x = 1", {}).spec.device == "kingston"


@pytest.mark.parametrize("written", ["kingstn", "king ston", "kingston'", '"', "../kingston", "a" * 500, "\x00"])
def test_a_name_that_no_device_has_is_refused(service: JobService, written: str) -> None:
    with pytest.raises(UnknownNameError, match="no device"):
        service.draft(Request(tier="local", device=written), "x = 1", {})


@pytest.mark.parametrize("key", ["kingston", "ibm_kingston", "Kingston"])
def test_slurm_s_resources_of_a_device_are_found_by_any_of_its_names(key: str) -> None:
    licences = SlurmDeviceSettings(licenses="qpu:1")
    found = SlurmSettings(devices={key: licences, "fez": SlurmDeviceSettings(gres="x:1")})
    assert found.device("kingston") == licences
    assert found.device("atlantis") is None
