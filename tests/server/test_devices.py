"""What stands for a device, as the server tells it: named at once, asked in the background, told by a hint."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from qhub_ext.service import JobService
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.virtual import virtual_resource
from tests.ports import closed_port
from tests.server.conftest import until
from tests.server.test_hints import subscribe  # noqa: F401 - a fixture


@pytest.fixture
def resource_that_fails(tmp_path, monkeypatch, place: JobService) -> None:
    keys = ("ENDPOINT", "IAM_ENDPOINT", "IAM_APIKEY", "SERVICE_CRN")
    environment = {f"QRMI_IBM_QCS_{key}": f"http://127.0.0.1:{closed_port()}" for key in keys}
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


@pytest.mark.usefixtures("resource_that_fails")
async def test_an_announced_window_is_told_also_of_a_device_that_does_not_answer(api, monkeypatch, tmp_path):
    begin = datetime.now(UTC) + timedelta(hours=3)
    window = '[[qpu.windows]]\ndevice = "{}"\nstart = "{}"\nlength_s = 2700\nrule = "FREQ=DAILY"\n'
    later = begin + timedelta(hours=1)
    text = "".join(window.format(*one) for one in (("marrakesh", begin.isoformat()), ("ibm_fez", later.isoformat())))
    (tmp_path / "qhub.toml").write_text(text)
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))

    async def announced():
        return (await fez(api))["next_calibration_at"]

    assert abs(await until(announced, what="the changed setting") - later.timestamp()) < 1


@pytest.mark.usefixtures("resource_that_fails")
async def test_a_slip_in_an_announced_window_is_said_of_its_device_and_spoils_no_other(api, monkeypatch, tmp_path):
    later = datetime.now(UTC) + timedelta(hours=2)
    window = '[[qpu.windows]]\ndevice = "{}"\nstart = "{}"\nlength_s = {}\nrule = "{}"\n'
    slips = (
        ("fez", "2026-01-01T03:00:00Z", 60, "FREQ=SOMETIMES"),
        ("fez", "2026-01-01T03:00:00Z", 60, "FREQ=DAILY;INTERVAL=0"),  # which dateutil never comes back from
        ("fez", "2026-01-01T03:00:00Z", 1e12, "FREQ=DAILY"),
        ("fez", "0001-01-01T00:00:00+14:00", 60, "FREQ=YEARLY"),
        ("kingson", "2026-01-01T03:00:00Z", 60, "FREQ=DAILY"),
        ("ibm_fez", later.isoformat(), 60, ""),
    )
    (tmp_path / "qhub.toml").write_text("".join(window.format(*slip) for slip in slips))
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))

    async def told():
        return (await fez(api))["windows_trouble"]

    words = await until(told, what="the changed setting")
    for number, why in enumerate(
        ("'FREQ=SOMETIMES' is no recurrence rule", "INTERVAL=0", "1e+12 s", "out of range"), 1
    ):
        assert f"Calibration window {number} of qpu.windows is not told: " in words
        assert why in words
    assert "kingson" not in words
    assert abs((await fez(api))["next_calibration_at"] - later.timestamp()) < 1
    assert "windows" not in (await fez(api))["trouble"], "the device can be used all the same"
    findings = (await api.get("doctor"))["findings"]
    [unknown] = [one for one in findings if "kingson" in one["what"]]
    assert unknown["level"] == "warning"
    assert "Did you mean 'kingston'" in unknown["advice"]
    assert [one["what"] for one in findings if one["what"].endswith("announced.")] == [
        "1 calibration window is announced."
    ]


async def test_a_virtual_device_that_is_up_tells_its_queue_and_its_next_calibration(api, monkeypatch, place, subscribe):  # noqa: F811
    monkeypatch.setenv("QHUB_QPU_VIRTUAL_CYCLE_S", "7200")
    settings = place.settings.qpu.model_copy(update={"virtual_cycle_s": 7200.0})
    resource = virtual_resource("fez", settings)
    process = ResourceProcess(resource)
    try:
        process.call("status", deadline_s=60.0)
        process.call("target", deadline_s=60.0)
    finally:
        process.close()
    before = time.time()

    async def told():
        return next(d for d in (await api.get("devices"))["devices"] if d["name"] == "fez")["resource"]

    try:
        found = await until(told, what="the virtual fez")
        device = next(d for d in (await api.get("devices"))["devices"] if d["name"] == "fez")
        assert device["virtual"] is True
        assert (found["state"], found["queue"], found["type"]) == ("online", 0, "virtual")
        assert before + 7000 < found["next_calibration_at"] < before + 7300
        assert [d["resource"] for d in (await api.get("devices"))["devices"] if d["name"] == "kingston"] == [None]
    finally:
        server = json.loads((settings.virtual_directory / "server.json").read_text())
        os.kill(server["pid"], signal.SIGTERM)
