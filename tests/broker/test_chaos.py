"""Broker, helper, virtual QPU and client are killed at random moments; every task ends exactly once, with all its shots.

`make chaos` (QHUB_CHAOS=full) kills 300 times over 2,000 tasks; without it 8 times over 50.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.broker.conftest import Broker, decoded
from tests.ports import free_port
from tests.qpu.conftest import VirtualQpu, start_server
from tests.waiting import wait_until

FULL = os.environ.get("QHUB_CHAOS") == "full"
TASKS, KILLS = (2000, 300) if FULL else (50, 8)
VICTIMS = ("broker", "helper", "virtual QPU", "client")
WEIGHTS = (1, 5, 1, 3)
"""What begins anew in no time is killed more often."""
SPEED = "4"
"""A slice is on the device for a tenth of a second: kills meet it there."""


class House:
    """The virtual QPU, the broker and a client, each to be killed and started again where it was."""

    def __init__(self, folder: Path, plan: Path) -> None:
        self.folder, self.plan, self.port = folder, plan, str(free_port())
        self.qpu: subprocess.Popen[bytes] | None = None
        self.client: subprocess.Popen[bytes] | None = None
        self.server: VirtualQpu | None = None
        self.start_qpu()
        assert self.server is not None
        self.broker = Broker(folder / "broker", self.server, {"QHUB_BROKER_SLICE_S": "0.3", "QHUB_BROKER_OVERHEAD_S": "0", "QHUB_BROKER_SWEEP_S": "1", "QHUB_QPU_POLL_S": "0.02", "QHUB_QPU_POLL_MAX_S": "0.2"})  # fmt: skip
        self.broker.start()
        self.start_client()

    def start_qpu(self) -> None:
        (self.folder / "qpu" / "server.json").unlink(missing_ok=True)
        self.qpu, self.server = start_server(self.folder / "qpu", "--port", self.port, "--speed", SPEED, within_s=300)

    def start_client(self) -> None:
        words = [
            sys.executable,
            "-m",
            "tests.broker.chaos_client",
            str(self.broker.socket),
            str(self.plan),
            str(self.folder / "fetched"),
        ]
        with (self.folder / "client.log").open("ab") as log:
            self.client = subprocess.Popen(words, stdout=log, stderr=log)

    def strike(self, what: str) -> None:
        if what == "broker":
            self.broker.kill()
            self.broker.start()
        elif what == "virtual QPU":
            assert self.qpu is not None
            self.qpu.kill()
            self.qpu.wait(60)
            self.start_qpu()
        elif what == "client":
            assert self.client is not None
            self.client.kill()
            self.client.wait(60)
            self.start_client()
        else:
            for pid in helpers_of(self.broker):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        for process in (self.client, self.qpu):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(60)
        self.broker.stop()

    def ended(self) -> int:
        """Read beside the broker, which may be dead: WAL lets readers in."""
        with sqlite3.connect(f"file:{self.broker.directory}/ledger/broker.sqlite?mode=ro", uri=True, timeout=20) as db:
            (count,) = db.execute("SELECT count(*) FROM tasks WHERE ended_at IS NOT NULL").fetchone()
        db.close()
        return int(count)


def helpers_of(broker: Broker) -> list[int]:
    assert broker.process is not None
    return [child.pid for child in psutil.Process(broker.process.pid).children()]


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(7200 if FULL else 900)
def test_every_task_ends_once_with_all_its_shots_whatever_is_killed(tmp_path: Path, bell_qasm: str) -> None:
    luck = random.Random(5)
    tasks = [
        {"id": f"task-{number:04d}", "shots": luck.randrange(100, 2500), "profile": luck.choice(["development", "test", "production"])}
        for number in range(TASKS)
    ]  # fmt: skip
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"circuit": bell_qasm, "tasks": tasks}))
    begin, struck = time.monotonic(), Counter[str]()
    house = House(tmp_path, plan)
    try:
        for number in range(1, KILLS + 1):
            due = (TASKS - 10) * number // (KILLS + 1)
            wait_until(lambda due=due: house.ended() >= due, within_s=600, what=f"{due} ends before kill {number}")
            time.sleep(luck.uniform(0.0, 0.3))  # anywhere within a slice
            victim = VICTIMS[number % 4] if number <= 4 else luck.choices(VICTIMS, WEIGHTS)[0]
            house.strike(victim)
            struck[victim] += 1
            if number % 25 == 0:
                print(f"{number} kills, {house.ended()} ended, {time.monotonic() - begin:.0f} s", flush=True)
        wait_until(lambda: house.ended() == TASKS, within_s=600, what="the end of all tasks")
        assert house.client is not None
        assert house.client.wait(120) == 0, (tmp_path / "client.log").read_text()[-2000:]
        resent = 0
        for one in tasks:
            ended = house.broker.task(str(one["id"]))
            assert (ended["state"], ended["done"], ended["of"]) == ("completed", one["shots"], one["shots"]), ended
            done = [s for s in ended["slices"] if s["state"] == "done"]
            assert sum(s["units"] for s in done) == one["shots"]
            resent += len(ended["slices"]) - len(done)
            (part,) = decoded(house.broker, str(one["id"]))
            assert part.data.meas.num_shots == one["shots"]
        assert house.ended() == TASKS
        fetched = Counter((tmp_path / "fetched").read_text().split())
        assert set(fetched) == {one["id"] for one in tasks}
        print(f"{dict(struck)}: {TASKS} tasks, {sum(int(one['shots']) for one in tasks):,} shots; {resent} slices sent again; {time.monotonic() - begin:.0f} s")  # fmt: skip
    finally:
        house.end()
