"""Tasks that a job left open on a device are asked for when the job is looked at later; and what all of them cost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qhub_ext.errors import UncertainTaskError
from qhub_ext.job import context
from qhub_ext.job.identity import new_job_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.jobfolder.device_tasks import payload_digest, read_device_tasks
from qhub_ext.jobfolder.journal import append_once
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import Outcome, seal
from qhub_ext.primitives import Sampler
from qhub_ext.primitives.sequences import PulserBackend
from qhub_ext.runner.setting import device_announcer
from qhub_ext.service import JobService
from qhub_ext.service import device_tasks as later
from qhub_ext.settings import load_settings
from qhub_ext.tiers.qpu import target
from tests.primitives.test_sequences import pair
from tests.qpu.conftest import VirtualQpu
from tests.qpu.own_resource import describe_resource
from tests.waiting import wait_until


@dataclass
class Desk:
    """Jobs whose cells run in this process, and who looks at them later."""

    service: JobService
    shelf: Path

    def job(self, device: str = "kingston", owner: str = "somebody") -> JobFolder:
        identity = new_job_id()
        folder = JobFolder(self.shelf / identity)
        for path in (folder.path, folder.journals, folder.attempts, folder.attempt(1).path):
            path.mkdir(mode=0o700)
        spec = JobSpec(identity, "a job", "qpu", device, time.time(), owner, site="embedded")
        write_json(folder.spec, spec.to_json())
        append_once(folder.journal("client"), "state", state="submitted", attempt=1)
        return folder

    def end(self, folder: JobFolder, state: str = "failed") -> None:
        now = time.time()
        seal(folder.attempt(1), Outcome(state, now, now, cause="integration", message="The task may exist."))

    def fate(self, folder: JobFolder) -> Any:
        (fate,) = self.service.fates(folder.id)
        return fate


@pytest.fixture
def desk(qpu: VirtualQpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """The server as a resource of the site, with a name and credentials of its own."""
    shelf = describe_resource(tmp_path, "kingston", qpu.config)
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))
    try:
        with context.using(tier="qpu", device="kingston", shelf=shelf):
            yield Desk(JobService(load_settings()), shelf)
    finally:
        target._live.clear()


def lose_the_answer(
    qpu: VirtualQpu, bell: QuantumCircuit, folder: JobFolder, monkeypatch: pytest.MonkeyPatch, shots: int, fault: str
) -> None:
    announce = device_announcer(folder.attempt(1))
    with context.using(announce=announce):
        Sampler().run([bell], shots=1).result()  # machine and helper are warm: the deadline below is short
        (folder.attempt(1).device_journal).unlink()
    with context.using(announce=device_announcer(folder.attempt(1))):
        monkeypatch.setenv("QHUB_QPU_DEADLINE_S", "2")
        qpu.fault(fault, where="/jobs", method="POST", delay_s=3.0, times=1)
        with pytest.raises(UncertainTaskError):
            Sampler().run([bell], shots=shots).result()
    monkeypatch.delenv("QHUB_QPU_DEADLINE_S")


def shots_of(qpu: VirtualQpu, task: str) -> int | None:
    """Of a Sampler's first PUB; the server has other kinds of tasks, too."""
    pubs = qpu.params(task).get("pubs")
    return int(pubs[0][2]) if pubs and len(pubs[0]) > 2 and isinstance(pubs[0][2], int) else None


