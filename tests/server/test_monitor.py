"""The monitor by itself: when it looks, whatever the looks before took."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from qhub_ext.job.identity import new_job_id
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.server.monitor import ASK_FIRST_S, Monitor, entry_of
from qhub_ext.service import JobService
from tests.server.conftest import until


async def test_a_slow_first_look_does_not_put_the_next_one_off(place, submit):
    cold = threading.Event()

    def service():
        cold.wait(2.0)  # a server that has just begun imports for as long
        cold.set()
        return place

    monitor = Monitor(service, lambda hint: None, lambda ids: None, logging.getLogger("test"))
    try:
        await monitor.attend()
        job = submit("print(1)")

        async def told():
            return monitor.feed.get(job.id)

        assert (await until(told, what="the new job")).summary.name
    finally:
        await monitor.close()


class Watched:
    """A monitor that counts its looks, of a server where nobody asks any more after `attended_s`."""

    def __init__(self, place: JobService, monkeypatch: pytest.MonkeyPatch, attended_s: float = 0.2) -> None:
        self.looks = 0
        self.hints: list[dict[str, Any]] = []
        monkeypatch.setattr("qhub_ext.server.monitor.ATTENDED_S", attended_s)
        monkeypatch.setattr("qhub_ext.server.monitor.ASLEEP_S", attended_s)
        monkeypatch.setattr("qhub_ext.server.monitor.LOOK_UNATTENDED_S", 0.1)
        monkeypatch.setattr("qhub_ext.server.monitor.ASK_LAST_S", 0.3)
        monkeypatch.setattr("qhub_ext.server.monitor.SHARE", 1.0)  # slow looks, on a busy machine, are no rarer here

        def service() -> JobService:
            self.looks += 1
            return place

        self.monitor = Monitor(service, self.hints.append, lambda ids: None, logging.getLogger("test"))

    async def goes_quiet(self) -> bool:
        """Whether nothing is looked at or asked for a while."""
        before = (self.looks, self.monitor.questions)
        await asyncio.sleep(0.5)
        return before == (self.looks, self.monitor.questions)


async def test_where_nobody_looks_and_nothing_runs_it_rests_and_the_next_request_sees_what_happened(
    place, submit, monkeypatch
):
    one = Watched(place, monkeypatch)
    try:
        await one.monitor.attend()
        await until(one.goes_quiet, what="rest")
        job = submit("1")
        assert await one.goes_quiet()
        feed = await one.monitor.attend()
        assert feed.get(job.id) is not None
    finally:
        await one.monitor.close()


async def test_a_job_that_runs_is_watched_to_its_end_also_when_nobody_looks(place, submit, monkeypatch):
    one = Watched(place, monkeypatch)
    try:
        job = submit("import time; time.sleep(2)")
        await one.monitor.attend()

        async def told():
            return [h for h in one.hints if h["id"] == job.id and h["state"] == "completed"]

        await until(told, what="the end")
        await until(one.goes_quiet, what="rest")
    finally:
        await one.monitor.close()


async def test_the_site_is_asked_less_and_less_when_nothing_changes(place, submit, monkeypatch):
    submit("import time; time.sleep(100)", cpus=2)
    submit("1", cpus=2)
    one = Watched(place, monkeypatch, attended_s=60.0)
    monkeypatch.setattr("qhub_ext.server.monitor.ASK_LAST_S", 5.0)
    try:
        await one.monitor.attend()

        async def settled():
            return one.monitor._ask_pause_s > 2.0

        began = time.monotonic()
        await until(settled, what="a long pause")
        often = (time.monotonic() - began) / ASK_FIRST_S  # as many as if it had not grown
        assert one.monitor.questions < often
        submit("2")

        async def woken():
            return one.monitor._ask_pause_s < 1.0

        await until(woken, what="a short pause")
    finally:
        await one.monitor.close()


async def test_a_shelf_that_cannot_be_read_is_an_error_for_who_asks_and_the_monitor_recovers(place, submit, ended, api):
    job = submit("1")
    await ended(job)
    shelf = place.shelf.path
    aside = shelf.with_name("aside")
    shelf.rename(aside)
    shelf.write_text("not a folder")

    async def told():
        return (await api.get("jobs")).status == 409

    await until(told, what="the error")
    shelf.unlink()
    aside.rename(shelf)

    async def well():
        answer = await api.get("jobs")
        return answer.status == 200 and answer["total"] == 1

    await until(well, what="recovery")


@pytest.mark.parametrize(
    ("told", "listed"),
    [
        ("JobHeldUser", "It is held, by its owner."),
        ("1 of 2 CPUs are busy, and it needs 2 of them.", "1 of 2 CPUs are busy, and it needs 2 of them."),
        ("NoSuchWord", "NoSuchWord"),
        ("", ""),
    ],
)
def test_a_bare_word_of_the_site_is_listed_as_what_it_means(told: str, listed: str) -> None:
    spec = JobSpec(id=new_job_id(), name="a job", tier="local", device="kingston", created_at=1.0, owner="ada")
    record = JobRecord(spec, State.HELD, (Attempt(state=State.HELD, reason=told),), submitted_at=1.0)
    assert entry_of(record).to_json()["reason"] == listed
