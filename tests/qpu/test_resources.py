"""Which resource stands for a device, by whom it was named, and why one cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qhub_ext.errors import DeviceError, PreflightError, SettingsError
from qhub_ext.service.job_device import VIRTUAL, resource_title
from qhub_ext.service.resources import list_states
from qhub_ext.settings import QpuResourceSettings, QpuSettings, Settings
from qhub_ext.tiers.qpu.failures import failure
from qhub_ext.tiers.qpu.resources import Resource, list_resources, resource_for

QCS = "ibm-quantum-compute-service"


def settings(tmp_path: Path, **more: object) -> QpuSettings:
    config = tmp_path / "qrmi_config.json"
    config.write_text(
        json.dumps({"resources": [{"name": "ibm_fez", "type": QCS, "environment": {"QRMI_IBM_QCS_ENDPOINT": "file"}}]})
    )
    return QpuSettings(config_file=config, **more)


def test_the_job_s_environment_comes_first_then_the_site_s_file_then_the_user_s(tmp_path: Path) -> None:
    own = {
        name: QpuResourceSettings(type=QCS, environment={"QRMI_IBM_QCS_ENDPOINT": "toml"})
        for name in ("ibm_fez", "ibm_torino", "ibm_kingston")
    }
    environment = {
        "QRMI_JOB_QPU_RESOURCES": "ibm_kingston",
        "QRMI_JOB_QPU_TYPES": QCS,
        "ibm_kingston_QRMI_IBM_QCS_ENDPOINT": "job",
    }
    found = {r.name: r for r in list_resources(settings(tmp_path, resources=own), environment)}
    endpoints = {name: r.config["QRMI_IBM_QCS_ENDPOINT"] for name, r in found.items()}
    assert endpoints == {"ibm_kingston": "job", "ibm_fez": "file", "ibm_torino": "toml"}
    assert found["ibm_kingston"].device == "kingston"


def test_the_legacy_names_of_the_job_s_environment_are_read(tmp_path: Path) -> None:
    environment = {"SLURM_JOB_QPU_RESOURCES": "kingston", "SLURM_JOB_QPU_TYPES": QCS}
    resource = resource_for("kingston", QpuSettings(config_file=None), environment)
    assert resource is not None
    assert resource.source == "the job's environment"


def test_one_unknown_type_does_not_take_the_others_down(tmp_path: Path) -> None:
    own = {"odd": QpuResourceSettings(type="abacus"), "kingston": QpuResourceSettings(type=QCS)}
    rows = list_states(QpuSettings(resources=own), ask=False)
    assert [bool(row.trouble) for row in rows] == [True, False]
    assert "'abacus' is not known" in rows[0].trouble


def test_a_resource_of_a_type_that_takes_no_primitives_says_so_before_submission() -> None:
    own = {"fresnel": QpuResourceSettings(type="alice-bob-felis", device="kingston")}
    with pytest.raises(DeviceError, match="take Felis programs, which this version does not send"):
        resource_title("qpu", "kingston", "embedded", Settings(qpu=QpuSettings(resources=own)))


def test_secrets_that_others_may_read_are_refused_and_named(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("QRMI_IBM_QCS_IAM_APIKEY=topsecret\n")
    secrets.chmod(0o644)
    own = {"kingston": QpuResourceSettings(type=QCS, secrets=secrets)}
    (row,) = list_states(QpuSettings(resources=own), ask=False)
    assert "chmod 600" in row.trouble
    secrets.chmod(0o600)
    (resource,) = list_resources(QpuSettings(resources=own), {})
    assert resource.config["QRMI_IBM_QCS_IAM_APIKEY"] == "topsecret"
    assert "topsecret" not in repr(resource)


@pytest.mark.parametrize("text", ["{", "[]", '{"resources": 3}', '{"resources": [{"name": "x"}]}'])
def test_a_file_that_is_no_configuration_of_qrmi_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "qrmi_config.json"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"is no qrmi_config\.json"):
        list_resources(QpuSettings(config_file=path), {})


def test_an_unequal_number_of_names_and_types_is_trouble() -> None:
    environment = {"QRMI_JOB_QPU_RESOURCES": "a,b", "QRMI_JOB_QPU_TYPES": QCS}
    assert all("names 2" in r.trouble for r in list_resources(QpuSettings(), environment))


def test_a_virtual_qpu_stands_in_at_the_embedded_site_only_unless_the_settings_say_more() -> None:
    never, always = Settings(qpu=QpuSettings(virtual="never")), Settings(qpu=QpuSettings(virtual="always"))
    assert resource_title("qpu", "kingston", "embedded", Settings()) == VIRTUAL
    assert resource_title("qpu", "kingston", "slurm", always) == VIRTUAL
    for site, chosen in (("slurm", Settings()), ("embedded", never)):
        with pytest.raises(PreflightError, match="stands for kingston"):
            resource_title("qpu", "kingston", site, chosen)
    assert resource_title("emulation", "kingston", "slurm", never) == ""


def test_odd_names_are_listed_as_they_are_and_one_without_a_name_says_so(tmp_path: Path) -> None:
    path = tmp_path / "qrmi_config.json"
    odd = ["my 'odd' \"name\"", "ünï cödé", "a,b", "../up", ""]
    path.write_text(json.dumps({"resources": [{"name": name, "type": QCS} for name in odd]}))
    found = list_resources(QpuSettings(config_file=path), {})
    assert [r.name for r in found] == odd
    assert [bool(r.trouble) for r in found] == [False] * 4 + [True]
    assert "has no name" in found[-1].trouble


def test_a_device_that_its_service_does_not_have_is_no_lost_task() -> None:
    resource = Resource("atlantis", QCS, "a test", "atlantis")
    asked = failure("status", resource, {"type": "TaskNotFoundError", "message": "task not found: 404"})
    assert "is not known to its service" in asked.message
    lost = failure("task_status", resource, {"type": "TaskNotFoundError", "message": "task not found: 404"})
    assert "does not know the task any more" in lost.message


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ('response body: 403 Forbidden {"errors":[{"code":403,"message":"no","more_info":""}]}', "403 Forbidden: no"),
        ('authentication failed: {"errors":[{"message":"a"},{"message":"b"}]}', "authentication failed: a; b"),
        ('{"message": "gone"}', "gone"),
        ('{"errors":[{"message":"no"}],"more":"' + "x" * 2000 + '"}', "no"),
        ('odd: {"errors": 3}', 'odd: {"errors": 3}'),
        ("plain {not json", "plain {not json"),
    ],
)
def test_a_service_s_json_is_told_in_its_words(said: str, read: str) -> None:
    resource = Resource("kingston", QCS, "a test", "kingston")
    assert failure("task_status", resource, {"type": "QrmiError", "message": said}).message.endswith(f": {read}.")