def test_a_task_whose_start_had_no_answer_is_found_by_what_it_is_made_of(
    desk: Desk, qpu: VirtualQpu, bell: QuantumCircuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = desk.job()
    Sampler().run([bell], shots=321).result()  # another of the same circuit, with other shots
    before = {task["id"] for task in qpu.tasks()}
    lose_the_answer(qpu, bell, folder, monkeypatch, 322, "late")
    desk.end(folder)
    wait_until(lambda: any(t["status"] == "Completed" and t["id"] not in before and shots_of(qpu, t["id"]) == 322 for t in qpu.tasks()), what="the task on the device")  # fmt: skip
    fate = desk.fate(folder)
    (task,) = [t["id"] for t in qpu.tasks() if shots_of(qpu, t["id"]) == 322]
    assert f"is on kingston: {task}, completed" in fate.sentence
    assert "would run it a second time" in fate.advice
    (known,) = read_device_tasks(folder)
    assert (known.state, known.task, known.found) == ("completed", task, True)
    qpu.fault("500")  # it is asked only once
    assert "(asked before)" in desk.fate(folder).sentence


def test_a_lost_batch_of_pasqal_s_cloud_is_found_by_its_sequence_and_its_runs(
    qpu: VirtualQpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = {
        "QRMI_PASQAL_CLOUD_BASE_URL": qpu.url,
        "QRMI_PASQAL_CLOUD_PROJECT_ID": "practice",
        "QRMI_PASQAL_CLOUD_CLIENT_ID": "virtual",
        "QRMI_PASQAL_CLOUD_CLIENT_SECRET": qpu.key,
        "QRMI_PASQAL_CLOUD_AUTH_ENDPOINT": f"{qpu.url}/identity/pasqal",
    }
    shelf = describe_resource(tmp_path, "FRESNEL", config, kind="pasqal-cloud")
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))
    with context.using(tier="qpu", device="FRESNEL", shelf=shelf):
        desk = Desk(JobService(load_settings()), shelf)
        folder, other = desk.job("FRESNEL"), desk.job("FRESNEL")
        with context.using(announce=device_announcer(folder.attempt(1))):
            monkeypatch.setenv("QHUB_QPU_DEADLINE_S", "120")  # the server imports Pulser first
            PulserBackend(pair()).run(runs=41)
            folder.attempt(1).device_journal.unlink()
        with context.using(announce=device_announcer(folder.attempt(1))):
            monkeypatch.setenv("QHUB_QPU_DEADLINE_S", "2")
            qpu.fault("late", where="/batches", method="POST", delay_s=3.0, times=1)
            with pytest.raises(UncertainTaskError):
                PulserBackend(pair()).run(runs=42)
        with context.using(announce=device_announcer(other.attempt(1))):
            qpu.fault("hang", where="/batches", method="POST", times=1)
            with pytest.raises(UncertainTaskError):
                PulserBackend(pair()).run(runs=43)
        monkeypatch.delenv("QHUB_QPU_DEADLINE_S")
        desk.end(folder)
        desk.end(other)
        wait_until(lambda: "completed" in desk.fate(folder).sentence, what="the end of the task there")
        assert read_device_tasks(folder)[0].found
        assert "not listed by FRESNEL so far" in desk.fate(other).sentence


