"""Quantum tasks at a real broker, as the sidebar sees them."""

from __future__ import annotations

from tests.broker.conftest import bell_qasm, new_broker, server, through_the_broker  # noqa: F401 - fixtures
from tests.server.conftest import until


async def test_without_a_broker_there_are_none(api):
    assert (await api.get("status"))["broker"] is False
    assert (await api.get("tasks"))["tasks"] == []


async def test_each_task_says_why_it_waits(api, submit, new_broker, through_the_broker, bell_qasm):  # noqa: F811
    job = submit("import time; time.sleep(300)", tier="local")
    broker = new_broker()
    broker.ask("POST", "/v1/devices/kingston/drain", {"note": ""})
    task = broker.submit(broker.session(job=job.id), bell_qasm, 1000)
    through_the_broker(broker)

    async def of_the_job():
        found = (await api.get("tasks")).body
        return found if found["tasks"] and found["tasks"][0]["job_id"] else None

    found = await until(of_the_job, what="the task of the job")
    assert found["total"] == 1
    assert (await api.get("status"))["broker"] is True
    shown = found["tasks"][0]
    assert (shown["id"], shown["job_id"], shown["mine"], shown["state"]) == (task, job.id, True, "queued")
    assert (shown["place"], shown["done"], shown["of"], shown["device"]) == (1, 0, 1000, "kingston")
    assert "kingston" in shown["why"]

    broker.stop()

    async def away():
        answer = await api.get("tasks")
        return answer if answer.status != 200 else None

    answer = await until(away, what="that the broker is away")
    assert answer.status == 502
    assert "cannot be reached" in answer["message"]
