"""The broker as a whole: a real process, a real virtual QPU behind it, the genuine client before it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from qiskit import QuantumCircuit

from qhub_ext import cli
from qhub_ext.errors import PreflightError
from qhub_ext.job.context import using
from qhub_ext.primitives import Estimator, Sampler, backend
from qhub_ext.primitives.sequences import pulser_device
from qhub_ext.service.calibrations import refresh
from qhub_ext.settings import current_settings
from qhub_ext.tiers.qpu import qcs, standing
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.tiers.qpu.pool import close_all
from tests.broker.conftest import Broker, decoded
from tests.qpu.by_hand import by_hand, task_runner
from tests.qpu.conftest import VirtualQpu, isa
from tests.qpu.test_genuine_client import BY_HAND
from tests.waiting import wait_until

SHORT = {"QHUB_BROKER_SLICE_S": "0.5", "QHUB_BROKER_OVERHEAD_S": "0.0"}


@pytest.fixture(scope="module")
def shared(server: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """With short slices."""
    made = Broker(tmp_path_factory.mktemp("shared") / "broker", server, SHORT)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def broker(shared: Broker) -> Iterator[Broker]:
    """The shared one, as it was: nothing waits there and no order holds."""
    if shared.process is None or shared.process.poll() is not None:  # another test left it dead
        shared.start()
    try:
        yield shared
    finally:
        shared.server.admin("DELETE")
        if shared.process is not None and shared.process.poll() is None:
            restored(shared)


def restored(broker: Broker) -> None:
    for task in broker.ask("GET", "/v1/tasks?everybody=true")["tasks"]:
        with suppress(PreflightError):  # it ended meanwhile
            broker.ask("POST", f"/v1/tasks/{task['id']}/cancel")
    for window in broker.ask("GET", "/v1/windows")["windows"]:
        broker.ask("DELETE", f"/v1/windows/{window['id']}")
    for limit in broker.ask("GET", "/v1/limits")["limits"]:
        if limit["set"]:
            broker.ask("DELETE", f"/v1/limits/{limit['scope']}/{limit['name']}/{limit['what']}")
    broker.ask("POST", "/v1/devices/kingston/resume")


def usage(broker: Broker, job: str) -> list[dict[str, Any]]:
    """Of one job."""
    return [row for row in broker.ask("GET", "/v1/usage")["usage"] if row["job"] == job]


def terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broker: Broker, **more: str
) -> Callable[..., str]:
    """`qhub` in this process: what it prints."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command sets its own
    for name, value in {"QHUB_BROKER_SOCKET": str(broker.socket), **more}.items():
        monkeypatch.setenv(name, value)

    def qhub(*words: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit):
            cli.main(list(words))
        told = capsys.readouterr()
        return told.out + told.err

    return qhub


