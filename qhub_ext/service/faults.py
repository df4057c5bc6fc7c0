"""Ten faults made to happen on the embedded site, and what is said of each: to see what an explanation is before one is needed."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from qhub_ext.capture.request import Request
from qhub_ext.diagnosis.explain import Explanation
from qhub_ext.errors import Cause, DeviceError, PreflightError
from qhub_ext.job.state import State
from qhub_ext.service.draft import Draft
from qhub_ext.service.edges import ALIVE, DEAD
from qhub_ext.service.job import Job
from qhub_ext.service.jobs import JobService
from qhub_ext.settings import Settings

DEVICES = ("kingston", "fez", "marrakesh", "torino")
WITHIN_S = 120.0


@dataclass(frozen=True)
class Fault:
    """`environment` is what the job finds there. `switch` is a fault of the virtual QPU; `looked_at`: while it waits, and is cancelled then."""

    name: str
    cell: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    switch: str = ""
    after: str = ""
    looked_at: str = ""
    cancelled: bool = False


FAULTS = (
    Fault("an error in the cell", "import time\ntime.sleep(2)\ncounts = {}\nbest = max(counts)"),
    Fault("a job that waits for it", "x = 1", after="an error in the cell"),
    Fault("a package that is not there", "import some_package_of_the_notebook"),
    Fault("more memory than it was given", "hoard = []\nwhile True:\n    hoard.append(bytearray(10_000_000))", {"memory_mb": 400}),
    Fault("a wall time that runs out", "import time\ntime.sleep(60)", {"time_s": 2}),
    Fault("cancelled by its owner", "import time\ntime.sleep(60)", cancelled=True),
    Fault("gates that are switched off", DEAD, {"tier": "emulation"}),
    Fault("a broker that is not there", ALIVE, {"tier": "qpu"}, {"QHUB_BROKER_SOCKET": "$FOLDER/no-broker.sock"}),
    Fault("a task that the device fails", ALIVE, {"tier": "qpu"}, switch="failed_job"),
    Fault("a device that is being calibrated", ALIVE, {"tier": "qpu"}, switch="calibrating", looked_at="device"),
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    fault: Fault
    job: Job
    why: Explanation


def run_faults(settings: Settings, tell: Callable[[str], None]) -> list[Shown]:
    """About a minute on an idle machine. The jobs stay among the user's own. Nothing is sent to a real device: raises PreflightError where
    that cannot be told, DeviceError where no virtual QPU can be started.
    """
    device = virtual_only(settings)
    with tempfile.TemporaryDirectory(prefix="qhub-faults-") as folder:
        changed = {"virtual": "always", "virtual_directory": Path(folder) / "qpu", "virtual_speed": 1000.0}
        service = JobService(
            settings.model_copy(update={"site": "embedded", "qpu": settings.qpu.model_copy(update=changed)})
        )
        tell("A virtual QPU starts (simulated) ...")
        with faulty_qpu(device, service.settings) as switch:
            jobs: dict[str, Job] = {}
            # those with a switch of the virtual QPU come one after the other, the others side by side
            for fault in (f for f in FAULTS if not f.switch):
                jobs[fault.name] = _submit(service, fault, device, jobs, folder)
                tell(f"submitted: {fault.name}")
            shown = [_look(fault, job, tell) for fault, job in ((f, jobs[f.name]) for f in FAULTS if not f.switch)]
            for fault in (f for f in FAULTS if f.switch):
                switch(fault.switch)
                job = _submit(service, fault, device, jobs, folder)
                shown.append(_look(fault, job, tell))
                switch("")
            return shown


def virtual_only(settings: Settings) -> str:
    """A device for which nothing real stands here."""
    from qhub_ext.tiers.qpu.resources import list_resources

    real = {name for resource in list_resources(settings.qpu) for name in (resource.name, resource.device)}
    free = [device for device in DEVICES if device not in real]
    if not free or settings.broker.place is not None:
        raise PreflightError(
            "The tier qpu leads to real devices or to a broker here: no faults are made there.",
            advice="Run it where neither is configured, such as a laptop.",
            cause=Cause.QUEUE_POLICY,
        )
    return free[0]


def _submit(service: JobService, fault: Fault, device: str, jobs: Mapping[str, Job], folder: str) -> Job:
    after = (jobs[fault.after].id,) if fault.after else ()
    request = Request(
        **{"tier": "local", "device": device, "site": "embedded", **fault.options},
        name=f"fault: {fault.name}",
        after=after,
    )
    draft = service.draft(request, fault.cell, {})
    qpu = service.settings.qpu
    given = {
        "QHUB_QPU_VIRTUAL": "always",
        "QHUB_QPU_VIRTUAL_DIRECTORY": str(qpu.virtual_directory),
        "QHUB_QPU_PATIENCE_S": "1",
        **{name: value.replace("$FOLDER", folder) for name, value in fault.environment.items()},
    }
    return service.submit(with_environment(draft, given))


def with_environment(draft: Draft, given: Mapping[str, str]) -> Draft:
    """The job finds these variables, and has little patience."""
    runtime = {**draft.runtime, "environment": {**draft.runtime.get("environment", {}), **given}}
    # a kernel that was kept ready has the environment of others
    return replace(draft, runtime=runtime, spec=replace(draft.spec, cold=True, grace_s=2))


def _look(fault: Fault, job: Job, tell: Callable[[str], None]) -> Shown:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        record = job.record
        if fault.cancelled and record.state is State.RUNNING:
            job.cancel()
        if record.state.final or (fault.looked_at and record.attempt.phase == fault.looked_at):
            break
        time.sleep(0.1)
    why = job.explain()
    tell(f"explained: {fault.name}: {why.cause or 'nothing'}")
    if not job.record.state.final:
        job.cancel()
    return Shown(fault, job, why)


@contextmanager
def faulty_qpu(device: str, settings: Settings) -> Iterator[Callable[[str], None]]:
    """A virtual QPU of its own, and a hand on its switches."""
    from qhub_ext.tiers.qpu.virtual import virtual_resource

    virtual_resource(device, settings.qpu)
    server = json.loads((settings.qpu.virtual_directory / "server.json").read_text())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(verb: str, body: Mapping[str, Any] | None = None) -> None:
        headers = {"x-api-key": server["key"], "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        address = f"{server['url']}/admin/faults"
        request = urllib.request.Request(address, data, headers, method=verb)  # noqa: S310 - its own server on loopback
        try:
            with opener.open(request, timeout=30.0):
                pass
        except OSError as error:
            raise DeviceError(f"The virtual QPU at {server['url']} does not answer: {error}.") from error

    def switch(kind: str) -> None:
        ask("DELETE")
        if kind:
            ask("POST", {"kind": kind})

    try:
        yield switch
    finally:
        with suppress(OSError):
            os.kill(int(server["pid"]), signal.SIGTERM)