def test_a_lost_job_of_iqm_s_servers_cannot_be_listed_and_has_a_tag_to_look_for(
    qpu: VirtualQpu, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = {"QRMI_IQM_ISA_ENDPOINT": f"{qpu.url}/iqm", "QRMI_IQM_ISA_TOKEN": qpu.key}
    shelf = describe_resource(tmp_path, "garnet", config, kind="iqm-server")
    monkeypatch.setenv("QHUB_CONFIG", str(tmp_path / "qhub.toml"))
    with context.using(tier="qpu", device="garnet", shelf=shelf):
        desk = Desk(JobService(load_settings()), shelf)
        folder = desk.job("garnet")
        circuit = QuantumCircuit(1)
        circuit.measure_all()
        Sampler().run([circuit]).result()  # server and helper are warm: the deadline below is short
        with context.using(announce=device_announcer(folder.attempt(1))):
            monkeypatch.setenv("QHUB_QPU_DEADLINE_S", "2")
            qpu.fault("hang", where="/iqm/api/v1/jobs", method="POST", times=1)
            with pytest.raises(UncertainTaskError):
                Sampler().run([circuit]).result()
        desk.end(folder)
        fate = desk.fate(folder)
        assert f"It was sent with the tag {fate.task.id}." in fate.sentence
        assert "Look for that tag" in fate.advice


def test_a_task_that_never_arrived_is_said_to_be_absent_once_it_would_be_listed(
    desk: Desk, qpu: VirtualQpu, bell: QuantumCircuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = desk.job()
    lose_the_answer(qpu, bell, folder, monkeypatch, 323, "hang")
    desk.end(folder)
    assert "not listed by kingston so far" in desk.fate(folder).sentence
    monkeypatch.setattr(later, "SETTLE_S", 0.0)
    fate = desk.fate(folder)
    assert "Nothing ran" in fate.sentence
    assert fate.advice == "`requeue` is safe."


def test_the_task_of_another_job_is_not_taken_for_the_lost_one(
    desk: Desk, qpu: VirtualQpu, bell: QuantumCircuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, folder = desk.job(), desk.job()
    with context.using(announce=device_announcer(other.attempt(1))):
        Sampler().run([bell], shots=324).result()
    desk.end(other, "completed")
    lose_the_answer(qpu, bell, folder, monkeypatch, 324, "hang")
    desk.end(folder)
    assert "not listed" in desk.fate(folder).sentence


def test_a_task_that_a_killed_job_left_running_is_asked_for_by_its_id(
    desk: Desk, qpu: VirtualQpu, bell: QuantumCircuit
) -> None:
    folder = desk.job()
    qpu.fault("paused")
    with context.using(announce=device_announcer(folder.attempt(1))):
        job = Sampler().run([bell], shots=100)
        wait_until(lambda: any(t.task for t in read_device_tasks(folder)), what="the task in the device's queue")
    desk.end(folder)
    fate = desk.fate(folder)
    assert "queued" in fate.sentence
    assert "only after it was stopped" in fate.advice
    qpu.admin("DELETE")
    job.result()


def test_where_nobody_can_be_asked_that_is_said(
    desk: Desk, qpu: VirtualQpu, bell: QuantumCircuit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = desk.job()
    lose_the_answer(qpu, bell, folder, monkeypatch, 325, "hang")
    desk.end(folder)
    config = Path(os.environ["QHUB_CONFIG"])
    whole = config.read_text()
    config.write_text(whole.replace("ibm-quantum-compute-service", "ibm-quantum-system"))
    service = JobService(load_settings())
    assert "cannot be asked for tasks whose id is not known" in service.fates(folder.id)[0].sentence
    config.write_text(whole.replace("[qpu.resources.kingston]", "[qpu.resources.fez]"))
    service = JobService(load_settings())
    assert "in the job's own environment only" in service.fates(folder.id)[0].sentence


def test_a_job_that_still_runs_and_one_with_nothing_open_ask_nobody(
    desk: Desk, qpu: VirtualQpu, bell: QuantumCircuit
) -> None:
    folder = desk.job()
    with context.using(announce=device_announcer(folder.attempt(1))):
        Sampler().run([bell], shots=10).result()
    qpu.fault("500")
    assert desk.service.fates(folder.id) == []
    desk.end(folder, "completed")
    assert desk.service.fates(folder.id) == []


def test_the_seconds_of_a_device_are_added_up_by_job_device_and_user(
    desk: Desk, qpu: VirtualQpu, bell: QuantumCircuit
) -> None:
    first, second = desk.job(owner="alice"), desk.job(owner="bob")
    for folder, calls in ((first, 1), (second, 3)):
        with context.using(announce=device_announcer(folder.attempt(1))):
            for _ in range(calls):
                Sampler().run([bell], shots=1000).result()
        desk.end(folder, "completed")
    used = desk.service.usage(0.0)
    by_job = {one.job: one for one in used}
    assert by_job[first.id].tasks == 1
    assert by_job[second.id].qpu_s == pytest.approx(3 * by_job[first.id].qpu_s, rel=0.01)
    assert by_job[first.id].qpu_s > 0.2  # 1000 pauses of 250 µs
    from qhub_ext.service.usage import summed

    (total,) = summed(used, "device")
    assert (total.key, total.jobs, total.tasks) == ("kingston", 2, 4)
    by_user = {one.key: (one.jobs, one.tasks, one.qpu_s) for one in summed(used, "user")}
    assert by_user == {
        "alice": (1, 1, by_job[first.id].qpu_s),
        "bob": (1, 3, by_job[second.id].qpu_s),
    }, "what each has used of the device, the largest first"
    assert next(iter(by_user)) == "bob"


def test_the_journal_of_a_job_s_tasks_is_opened_once_whatever_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qhub_ext.runner import setting

    opened = []

    class Counted(setting.JournalWriter):
        def __init__(self, path: Path) -> None:
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(setting, "JournalWriter", Counted)
    folder = JobFolder(tmp_path / new_job_id())
    folder.attempt(1).path.mkdir(parents=True)
    announce = device_announcer(folder.attempt(1))
    for number in range(300):
        announce({"id": str(number % 100), "state": "sending", "resource": "kingston"})
    assert len(opened) == 1
    assert len(read_device_tasks(folder)) == 100


def test_what_a_task_is_made_of_has_the_same_digest_after_the_way_through_another_reader() -> None:
    pubs = [["OPENQASM 3.0;", [0.1 + 0.2, 1e-17], 100]]
    changed = [["OPENQASM 3.0;", [0.30000000000000010, 1e-17], 100]]
    assert payload_digest(pubs) == payload_digest(changed)
    assert payload_digest(pubs) != payload_digest([["OPENQASM 3.0;", [0.3001, 1e-17], 100]])
