"""Everything is killed at random moments; every task ends exactly once, with all its shots. QHUB_CHAOS=20 does twenty times as much."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.errors import QhubError
from tests.broker.conftest import Broker, decoded
from tests.qpu.conftest import VirtualQpu, start_server
from tests.waiting import wait_until

SCALE = float(os.environ.get("QHUB_CHAOS", "1"))
TASKS, KILLS = int(40 * SCALE), int(7 * SCALE)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


class House:
    """The virtual QPU and the broker, each to be killed and started again where it was."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.qpu: subprocess.Popen[bytes] | None = None
        self.server: VirtualQpu | None = None
        self.start_qpu()
        assert self.server is not None
        self.broker = Broker(
            folder / "broker", self.server, {"QHUB_BROKER_SLICE_S": "0.3", "QHUB_BROKER_OVERHEAD_S": "0"}
        )
        self.broker.start()

    def start_qpu(self) -> None:
        (self.folder / "qpu" / "server.json").unlink(missing_ok=True)
        self.qpu, self.server = start_server(self.folder / "qpu", "--port", self.port)

    def strike(self, what: str) -> None:
        if what == "broker":
            self.broker.kill()
            self.broker.start()
        elif what == "virtual QPU":
            assert self.qpu is not None
            self.qpu.kill()
            self.qpu.wait(20)
            self.start_qpu()
        else:
            for pid in helpers_of(self.broker):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        self.broker.stop()
        if self.qpu is not None:
            self.qpu.terminate()
            self.qpu.wait(20)


def helpers_of(broker: Broker) -> list[int]:
    import psutil

    assert broker.process is not None
    return [child.pid for child in psutil.Process(broker.process.pid).children()]


def patiently(ask: Any, *arguments: Any, **more: Any) -> Any:
    """As a client does: the same question again, until it is answered. An id makes that harmless."""
    found: list[Any] = []

    def asked() -> bool:
        try:
            found.append(ask(*arguments, **more))
        except QhubError:
            return False
        return True

    wait_until(asked, within_s=120, what="an answer", every_s=0.1)
    return found[-1]


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(int(600 * max(1.0, SCALE)))
def test_every_task_ends_once_with_all_its_shots_whatever_is_killed(tmp_path: Path, bell_qasm: str) -> None:
    luck = random.Random(5)
    house = House(tmp_path)
    try:
        sessions = [patiently(house.broker.session, profile) for profile in ("development", "test", "production")]
        wanted: dict[str, int] = {}
        for number in range(TASKS):
            shots = luck.randrange(100, 2500)
            task = f"task-{number:04d}"
            patiently(house.broker.submit, luck.choice(sessions), bell_qasm, shots, id=task)
            wanted[task] = shots
        for _ in range(KILLS):
            house.strike(luck.choice(["broker", "virtual QPU", "helper"]))
            seen = sum(t["done"] for t in (patiently(house.broker.task, one) for one in wanted))
            wait_until(
                lambda seen=seen: sum(patiently(house.broker.task, one)["done"] for one in wanted) > seen
                or all(patiently(house.broker.task, one)["ended_at"] for one in wanted),
                within_s=120, what="progress after it",
            )  # fmt: skip
        for task, shots in wanted.items():
            wait_until(
                lambda task=task: patiently(house.broker.task, task, 20.0)["ended_at"] is not None,
                within_s=300, what=f"the end of {task}",
            )  # fmt: skip
            ended = house.broker.task(task)
            assert (ended["state"], ended["done"], ended["of"]) == ("completed", shots, shots), ended
            assert sum(s["units"] for s in ended["slices"] if s["state"] == "done") == shots
            (part,) = decoded(house.broker, task)
            assert part.data.meas.num_shots == shots
    finally:
        house.end()
