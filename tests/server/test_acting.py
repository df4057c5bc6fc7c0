"""Actions over HTTP: what they do to real jobs, and how they are refused."""

from __future__ import annotations

from tests.server.conftest import until

LONG = "import time\nprint('begun', flush=True)\ntime.sleep(300)"


async def in_state(api, job, state):
    async def look():
        answer = await api.get(f"jobs/{job.id}")
        return answer if answer["state"] == state else None

    return await until(look, what=state)


async def test_a_running_job_is_cancelled(api, submit, ended):
    job = submit(LONG)
    await in_state(api, job, "running")
    answer = await api.post(f"jobs/{job.id}/cancel")
    assert answer.status == 200
    assert answer["refusals"] == []
    assert answer["job"]["id"] == job.id
    assert (await ended(job))["state"] == "cancelled"


async def test_a_held_job_waits_until_it_is_released(api, submit, ended):
    submit(LONG, cpus=2)
    job = submit("1")
    assert (await api.post(f"jobs/{job.id}/hold")).status == 200
    held = await in_state(api, job, "held")
    assert held["actions"] == ["release", "cancel"]
    assert (await api.post(f"jobs/{job.id}/release")).status == 200
    await in_state(api, job, "queued")


async def test_a_requeue_begins_a_second_attempt(api, submit, ended):
    job = submit("import os; print(os.environ['QHUB_ATTEMPT'])")
    await ended(job)
    assert (await api.post(f"jobs/{job.id}/requeue")).status == 200

    async def second():
        answer = await api.get(f"jobs/{job.id}")
        return answer if len(answer["attempts"]) == 2 and answer["ended_at"] else None

    assert (await until(second, what="a second end"))["state"] == "completed"
    assert (await api.get(f"jobs/{job.id}/outputs", attempt=1))["outputs"][0]["text"] == "1\n"
    assert (await api.get(f"jobs/{job.id}/outputs"))["outputs"][0]["text"] == "2\n"


async def test_what_the_state_does_not_allow_is_409_with_the_reason(api, submit, ended):
    job = submit("1")
    await ended(job)
    answer = await api.post(f"jobs/{job.id}/hold")
    assert answer.status == 409
    assert answer["refusals"][0]["job_id"] == job.id
    assert answer["refusals"][0]["why"] in answer["message"]


async def test_one_verb_for_many_jobs_tells_which_it_could_not_be_applied_to(api, submit, ended):
    done = submit("1")
    await ended(done)
    jobs = [submit(LONG, cpus=2) for _ in range(3)]
    answer = await api.post("actions", verb="cancel", ids=[done.id, *(j.id for j in jobs)])
    assert answer.status == 200
    assert [r["job_id"] for r in answer["refusals"]] == [done.id]
    for job in jobs:
        assert (await ended(job))["state"] == "cancelled"


async def test_a_malformed_action_is_400_and_an_unknown_job_404(api):
    assert (await api.post("actions", verb="destroy", ids=["01kayt4w2-7qm3xd"])).status == 400
    assert (await api.post("actions", verb="cancel", ids=[])).status == 400
    assert (await api.post("actions", verb="cancel", ids=["../../etc"])).status == 400
    assert (await api.post("actions", verb="cancel", ids=["01kayt4w2-7qm3xd"])).status == 404
    assert (await api.post("jobs/01kayt4w2-7qm3xd/cancel")).status == 404
    assert (await api.send("POST", "actions", body="{")).status == 400
    assert (await api.send("POST", "actions", body="[]")).status == 400
