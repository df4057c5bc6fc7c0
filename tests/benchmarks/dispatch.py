"""From a client's submission to the moment at which the task is sent on: a real broker before a virtual QPU, and dask.distributed with
scheduler and worker in processes of their own, asked from here by turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.policy import Policy
from qhub_ext.tiers.qpu.brokered import UnixConnection
from tests.broker.conftest import Broker
from tests.qpu.conftest import isa, running_server
from tests.waiting import wait_until


class BrokerSide:
    def __init__(self, broker: Broker, circuit: str) -> None:
        self.broker, self.circuit = broker, circuit
        self.session = broker.session("production")["id"]
        self.connection = UnixConnection(broker.socket)  # kept open, as the genuine client does

    def ask(self, method: str, target: str, body: Any = None) -> Any:
        self.connection.request(
            method, target, None if body is None else json.dumps(body), {"content-type": "application/json"}
        )
        return json.loads(self.connection.getresponse().read())

    def once(self) -> float:
        params = {"pubs": [[self.circuit, None, 1]], "version": 2, "support_qiskit": True, "options": {}}
        body = {"session": self.session, "device": "kingston", "program": "sampler", "params": params}
        begin = time.time()
        task = self.ask("POST", "/v1/tasks", body)["id"]
        ended = self.ask("GET", f"/v1/tasks/{task}?wait=30")
        return float(ended["slices"][0]["sent_at"]) - begin


class DaskSide:
    def __init__(self, client: Any) -> None:
        self.client = client

    def once(self) -> float:
        begin = time.time()
        done = self.client.submit(time.time, pure=False, priority=1, resources={"QPU": 1})
        return float(done.result()) - begin

    def each(self, count: int) -> float:
        """Seconds per task that does nothing, from the queue to its end, with so many queued."""
        begin = time.perf_counter()
        waiting = [
            self.client.submit(_nothing, n, pure=False, priority=n % 3, resources={"QPU": 1}) for n in range(count)
        ]
        self.client.gather(waiting)
        return (time.perf_counter() - begin) / count


def _nothing(number: int) -> int:
    return number


@contextmanager
def broker_side() -> Iterator[BrokerSide]:
    from qiskit import QuantumCircuit, qasm3

    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    with tempfile.TemporaryDirectory(prefix="qhub-bench-") as name, running_server(Path(name) / "qpu") as server:
        broker = Broker(Path(name) / "broker", server, {"QHUB_QPU_POLL_S": "0.01", "QHUB_QPU_POLL_MAX_S": "0.05"})
        broker.start()
        try:
            yield BrokerSide(broker, qasm3.dumps(isa(circuit)))
        finally:
            broker.stop()


@contextmanager
def dask_side() -> Iterator[DaskSide]:
    from distributed import Client

    with tempfile.TemporaryDirectory(prefix="qhub-bench-") as name:
        file = Path(name) / "scheduler.json"
        log = (Path(name) / "log").open("wb")
        words = [
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            str(file),
        ]
        scheduler = subprocess.Popen(words, stdout=log, stderr=log, cwd=name)
        worker = None
        try:
            wait_until(file.exists, within_s=60, what="dask's scheduler")
            words = [sys.executable, "-m", "distributed.cli.dask_worker", "--host", "127.0.0.1", "--nworkers", "1", "--nthreads", "1",
                     "--no-dashboard", "--resources", "QPU=1", "--scheduler-file", str(file)]  # fmt: skip
            worker = subprocess.Popen(words, stdout=log, stderr=log, cwd=name)
            with Client(scheduler_file=str(file)) as client:
                client.wait_for_workers(1, timeout=60)
                yield DaskSide(client)
        finally:
            for process in (worker, scheduler):
                if process is not None:
                    process.terminate()
                    process.wait(20)
            log.close()


_RESULT = json.dumps({"__type__": "PrimitiveResult", "__value__": {"pub_results": [], "metadata": {}}})


def desk_each(count: int) -> float:
    """Seconds per task through the desk with its ledger on disk, from the queue to its end, with so many queued."""
    with tempfile.TemporaryDirectory(prefix="qhub-bench-") as name:
        desk = Desk(Path(name), ["kingston"], Policy())
        sessions = [desk.sessions.open(6000 + n % 10, f"user{n % 10}", profile=p) for n, p in zip(range(30), ("production", "test", "development") * 10, strict=True)]  # fmt: skip
        params = {"pubs": [["x", None, 1]]}
        begin = time.perf_counter()
        for n in range(count):
            desk.submit(sessions[n % 30], "kingston", "sampler", params)
        while (found := desk.turns.next_slice("kingston", 0.0)) is not None:
            desk.turns.sent(found[1], "v")
            assert desk.turns.finished(found[1], _RESULT, 1e-3, "")
            desk.turns.complete(found[0].id)
        spent = (time.perf_counter() - begin) / count
        desk.ledger.close()
        return spent
