"""What the server tells of devices, queue and jobs: real jobs of the embedded site, over HTTP."""

from __future__ import annotations

import pytest

from qhub_ext import __version__
from qhub_ext.job.identity import short_id
from tests.server.conftest import until


async def test_an_empty_shelf_has_a_status_tiers_and_no_jobs(api):
    status = await api.get("status")
    assert status.status == 200
    assert status["version"] == __version__
    assert status["counts"] == {"running": 0, "waiting": 0}
    assert status["writable"] is True
    assert [t["name"] for t in status["tiers"]] == ["local", "emulation", "qpu"]
    assert all(t["open"] for t in status["tiers"]), status["tiers"]
    listed = await api.get("jobs")
    assert (listed["jobs"], listed["total"]) == ([], 0)


async def test_devices_come_with_the_age_of_their_snapshot(api):
    devices = {d["name"]: d for d in (await api.get("devices"))["devices"]}
    kingston = devices["kingston"]
    assert kingston["qubits"] == 156
    assert kingston["snapshot_age_s"] > 0
    assert kingston["resource"] is None
    assert kingston["virtual"] is True
    assert len(kingston["dead_edges"]) > 0


@pytest.mark.parametrize("name", ["kingston", "ibm_kingston", "manila", "london"])
async def test_a_calibration_has_a_place_for_each_qubit_and_a_date_for_each_value(api, name):
    found = await api.get(f"devices/{name}/calibration")
    assert found.status == 200
    indexes = [q["index"] for q in found["qubits"]]
    assert indexes == list(range(len(indexes)))
    assert len({(q["x"], q["y"]) for q in found["qubits"]}) == len(indexes), "two qubits at one place"
    for edge in found["edges"]:
        assert edge["gate"]
        assert edge["dated_at"]
        assert edge["dead"] == (edge["error"] == 1.0)


async def test_an_unknown_device_is_404_with_the_nearest_names(api):
    found = await api.get("devices/kingstone/calibration")
    assert found.status == 404
    assert "'kingston'" in found["advice"]


async def test_a_job_is_told_from_the_queue_to_its_outputs(api, submit, ended):
    job = submit("print('hello'); 6*7", name="six by seven", shots=100)
    answer = await ended(job)
    assert answer["state"] == "completed"
    assert answer["short_id"] == short_id(job.id)
    assert answer["requested"] == {"name": "six by seven", "shots": 100}
    assert ["state", "✓ completed"] in answer["lines"]
    assert "rerun" in answer["actions"]
    outputs = await api.get(f"jobs/{job.id}/outputs")
    assert outputs["final"] is True
    assert [o["output_type"] for o in outputs["outputs"]] == ["stream", "execute_result"]
    assert outputs["outputs"][1]["data"]["text/plain"] == "42"
    again = await api.get(f"jobs/{job.id}/outputs", after=outputs["seq"])
    assert again["unchanged"] is True
    assert "outputs" not in again.body
    listed = await api.get("jobs")
    assert [(j["id"], j["name"], j["state"]) for j in listed["jobs"]] == [(job.id, "six by seven", "completed")]


async def test_a_failed_job_is_explained(api, submit, ended):
    job = submit("1/0")
    assert (await ended(job))["state"] == "failed"
    why = await api.get(f"jobs/{job.id}/explain")
    assert why["cause"] == "code"
    assert why["audience"] == "you"
    assert "ZeroDivisionError" in why["sentence"]


async def test_the_queue_tells_whose_jobs_are_mine_and_why_they_wait(api, submit):
    first = submit("import time; time.sleep(60)", cpus=2)
    second = submit("1", cpus=2)

    async def both():
        entries = {e["job_id"]: e for e in (await api.get("queue"))["entries"]}
        return entries if entries.keys() == {first.id, second.id} and entries[first.id]["position"] is None else None

    entries = await until(both, what="a queue of two")
    assert entries[second.id]["mine"] is True
    assert entries[second.id]["position"] == 1
    assert entries[second.id]["reason"]
    why = await api.get(f"jobs/{second.id}/explain")
    assert why["sentence"]

    async def one_waits():  # the status knows what the monitor has heard
        return (await api.get("status"))["counts"]["waiting"] == 1

    await until(one_waits, what="a status with one job that waits")


async def test_jobs_are_filtered_searched_and_paged(api, place, submit, ended):
    jobs = [submit(f"{n}", name=f"job {n}", tier="emulation" if n % 2 else "local") for n in range(4)]
    for job in jobs:
        await ended(job)
    newest_first = [j.id for j in reversed(jobs)]
    page = await api.get("jobs", offset=1, limit=2)
    assert [j["id"] for j in page["jobs"]] == newest_first[1:3]
    assert page["total"] == 4
    assert page["counts"] == {"completed": 4}
    assert [j["id"] for j in (await api.get("jobs", tier="emulation"))["jobs"]] == [jobs[3].id, jobs[1].id]
    assert [j["id"] for j in (await api.get("jobs", text="JOB 2"))["jobs"]] == [jobs[2].id]
    assert (await api.get("jobs", state="failed"))["jobs"] == []


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"offset": "x"}, {"tier": "moon"}, {"state": "gone"}]
)
async def test_a_slip_in_the_query_is_400_and_says_what_is_accepted(api, query):
    answer = await api.get("jobs", **query)
    assert answer.status == 400
    assert answer["message"]
    assert answer["advice"]
    assert answer["audience"] == "you"
