"""Hints over the event bus: what changed reaches every subscriber, and the site is asked no more often for many than for one."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from qhub_ext.jobfolder.journal import append_once
from qhub_ext.server.desk import Desk
from tests.server.conftest import until
from tests.waiting import remove_tree


@pytest.fixture
def subscribe(jp_ws_fetch) -> Callable[[], Awaitable[Callable[..., Awaitable[dict[str, Any]]]]]:
    """Opens an event socket; what comes back gives the next hint of a kind."""

    async def subscribe():
        socket = await jp_ws_fetch("api", "events", "subscribe")

        async def hint(kind: str = "job", **fields: Any) -> dict[str, Any]:
            while True:
                message = json.loads(await asyncio.wait_for(socket.read_message(), 120))
                assert message.pop("schema_id") == "urn:qhub-ext:hint:1"
                if message["kind"] == kind and all(message[k] == v for k, v in fields.items()):
                    return message

        return hint

    return subscribe


@pytest.fixture
def desk(jp_serverapp) -> Desk:
    return jp_serverapp.web_app.settings["qhub_desk"]


async def test_a_submission_and_an_end_come_as_hints_and_changes(api, submit, subscribe):
    listed = await api.get("jobs")
    hint = await subscribe()
    job = submit("print(1)", name="told")
    first = await hint(id=job.id)
    assert first["epoch"] == listed["epoch"]
    assert first["seq"] > listed["seq"]
    last = first if first["state"] == "completed" else await hint(id=job.id, state="completed")
    changes = await api.get("changes", epoch=listed["epoch"], after=listed["seq"])
    assert changes["complete"] is True
    assert changes["seq"] >= last["seq"]
    assert [(j["id"], j["name"], j["state"]) for j in changes["jobs"]] == [(job.id, "told", "completed")]
    assert changes["counts"] == {"completed": 1}
    nothing = await api.get("changes", epoch=changes["epoch"], after=changes["seq"])
    assert (nothing["jobs"], nothing["removed"], nothing["complete"]) == ([], [], True)


async def test_a_state_written_into_a_folder_is_told_although_the_site_hangs(api, submit, subscribe, desk):
    submit("import time; time.sleep(100)", cpus=2)
    job = submit("1")
    await api.get("jobs")
    hint = await subscribe()
    over = threading.Event()
    site = desk.service().site()
    site.poll = lambda ids: over.wait(60) and {}
    try:
        append_once(job.folder.journal("runner"), "state", state="running", attempt=1)
        assert (await hint(id=job.id, state="running"))["seq"] > 1
        listed = await api.get("jobs")
        assert next(j["state"] for j in listed["jobs"] if j["id"] == job.id) == "running"
    finally:
        over.set()


async def test_what_a_running_job_prints_comes_as_a_hint_of_its_own(api, submit, subscribe):
    await api.get("jobs")
    hint = await subscribe()
    job = submit("import time\nfor n in range(1000):\n    print(n, flush=True)\n    time.sleep(.02)")
    told = await hint("outputs", id=job.id)
    assert told["state"] in ("starting", "running")
    seen = await api.get(f"jobs/{job.id}/outputs")
    assert seen["seq"] >= 1
    await hint("outputs", id=job.id)


async def test_a_removed_folder_is_told_as_removed(api, submit, ended, subscribe):
    job = submit("1")
    await ended(job)
    listed = await api.get("jobs")
    hint = await subscribe()
    remove_tree(job.folder.path)
    assert (await hint(id=job.id))["state"] == ""
    changes = await api.get("changes", epoch=listed["epoch"], after=listed["seq"])
    assert changes["removed"] == [job.id]
    assert (await api.get(f"jobs/{job.id}")).status == 404


async def test_a_requeue_of_a_finished_job_is_seen(api, submit, ended, subscribe):
    job = submit("1")
    await ended(job)
    hint = await subscribe()
    job.requeue()
    await hint(id=job.id)

    async def second_end():
        told = await api.get(f"jobs/{job.id}")
        return told["attempts"][-1]["number"] == 2 and told["state"] == "completed"

    await until(second_end, what="the end of the second attempt")


async def test_an_action_is_in_the_listing_when_its_answer_comes(api, submit):
    submit("import time; time.sleep(100)", cpus=2)
    job = submit("1")
    held = await api.post(f"jobs/{job.id}/hold")
    assert held["job"]["state"] == "held"
    listed = {j["id"]: j["state"] for j in (await api.get("jobs"))["jobs"]}
    assert listed[job.id] == "held"


async def test_a_waiting_job_says_in_the_listing_why_it_waits(api, submit):
    submit("import time; time.sleep(100)", cpus=2)
    job = submit("1", cpus=2)

    async def told():
        line = next(j for j in (await api.get("jobs"))["jobs"] if j["id"] == job.id)
        return line if line["reason"] else None

    line = await until(told, what="a reason")
    assert line["as_of"] is not None
    assert line["stale_since"] is None


async def test_twenty_subscribers_cost_the_site_what_one_does(api, submit, subscribe, desk, place):
    """Each of them fetches what every browser tab fetches after a hint."""
    site = desk.service().site()
    asked = {"poll": 0, "queue": 0, "explain_reason": 0}
    for verb in asked:
        method = getattr(site, verb)

        def count(*arguments, verb=verb, method=method):
            asked[verb] += 1
            return method(*arguments)

        setattr(site, verb, count)

    async def tab(hint, job_id: str) -> None:
        listed = await api.get("jobs")
        seq = listed["seq"]
        while True:
            changes = await api.get("changes", epoch=listed["epoch"], after=seq)
            seq = changes["seq"]
            _, _, told = await asyncio.gather(api.get("queue"), api.get("status"), api.get(f"jobs/{job_id}"))
            if told["ended_at"]:
                return
            await hint()

    async def watch(tabs: int) -> tuple[dict[str, int], float]:
        """What one job from its submission to its end costs, and how long that took."""
        await api.get("jobs")
        before, hints = dict(asked), [await subscribe() for _ in range(tabs)]
        began = time.monotonic()
        job = submit("import time; time.sleep(.5)")
        await asyncio.gather(*(tab(hint, job.id) for hint in hints))
        return {verb: asked[verb] - before[verb] for verb in asked}, time.monotonic() - began

    (one, took_s), (twenty, took_together_s) = await watch(1), await watch(20)
    longer = max(1.0, took_together_s / took_s)  # the site is asked again and again for as long as it lasts
    assert twenty["queue"] <= longer * one["queue"] + 3, (one, twenty, longer)
    assert sum(twenty.values()) <= 2 * longer * sum(one.values()) + 5, (one, twenty, longer)
