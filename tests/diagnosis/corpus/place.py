"""What the cases share: two embedded sites (one wide, one of a single CPU), and virtual QPUs, one per case that switches a fault on, in
threads of this process; a broker before one of them.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn

from qhub_ext.capture.request import Request
from qhub_ext.jobfolder import journal
from qhub_ext.service import Job, JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.virtualqpu.app import build
from qhub_ext.virtualqpu.faults import Fault
from qhub_ext.virtualqpu.house import Cycles, House
from tests.broker.conftest import Broker
from tests.diagnosis.corpus.case import Case
from tests.ports import closed_port
from tests.qpu.conftest import start_server
from tests.sites.workshop import Workshop, sweep_up

SPEED = 1000.0
KEY = "a-key-of-the-corpus"
CPUS = {"wide": 8, "narrow": 1}


class Virtual:
    """A virtual QPU in a thread, with a hand on its switches."""

    def __init__(self) -> None:
        self.house = House(("kingston",), SPEED, Cycles())
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(build(self.house, KEY), log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(60)
        # its thread would go on in this process, and give later tests the device as it drifted
        self.house.close(wait_s=60)

    @property
    def keys(self) -> dict[str, str]:
        return {
            "QRMI_IBM_QCS_ENDPOINT": f"{self.url}/api/v1",
            "QRMI_IBM_QCS_IAM_ENDPOINT": self.url,
            "QRMI_IBM_QCS_IAM_APIKEY": KEY,
            "QRMI_IBM_QCS_SERVICE_CRN": "crn:v1:virtual",
        }


class Place:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.virtuals: dict[str, Virtual] = {}
        self.broker: Broker | None = None
        self.jobs: dict[str, Job] = {}
        self.disk: Path | None = None
        self._processes: list[Any] = []
        self._services: list[JobService] = []

    def service(self, case: Case) -> JobService:
        """With settings of its own; shelf and queue are those of all cases of the same site."""
        folder = self.root / "cases" / case.name.replace(" ", "-").replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"shelf = {json.dumps(str(self.root / 'jobs'))}",
            f"cache = {json.dumps(str(self.root / 'cache'))}",
            *([] if "[qpu]" in case.config else ["[qpu]", "stale_s = 1e12", "deadline_s = 20", "patience_s = 1"]),
            case.config.replace("$ROOT", str(self.root)),
            "[embedded]",
            f"directory = {json.dumps(str(self.root / case.where))}",
            f"cpus = {CPUS[case.where]}",
            "warm_kernels = 0",
        ]
        if case.fault is not None or case.resource is not None:
            lines += self._resource(case, folder)
        config = folder / "qhub.toml"
        config.write_text("\n".join(lines) + "\n")
        os.environ["QHUB_CONFIG"] = str(config)
        service = JobService(load_settings())
        self._services.append(service)
        return service

    def _resource(self, case: Case, folder: Path) -> list[str]:
        virtual = self.virtuals[case.name] = Virtual()
        if case.fault:
            virtual.house.faults.switch_on(Fault(**case.fault))
        changed = dict(case.resource or {})
        kind, name = changed.pop("type", "ibm-quantum-compute-service"), changed.pop("name", "kingston")
        keys = {
            **virtual.keys,
            **{
                k: v.replace("$URL", virtual.url).replace("$CLOSED", f"http://127.0.0.1:{closed_port()}")
                for k, v in changed.items()
            },
        }
        secrets = folder / "secrets"
        secrets.write_text("".join(f"{k}={v}\n" for k, v in keys.items() if v))
        secrets.chmod(0o600)
        return [
            f"[qpu.resources.{name}]",
            f'type = "{kind}"',
            'device = "kingston"',
            f"secrets = {json.dumps(str(secrets))}",
        ]

    def start_broker(self, devices: tuple[str, ...], settings: str) -> Broker:
        """One for all cases, in a process of its own, before a virtual QPU in another that is as slow as a real one."""
        if self.broker is None:
            (self.root / "virtual").mkdir()
            process, server = start_server(self.root / "virtual" / "qpu", "--speed", "1")
            self._processes.append(process)
            own = self.root / "broker.toml"
            own.write_text(settings)
            options = tuple(word for device in devices for word in ("--device", device))
            self.broker = Broker(self.root / "broker", server, {"QHUB_CONFIG": str(own)}, options)
            self.broker.start()
        return self.broker

    def submit(self, case: Case) -> Job:
        before = dict(os.environ)
        try:
            service = self.service(case)
            if case.prepare is not None:
                case.prepare(self)
            os.environ.update({k: v.replace("$ROOT", str(self.root)) for k, v in case.environment.items()})
            options = {"tier": "local", **case.options}
            options["after"] = tuple(self.jobs[name].id for name in options.get("after", ()))
            cell = case.cell.replace("$ROOT", str(self.root)).replace("$DISK", str(self.disk))
            draft = service.draft(Request(name=case.name, **options), cell, dict(case.values))
            if case.shape is not None:
                draft = case.shape(draft)
            with clock_ahead(case.clock_s):
                job = service.submit(draft)
        finally:
            for name in set(os.environ) - set(before):
                del os.environ[name]
            os.environ.update(before)
        self.jobs[case.name] = job
        if case.act is not None:
            case.act(job, self)
        return job

    def close(self) -> None:
        for virtual in self.virtuals.values():
            virtual.house.faults.clear()
        if self._services:
            folders = [self._services[0].shelf.folder(job.id) for job in self.jobs.values()]
            for where in CPUS:
                service = next((s for s in self._services if s.settings.embedded.directory == self.root / where), None)
                if service is not None:
                    sweep_up(Workshop(service.settings, EmbeddedSite(service.settings), folders))
        for virtual in self.virtuals.values():
            virtual.close()
        if self.broker is not None:
            self.broker.stop()
        for process in self._processes:
            process.terminate()
            process.wait(60)


@contextmanager
def clock_ahead(seconds: float) -> Iterator[None]:
    """What this process writes into journals is dated so."""
    own = journal.time
    journal.time = SimpleNamespace(time=lambda: time.time() + seconds)  # type: ignore[assignment]
    try:
        yield
    finally:
        journal.time = own


@contextmanager
def place_at(root: Path) -> Iterator[Place]:
    place = Place(root)
    try:
        yield place
    finally:
        place.close()


def until(predicate: Any, within_s: float, what: str) -> bool:
    """Whether it came; a case that hangs costs its own answer and no other."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if predicate():
                return True
        time.sleep(0.05)
    return False
