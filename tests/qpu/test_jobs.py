"""A cell as a job of the tier qpu: the virtual QPU comes up by itself, the folder says what was sent, secrets stay out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import read_journal
from qhub_ext.service import JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.sites.workshop import Workshop, sweep_up

CELL = """
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend

circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
circuit.measure_all()
isa = generate_preset_pass_manager(1, backend=backend(), seed_transpiler=1).run(circuit)
counts = Sampler().run([isa], shots=500).result()[0].data.meas.get_counts()
print(backend())
import sys
vendor = sorted(name for name in sys.modules if name.partition(".")[0] == "qrmi")
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobService]:
    config = tmp_path / "qhub.toml"
    config.write_text(
        f"shelf = {json.dumps(str(tmp_path / 'jobs'))}\ncache = {json.dumps(str(tmp_path / 'cache'))}\n"
        f"[embedded]\ndirectory = {json.dumps(str(tmp_path / 'site'))}\nwarm_kernels = 0\n"
        f"[qpu]\nvirtual_directory = {json.dumps(str(tmp_path / 'virtual'))}\nvirtual_speed = 1000\n"
    )
    monkeypatch.setenv("QHUB_CONFIG", str(config))
    settings = load_settings()
    service = JobService(settings)
    try:
        yield service
    finally:
        folders = [service.job(i).folder for i in service.shelf.ids()]
        sweep_up(Workshop(settings, EmbeddedSite(settings), folders))
        with contextlib.suppress(FileNotFoundError):
            os.kill(json.loads((tmp_path / "virtual" / "server.json").read_text())["pid"], signal.SIGTERM)


@pytest.mark.slow
def test_two_jobs_at_once_bring_one_virtual_qpu_up_and_leave_their_tasks_in_their_folders(
    service: JobService, tmp_path: Path
) -> None:
    jobs = [service.submit(service.draft(Request(tier="qpu", name=f"job {n}"), CELL)) for n in range(2)]
    assert "virtual (simulated)" in str(jobs[0])
    for job in jobs:
        record = job.wait(120)
        assert record.state is State.COMPLETED, str(job)
        assert sum(job["counts"].values()) == 500
        assert job["vendor"] == [], "the vendor's client lives in the helper process alone"
    key = json.loads((tmp_path / "virtual" / "server.json").read_text())["key"]
    for job in jobs:
        attempt = job.folder.attempt(1)
        steps = [step["state"] for step in read_journal(attempt.device_journal)]
        assert steps[0] == "sending"
        assert steps[-1] == "completed"
        held = b"".join(path.read_bytes() for path in job.folder.path.rglob("*") if path.is_file())
        assert key.encode() not in held


@pytest.mark.slow
def test_a_job_whose_device_fails_is_failed_with_the_device_as_its_cause(service: JobService, tmp_path: Path) -> None:
    import httpx

    from qhub_ext.tiers.qpu.virtual import virtual_resource

    virtual_resource("kingston", service.settings.qpu)  # up before the job, so that a fault can be switched on
    server = json.loads((tmp_path / "virtual" / "server.json").read_text())
    httpx.post(
        f"{server['url']}/admin/faults",
        json={"kind": "failed_job"},
        headers={"x-api-key": server["key"]},
        trust_env=False,
        timeout=60,
    )
    job = service.submit(service.draft(Request(tier="qpu"), CELL))
    record = job.wait(120)
    assert record.state is State.FAILED
    assert record.attempt.cause == "device"
    assert "Error code 6054" in record.attempt.message


@pytest.mark.slow
def test_a_job_that_waits_at_the_device_says_so_and_why(service: JobService, tmp_path: Path) -> None:
    import httpx

    from qhub_ext.tiers.qpu.virtual import virtual_resource
    from tests.waiting import wait_until

    virtual_resource("kingston", service.settings.qpu)
    server = json.loads((tmp_path / "virtual" / "server.json").read_text())

    def switch(verb: str, **body: str) -> None:
        address, headers = f"{server['url']}/admin/faults", {"x-api-key": server["key"]}
        with httpx.Client(trust_env=False, timeout=60) as client:
            client.request(verb, address, json=body or None, headers=headers).raise_for_status()

    switch("POST", kind="calibrating")
    job = service.submit(service.draft(Request(tier="qpu"), CELL))
    wait_until(lambda: job.record.attempt.phase == "device", what="the word that it waits at the device")
    assert "waiting at kingston: paused, calibrating; 1 task there" in str(job)
    assert "waiting at kingston" in service.explain(job.id).sentence
    switch("DELETE")
    assert job.wait(120).state is State.COMPLETED
    assert "waiting at" not in str(job)


SEQUENCE = """
from qhub_ext import PulserBackend

bits = dict(PulserBackend(sequence).run(runs=200).final_bitstrings)
"""


@pytest.mark.slow
def test_a_sequence_of_the_notebook_runs_as_a_job_on_this_machine_and_on_the_device(service: JobService) -> None:
    from tests.primitives.test_sequences import pair

    jobs = [
        service.submit(service.draft(Request(tier=tier, device="FRESNEL"), SEQUENCE, {"sequence": pair()}))
        for tier in ("local", "qpu")
    ]
    for job in jobs:
        record = job.wait(180)
        assert record.state is State.COMPLETED, str(job) + job.logs()
        assert sum(job["bits"].values()) == 200
    assert jobs[1].record.qpu_s is not None
    assert "virtual (simulated)" in str(jobs[1])
