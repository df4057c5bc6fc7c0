"""A broker of one user: the first task starts it, kill -9 costs nothing, and it leaves when nobody needs it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from qhub_ext.broker.idle import Idle
from qhub_ext.errors import DeviceError, PreflightError
from qhub_ext.job.context import using
from qhub_ext.primitives import Sampler
from qhub_ext.service.broker_checkup import examine
from qhub_ext.service.broker_tasks import open_tasks
from qhub_ext.service.job_device import resource_title
from qhub_ext.settings import current_settings
from qhub_ext.sites.embedded.processes import start_time
from qhub_ext.tiers.qpu import standing
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.tiers.qpu.own_broker import is_up, keep_up
from qhub_ext.tiers.qpu.pool import close_all
from tests.circuits import bell_pair
from tests.qpu.conftest import VirtualQpu, isa
from tests.sites.test_upgrade import change, package
from tests.waiting import wait_until

__all__ = ["package"]


@dataclass
class Own:
    directory: Path
    server: VirtualQpu

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.directory / "broker.json").read_text()))

    def ask(self, method: str, target: str, body: Any = None) -> Any:
        return ask_broker(self.directory / "broker.sock", method, target, body)

    def kill(self) -> None:
        pid = self.record["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: start_time(pid) is None, what="the end of the broker")


@pytest.fixture
def own(server: VirtualQpu, monkeypatch: pytest.MonkeyPatch) -> Iterator[Own]:
    folder = Path(tempfile.mkdtemp(prefix="qhub-own-", dir="/tmp"))  # a socket's path is short
    found = Own(folder / "broker", server)
    for name, value in {
        "BROKER_ON_DEMAND": "1", "BROKER_DIRECTORY": str(found.directory), "QPU_VIRTUAL": "always",
        "QPU_VIRTUAL_DIRECTORY": str(server.directory), "BROKER_SWEEP_S": "0.5",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"QHUB_{name}", value)
    monkeypatch.delenv("QHUB_BROKER_SOCKET", raising=False)
    try:
        yield found
    finally:
        server.admin("DELETE")
        standing._sessions.clear()
        close_all()
        with contextlib.suppress(OSError, ValueError):
            found.kill()
        shutil.rmtree(folder)


def sampled(shots: int, device: str = "kingston", job: str = "one") -> Any:
    with using(tier="qpu", device=device, job_id=job):
        return Sampler().run([isa(bell_pair())], shots=shots)


def shots_of(job: Any) -> int:
    return int(sum(job.result()[0].data.meas.get_counts().values()))


def test_the_first_task_starts_it_and_a_task_for_another_device_finds_it_there(own: Own) -> None:
    settings = current_settings()
    assert not is_up(settings.broker)
    assert open_tasks(settings) == {"tasks": [], "total": 0}, "to look starts nothing"
    assert resource_title("qpu", "kingston", "embedded", settings) == "broker, virtual (simulated)"
    assert [f.what[:37] for f in examine(settings)] == ["Your own broker starts with the first"]
    assert not is_up(settings.broker)
    assert shots_of(sampled(300)) == 300
    first = own.record
    assert shots_of(sampled(200, "fez", "two")) == 200
    assert own.record == first
    used = {(row["device"], row["job"]) for row in own.ask("GET", "/v1/usage")["usage"]}
    assert used == {("kingston", "one"), ("fez", "two")}
    assert (own.directory / "broker.sock").stat().st_mode & 0o777 == 0o600
    with pytest.raises(PreflightError, match="no device"):
        own.ask("POST", "/v1/devices", {"device": "kingstn"})


def test_there_is_one_however_many_need_it_at_once(own: Own) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: keep_up(), range(4)))
    started = [p for p in psutil.process_iter(["cmdline"]) if str(own.directory) in (p.info["cmdline"] or ())]
    assert [p.pid for p in started] == [own.record["pid"]]


def test_who_waits_for_a_task_does_not_notice_that_it_was_killed(own: Own) -> None:
    own.server.fault("paused")
    job = sampled(700)
    wait_until(lambda: is_up(current_settings().broker) and own.ask("GET", "/v1/tasks")["total"], what="the task")  # fmt: skip
    before = own.record["instance"]
    own.kill()
    own.server.admin("DELETE")
    assert shots_of(job) == 700
    assert own.record["instance"] != before
    (row,) = own.ask("GET", "/v1/usage")["usage"]
    assert row["tasks"] == 1


def test_the_next_one_goes_on_with_what_was_left_on_any_device(own: Own) -> None:
    own.server.fault("paused")
    keep_up()
    own.ask("POST", "/v1/devices", {"device": "fez"})
    session = own.ask("POST", "/v1/sessions", {})["id"]
    params = {"pubs": [["OPENQASM 3.0; bit[1] c; c[0] = measure $0;", None, 50]], "version": 2}
    task = own.ask("POST", "/v1/tasks", {"session": session, "device": "fez", "program": "sampler", "params": params})["id"]  # fmt: skip
    own.kill()
    own.server.admin("DELETE")
    keep_up()
    ended = wait_until(lambda: (t := own.ask("GET", f"/v1/tasks/{task}?wait=20"))["ended_at"] and t, what="its end")  # fmt: skip
    assert (ended["state"], ended["device"], ended["done"]) == ("completed", "fez", 50)


def test_it_leaves_when_idle_and_comes_again_with_its_accounts(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QHUB_BROKER_IDLE_EXIT_S", "1")
    own.server.fault("paused")
    job = sampled(100)
    wait_until(lambda: is_up(current_settings().broker) and own.ask("GET", "/v1/tasks")["total"], what="the task")  # fmt: skip
    first = own.record
    own.server.admin("DELETE")
    assert shots_of(job) == 100
    wait_until(lambda: start_time(first["pid"]) is None, what="that it leaves")
    monkeypatch.delenv("QHUB_BROKER_IDLE_EXIT_S")  # so that the next one can be asked afterwards
    assert shots_of(sampled(150, job="two")) == 150
    assert own.record["instance"] != first["instance"]
    assert sum(row["tasks"] for row in own.ask("GET", "/v1/usage")["usage"]) == 2


def test_one_of_older_code_leaves_when_newer_can_be_started_which_goes_on_with_what_waits(
    package: Path, own: Own
) -> None:
    own.server.fault("paused")
    keep_up()
    own.ask("POST", "/v1/devices", {"device": "kingston"})
    session = own.ask("POST", "/v1/sessions", {})["id"]
    params = {"pubs": [["OPENQASM 3.0; bit[1] c; c[0] = measure $0;", None, 60]], "version": 2}
    task = own.ask("POST", "/v1/tasks", {"session": session, "device": "kingston", "program": "sampler", "params": params})["id"]  # fmt: skip
    before = own.record
    change(package / "broker/idle.py", "class Idle:", "class Idle(:")
    log = own.directory / "server.log"
    wait_until(lambda: "cannot be started (yet)" in log.read_text(), what="its trying")
    assert own.record == before, "it stays as long as the new code is broken"
    change(package / "broker/idle.py", "class Idle(:", "class Idle:")
    wait_until(lambda: start_time(before["pid"]) is None, what="that it leaves")
    wait_until(lambda: is_up(current_settings().broker), what="the next one, which nobody asked for")
    assert own.record["instance"] != before["instance"]
    own.server.admin("DELETE")
    ended = wait_until(lambda: (t := own.ask("GET", f"/v1/tasks/{task}?wait=20"))["ended_at"] and t, what="its end")  # fmt: skip
    assert (ended["state"], ended["done"]) == ("completed", 60), ended


def test_one_that_cannot_start_says_why(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QHUB_BROKER_DIRECTORY", str(own.directory / ("x" * 120)))
    with pytest.raises(DeviceError, match=r"Your broker did not start: .*at most 107 characters"):
        keep_up()


def test_it_stays_while_anything_waits_or_somebody_asks_and_lets_nobody_in_once_it_leaves() -> None:
    waits = [True]
    idle = Idle(0.0, lambda: waits[0])
    assert not idle.over(), "a task waits"
    waits[0] = False
    with idle.visit("POST", "/v1/tasks") as welcome:
        assert welcome
        assert not idle.over(), "a request is being answered"
    assert idle.over()
    with idle.visit("GET", "/health") as welcome:
        assert not welcome
    patient = Idle(1e9, lambda: False)
    with patient.visit("GET", "/v1/tasks"):
        pass
    assert not patient.over()
