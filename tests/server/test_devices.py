"""What stands for a device, as the server tells it: named at once, asked in the background, told by a hint."""

from __future__ import annotations

import json
import socket

import pytest

from qhub_ext.service import JobService
from tests.server.conftest import until
from tests.server.test_hints import subscribe  # noqa: F401 - a fixture


@pytest.fixture
def silent_address() -> str:
    """Nobody listens there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture
def resource_that_fails(tmp_path, monkeypatch, silent_address, place: JobService) -> None:
    keys = ("ENDPOINT", "IAM_ENDPOINT", "IAM_APIKEY", "SERVICE_CRN")
    environment = {f"QRMI_IBM_QCS_{key}": silent_address for key in keys}
    entry = {"name": "ibm_fez", "type": "ibm-quantum-compute-service", "environment": environment}
    path = tmp_path / "qrmi_config.json"
    path.write_text(json.dumps({"resources": [entry]}))
    monkeypatch.setenv("QHUB_QPU_CONFIG_FILE", str(path))


async def fez(api):
    return next(d for d in (await api.get("devices"))["devices"] if d["name"] == "fez")["resource"]


@pytest.mark.usefixtures("resource_that_fails")
async def test_a_resource_is_named_at_once_and_asked_meanwhile(api, subscribe):  # noqa: F811
    hint = await subscribe()
    resource = await fez(api)
    assert (resource["name"], resource["state"], resource["queue"]) == ("ibm_fez", "", None)
    await hint("devices")
    resource = await fez(api)
    assert resource["state"] == "unknown"
    assert resource["trouble"]


async def test_a_tier_without_a_resource_lists_no_device(api, monkeypatch):
    monkeypatch.setenv("QHUB_QPU_VIRTUAL", "never")

    async def noticed():
        return (await api.get("devices", tier="qpu"))["devices"] == []

    await until(noticed, what="the changed setting")
    assert len((await api.get("devices", tier="emulation"))["devices"]) > 50
    tiers = {t["name"]: t for t in (await api.get("status"))["tiers"]}
    assert tiers["qpu"]["open"] is False
    assert "none" in tiers["qpu"]["why"]


async def test_a_setting_that_is_changed_makes_a_new_epoch(api, submit, ended, monkeypatch, tmp_path):
    job = submit("1")
    await ended(job)
    before = await api.get("jobs")
    assert before["total"] == 1
    monkeypatch.setenv("QHUB_SHELF", str(tmp_path / "another shelf"))

    async def another():
        listed = await api.get("jobs")
        return listed if listed["epoch"] != before["epoch"] else None

    assert (await until(another, what="another epoch"))["total"] == 0
    assert (await api.get("changes", epoch=before["epoch"], after=before["seq"]))["complete"] is False


async def test_a_setting_that_is_wrong_is_said_and_the_server_recovers(api, monkeypatch):
    monkeypatch.setenv("QHUB_TIER", "moon")

    async def told():
        answer = await api.get("status")
        return answer if answer.status == 500 else None

    answer = await until(told, what="the error")
    assert "moon" in answer["message"]
    assert answer["audience"] == "you"
    monkeypatch.setenv("QHUB_TIER", "local")

    async def well():
        return (await api.get("status")).status == 200

    await until(well, what="recovery")