def test_a_cell_takes_its_turn_at_the_broker_and_gets_all_its_shots(
    new_broker: Callable[..., Broker], through_the_broker: Callable[[Broker], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "RENEW_S", math.inf)
    broker = new_broker(**SHORT, QHUB_BROKER_SWEEP_S="3600")
    through_the_broker(broker)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    measured = circuit.measure_all(inplace=False)
    with using(tier="qpu", device="kingston", job_id="one", profile="test"):
        counts = Sampler().run([isa(measured)], shots=5000).result()[0].data.meas.get_counts()
        laid_out = isa(circuit)
        from qiskit.quantum_info import SparsePauliOp

        value = float(
            Estimator().run([(laid_out, SparsePauliOp("ZZ").apply_layout(laid_out.layout))]).result()[0].data.evs
        )
    assert sum(counts.values()) == 5000
    assert counts["00"] + counts["11"] > 3500
    assert value > 0.6
    used = broker.ask("GET", "/v1/usage")["usage"]
    assert {row["profile"] for row in used} == {"test"}
    assert {row["job"] for row in used} == {"one"}
    assert sum(row["slices"] for row in used) > 3
    assert "qhub_broker_site_call_seconds_count 1\n" in broker.metrics(), "the site was asked about the job once"


def test_production_goes_between_the_slices_of_development_and_nothing_is_lost(broker: Broker, bell_qasm: str) -> None:
    long = broker.submit(broker.session("development"), bell_qasm, 40_000)
    wait_until(lambda: broker.task(long)["done"] > 0, what="a slice of the long task")
    short = broker.submit(broker.session("production"), bell_qasm, 500)
    first, ended = broker.until_ended(short), broker.until_ended(long)
    assert first["state"] == "completed"
    assert first["ended_at"] < ended["ended_at"]
    assert ended["state"] == "completed"
    assert ended["done"] == ended["of"] == 40_000
    (part,) = decoded(broker, long)
    assert part.data.meas.num_shots == 40_000
    assert [s for s in ended["slices"] if s["ended_at"] < first["started_at"]]
    assert [s for s in ended["slices"] if s["sent_at"] > first["ended_at"]]
    assert sum(s["units"] for s in ended["slices"] if s["state"] == "done") == 40_000


def test_the_genuine_client_submits_through_queue_and_policy_unpatched(broker: Broker) -> None:
    session = broker.session("production", job="by hand")
    found = by_hand(BY_HAND, qcs.client_config(session["url"], session["key"], "broker"))
    assert sum(found["counts"].values()) == 1000
    assert found["value"] > 1.2
    assert [(row["profile"], row["tasks"]) for row in usage(broker, "by hand")] == [("production", 2)]


def test_the_command_task_runner_of_the_genuine_wheel_takes_its_turn_too(
    broker: Broker, bell_qasm: str, tmp_path: Path
) -> None:
    session = broker.session("production", job="by task_runner")
    config = qcs.client_config(session["url"], session["key"], "broker")
    result = task_runner(config, bell_qasm, 5000, tmp_path)
    assert sum(result[0].data.meas.get_counts().values()) == 5000
    (used,) = usage(broker, "by task_runner")
    assert (used["profile"], used["tasks"]) == ("production", 1)
    assert used["slices"] > 1, "cut by the policy, and put together again"


def test_a_calibration_between_slices_has_what_ran_before_run_once_more(broker: Broker, bell_qasm: str) -> None:
    task = broker.submit(broker.session(), bell_qasm, 20_000, on_calibration_change="restart")
    wait_until(lambda: broker.task(task)["done"] > 0, what="a slice")
    broker.server.calibrate()
    ended = broker.until_ended(task)
    assert (ended["state"], ended["done"], ended["of"]) == ("completed", 20_000, 20_000)
    counting = [s for s in ended["slices"] if s["state"] == "done" and not s["stale"]]
    assert sum(s["units"] for s in counting) == 20_000
    assert len({s["snapshot"] for s in counting}) == 1
    assert len({s["snapshot"] for s in ended["slices"]}) == 2
    assert decoded(broker, task)[0].data.meas.num_shots == 20_000


def test_the_log_and_the_task_have_the_trace_that_the_client_named_and_metrics_have_the_calibration(
    broker: Broker, bell_qasm: str
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    params = {"pubs": [[bell_qasm, None, 50]], "version": 2, "support_qiskit": True, "options": {}}
    body = {"session": broker.session()["id"], "device": "kingston", "program": "sampler", "params": params}
    header = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    task = ask_broker(broker.socket, "POST", "/v1/tasks", body, header)["id"]
    assert broker.until_ended(task)["trace_id"] == trace
    told = [json.loads(line) for line in (broker.directory / "log").read_text().splitlines() if line.startswith("{")]
    said = [line["message"].split(" as ")[0] for line in told if line.get("trace_id") == trace and line["task"] == task]
    assert said == ["slice sent", "slice done"]

    wait_until(lambda: "qhub_broker_calibration_error_median{" in broker.metrics(), within_s=120, what="the calibration", every_s=0.5)  # fmt: skip
    lines = dict(
        line.rsplit(" ", 1) for line in broker.metrics().splitlines() if line.startswith("qhub_broker_calibration")
    )
    assert float(lines['qhub_broker_calibration_age_seconds{device="kingston"}']) > 0
    assert 0 < float(lines['qhub_broker_calibration_error_median{device="kingston",kind="two_qubit"}']) < 0.1


def test_a_broker_that_is_killed_goes_on_where_it_was_and_every_shot_counts_once(
    broker: Broker, bell_qasm: str
) -> None:
    session = broker.session()
    tasks = {broker.submit(session, bell_qasm, 8000 + k): 8000 + k for k in range(4)}

    def done() -> int:
        return sum(broker.task(task)["done"] for task in tasks)

    for _ in range(4):
        before = done()
        wait_until(lambda before=before: done() > min(before, sum(tasks.values()) - 1), what="progress, or the end")
        broker.kill()
        broker.start()
    for task, shots in tasks.items():
        ended = broker.until_ended(task)
        assert (ended["state"], ended["done"]) == ("completed", shots)
        (part,) = decoded(broker, task)
        assert part.data.meas.num_shots == shots


@pytest.mark.parametrize("end", [Broker.kill, Broker.stop])
def test_what_is_on_the_device_stays_there_when_the_broker_ends_and_the_next_one_brings_it_back(
    broker: Broker, bell_qasm: str, end: Callable[[Broker], None]
) -> None:
    broker.server.fault("paused")
    task = broker.submit(broker.session(), bell_qasm, 90)
    wait_until(lambda: [s["state"] for s in broker.task(task)["slices"]] == ["sent"], what="the slice")
    helpers = psutil.Process(broker.process.pid).children() if broker.process else []
    end(broker)
    assert not psutil.wait_procs(helpers, timeout=60)[1], "its helpers ended"
    broker.start()
    broker.server.admin("DELETE")
    ended = broker.until_ended(task)
    assert (ended["state"], [s["state"] for s in ended["slices"]]) == ("completed", ["done"])


def test_a_cell_that_waits_for_its_task_does_not_notice_that_the_broker_was_killed(
    broker: Broker, through_the_broker: Callable[[Broker], None]
) -> None:
    through_the_broker(broker)
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.measure_all()
    with using(tier="qpu", device="kingston", job_id="waits"):
        job = Sampler().run([isa(circuit)], shots=20_000)
        wait_until(lambda: usage(broker, "waits"), what="a slice")
        broker.kill()
        broker.start()
        counts = job.result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 20_000


def test_a_job_whose_session_ended_while_it_worked_alone_sends_its_next_task_by_another(
    new_broker: Callable[..., Broker], through_the_broker: Callable[[Broker], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "RENEW_S", 0.0)
    broker = new_broker(QHUB_BROKER_SESSION_IDLE_S="2", QHUB_BROKER_SWEEP_S="0.2")
    through_the_broker(broker)
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.measure_all()

    with using(tier="qpu", device="kingston", job_id="thinks", profile="test"):
        sampler = Sampler()
        assert sum(sampler.run([isa(circuit)], shots=70).result()[0].data.meas.get_counts().values()) == 70
        wait_until(lambda: "qhub_broker_sessions 0" in broker.metrics(), what="the end of the idle session")
        assert sum(sampler.run([isa(circuit)], shots=80).result()[0].data.meas.get_counts().values()) == 80
    assert {(row["job"], row["profile"]) for row in broker.ask("GET", "/v1/usage")["usage"]} == {("thinks", "test")}


def test_a_task_sent_again_with_its_id_is_the_same_task_and_another_payload_is_refused(
    broker: Broker, bell_qasm: str
) -> None:
    session = broker.session()
    assert broker.submit(session, bell_qasm, 100, id="mine-1") == "mine-1"
    assert broker.submit(session, bell_qasm, 100, id="mine-1") == "mine-1"
    with pytest.raises(PreflightError, match="another task with the id 'mine-1'"):
        broker.submit(session, bell_qasm, 101, id="mine-1")
    assert broker.until_ended("mine-1")["state"] == "completed"
    assert len(broker.server.tasks()) >= 1


def test_what_a_device_is_like_is_told_outside_of_jobs_too(
    server: VirtualQpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker(tmp_path / "broker", server, options=("--slurm", "--device", "FRESNEL"))
    broker.start()
    try:
        monkeypatch.setenv("QHUB_BROKER_SOCKET", str(broker.socket))
        monkeypatch.setenv("QHUB_SHELF", str(tmp_path / "jobs"))
        with using(tier="qpu", device="kingston"):
            assert backend().num_qubits == 156
        assert refresh("kingston", current_settings()).snapshot.device == "kingston"
        with using(tier="qpu", device="FRESNEL"):
            assert pulser_device().max_atom_num
    finally:
        broker.stop()
        close_all()


def test_a_device_that_does_not_answer_keeps_its_tasks_waiting_and_says_since_when(
    broker: Broker, bell_qasm: str
) -> None:
    broker.server.fault("503")
    task = broker.submit(broker.session(), bell_qasm, 100)
    wait_until(lambda: broker.task(task)["reason"] == "device_down", what="the reason")
    told = broker.task(task)
    assert told["why"].startswith("kingston has been down for")
    assert told["state"] in ("queued", "running")
    broker.server.admin("DELETE")
    assert broker.until_ended(task)["state"] == "completed"


def test_a_drained_device_starts_nothing_until_it_is_resumed(broker: Broker, bell_qasm: str) -> None:
    broker.ask("POST", "/v1/devices/kingston/drain", {"note": "the fridge"})
    task = broker.submit(broker.session(), bell_qasm, 100)
    assert broker.task(task)["reason"] == "draining"
    broker.ask("POST", "/v1/devices/kingston/resume")
    assert broker.until_ended(task)["state"] == "completed"
    verbs = [row["verb"] for row in broker.ask("GET", "/v1/audit")["audit"]]
    assert verbs[:2] == ["resume", "drain"]


def test_nothing_runs_in_a_calibration_window_and_the_reason_has_its_end(broker: Broker, bell_qasm: str) -> None:
    number = broker.ask("POST", "/v1/windows", {"start": time.time() - 10, "length_s": 3600.0})["id"]
    task = broker.submit(broker.session(), bell_qasm, 100)
    told = broker.task(task)
    assert told["reason"] == "calibration_window"
    assert "is being calibrated for 35" in told["why"]
    broker.ask("DELETE", f"/v1/windows/{number}")
    assert broker.until_ended(task)["state"] == "completed"


def test_a_task_that_is_cancelled_on_the_device_is_stopped_there(broker: Broker, bell_qasm: str) -> None:
    broker.server.fault("paused")
    task = broker.submit(broker.session(), bell_qasm, 100)
    wait_until(lambda: broker.task(task)["slices"] and broker.task(task)["slices"][0]["vendor"], what="the slice")
    assert broker.ask("POST", f"/v1/tasks/{task}/cancel")["state"] == "cancelled"
    vendor = broker.task(task)["slices"][0]["vendor"]
    wait_until(
        lambda: next(t["status"] for t in broker.server.tasks() if t["id"] == vendor) == "Cancelled",
        what="its end on the device",
    )


def test_a_payload_that_the_device_refuses_fails_its_task_alone(broker: Broker, bell_qasm: str) -> None:
    session = broker.session()
    broken = broker.submit(session, "OPENQASM 3.0; nonsense", 100)
    ended = broker.until_ended(broken)
    assert (ended["state"], ended["cause"]) == ("failed", "code")
    assert "OpenQASM" in ended["message"]
    assert broker.until_ended(broker.submit(session, bell_qasm, 50))["state"] == "completed"


def test_the_command_shows_the_queue_and_carries_out_orders(
    broker: Broker, bell_qasm: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = terminal(monkeypatch, capsys, broker)

    def qhub(*words: str) -> str:
        return command("broker", *words)

    by_itself = subprocess.run([sys.executable, "-m", "qhub_ext.cli", "broker", "status"], capture_output=True, text=True, timeout=120)  # fmt: skip
    assert "No task waits" in by_itself.stdout
    assert "No task waits" in qhub("status")
    assert "starts nothing new" in qhub("drain", "kingston", "--note", "the fridge")
    task = broker.submit(broker.session("test"), bell_qasm, 100)
    shown = qhub("tasks")
    assert task in shown
    assert "being drained by its operator" in shown
    assert task in command("queue")
    assert "daily" in qhub(
        "window", "--start", "2100-01-01", "--length", "1h", "--rule", "FREQ=DAILY", "--note", "daily"
    )
    assert "'x' is no moment" in qhub("window", "--start", "x", "--length", "1h")
    assert "0 of 100 were done" in qhub("cancel", task)
    assert "in use" in qhub("resume", "kingston")
    assert broker.until_ended(broker.submit(broker.session("test", job="j7"), bell_qasm, 250))["state"] == "completed"
    for key in ("user", "account", "device", "job", "profile"):
        picture = broker.directory / f"{key}.html"
        shown = qhub("usage", "--by", key, "--figure", str(picture))
        assert shown.splitlines()[0].split()[:2] == [key, "QPU"], shown
        assert f"<title>Seconds of QPU in the last day, by {key}</title>" in picture.read_text()
    assert "j7" in qhub("usage")
    assert "j7" in [row["job"] for row in json.loads(qhub("usage", "--json"))["usage"]]
    assert "an operator" in qhub("limits", "profile", "test", "slots", "3")
    assert "an operator" in qhub("limits", "user", "alice", "share", "2")
    asked = json.loads(qhub("limits", "--json"))["limits"]
    assert {"scope": "profile", "name": "test", "what": "slots", "value": 3, "set": True} in asked
    assert "settings" in qhub("limits", "profile", "test", "slots", "default").replace("an operator", "")
    assert "none" in qhub("limits", "profile", "test", "task_s", "none")
    assert "A limit needs a value" in qhub("limits", "profile", "test", "slots")
    assert "'many' is no limit" in qhub("limits", "profile", "test", "slots", "many")
    assert "Did you mean 'slots'" in qhub("limits", "profile", "test", "slot", "3")
    assert {"limit", "resume"} <= {row["verb"] for row in json.loads(qhub("audit", "--json"))["audit"]}
    assert "There is no task 'nobodys'" in qhub("cancel", "nobodys")
    assert "Did you mean 'kingston'" in qhub("serve", "--device", "kingstn", "--directory", str(broker.directory / "x"))


def test_a_job_says_why_its_task_waits_at_the_broker_and_that_the_device_is_simulated(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    qhub = terminal(
        monkeypatch, capsys, broker,
        QHUB_SHELF=str(tmp_path / "jobs"), QHUB_CACHE=str(tmp_path / "cache"), QHUB_EMBEDDED_DIRECTORY=str(tmp_path / "site"), QHUB_EMBEDDED_IDLE_EXIT_S="1",
    )  # fmt: skip
    cell = tmp_path / "cell.py"
    cell.write_text(
        "from qiskit import QuantumCircuit, transpile\nfrom qhub_ext import Sampler, backend\n"
        "circuit = QuantumCircuit(1)\ncircuit.x(0)\ncircuit.measure_all()\n"
        "done = Sampler().run([transpile(circuit, backend())]).result()\n"
    )
    qhub("broker", "drain", "kingston")
    assert "broker, virtual (simulated)" in qhub("run", str(cell), "--tier", "qpu", "--shots", "50")
    why = "Its quantum task waits at the broker: kingston is being drained by its operator"
    wait_until(lambda: why in qhub("explain", "-1"), within_s=120, what="the reason of the wait")
    assert why in qhub("job", "-1")
    assert "kingston (simulated)" in qhub("broker", "status")
    qhub("broker", "resume", "kingston")
    qhub("wait", "-1")
    assert "kingston (simulated)" in qhub("usage")
    assert "days old" not in qhub("logs", "-1")
    qhub("broker", "window", "--start", "2100-01-01", "--length", "1h")
    assert "all devices from 2100-01-01T00:00+00:00 for 3600 s" in qhub("broker", "audit")
