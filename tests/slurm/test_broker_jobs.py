"""A cell of the tier qpu on a real Slurm takes its turn at the broker, under the profile that the cluster gives its job."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.diagnosis.breakdown import break_down
from qhub_ext.diagnosis.fleet.written import read_summary
from qhub_ext.diagnosis.trace import Trace
from qhub_ext.job.state import State
from qhub_ext.service import Job, JobService
from qhub_ext.service.traces import trace_of
from qhub_ext.settings import BrokerSettings, QpuSettings, Settings, SlurmSettings, SlurmTierSettings
from tests.broker.conftest import Broker
from tests.qpu.conftest import running_server
from tests.qpu.test_jobs import CELL
from tests.slurm.cluster import Cluster
from tests.telemetry.chain import chain, lost, of_writer
from tests.waiting import wait_until

TO_THE_TASK = ["job", "attempt", "qhub-kernel cell", "qhub-kernel sampler", "qhub-kernel device task", "qhub-helper QuantumResource.task_start"]  # fmt: skip


def one_trace(trace: Trace, traceparent: str) -> None:
    """From the submission over Slurm's queue to the slice at the device, each span below the one that caused it."""
    assert trace.trace_id in traceparent
    assert lost(trace) == []
    assert {span.name for span in of_writer(trace, "", "queue")} <= {"waiting for the site"}
    for writer in ("qhub-client", "qhub-runner", "qhub-kernel", "qhub-helper", "qhub-broker"):
        assert of_writer(trace, writer), writer
    for span in of_writer(trace, "qhub-broker"):
        assert chain(trace, span) == [*TO_THE_TASK, f"qhub-broker {span.name}"]
    ran = of_writer(trace, "qhub-virtual-qpu", "quantum")
    assert ran
    for span in ran:
        assert chain(trace, span) == [
            *TO_THE_TASK,
            "qhub-broker slice",
            TO_THE_TASK[-1],
            f"qhub-virtual-qpu {span.name}",
        ]
    parts = break_down(trace)
    assert sum(parts.parts_ns.values()) == parts.wall_ns
    took = {part: parts.seconds(part) for part in ("submission", "start", "quantum", "return")}
    assert min(took.values()) > 0, (
        took
    )  # a queue of less than a second is none to Slurm, whose starts are whole seconds


def its_summary(job: Job, broker: Broker) -> None:
    """What the runner wrote on the node has come to the broker."""
    wait_until(job.folder.attempt(1).summary.exists, what="the summary")
    told = read_summary(job.folder.attempt(1))
    assert told is not None
    assert (told.site, told.tier, told.state, told.cause, told.tasks) == ("slurm", "qpu", "completed", "", 1)
    assert told.node == os.uname().nodename  # of which all nodes of the tests' cluster are part
    assert told.qos
    assert told.qpu_s is not None
    assert sum(told.parts_ns.values()) == told.wall_ns > 0
    assert told.parts_ns["quantum"] > 0
    wait_until(lambda: broker.ask("GET", "/v1/fleet")["jobs"] == 1, what="the summary at the broker")
    assert [one["key"] for one in broker.ask("GET", "/v1/fleet?by=profile")["groups"]] == ["production"]


SITE = """
[[broker.rules]]
partition = "wide"
profile = "test"
"""


@pytest.mark.slow
def test_a_cell_on_the_cluster_takes_its_turn_under_the_profile_of_its_job(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_server(tmp_path / "virtual-qpu") as server:
        site_file = tmp_path / "qhub.toml"
        site_file.write_text(SITE)
        broker = Broker(tmp_path / "broker", server, {"QHUB_CONFIG": str(site_file)}, options=("--slurm",))
        try:
            broker.start()
            monkeypatch.setenv("QHUB_BROKER_SOCKET", str(broker.socket))
            service = JobService(
                Settings(
                    shelf=tmp_path / "shelf",
                    cache=tmp_path / "cache",
                    site="slurm",
                    qpu=QpuSettings(virtual="never"),
                    broker=BrokerSettings(socket=broker.socket),
                    slurm=SlurmSettings(poll_s=0.1, poll_max_s=0.5, tiers={"qpu": SlurmTierSettings(partition="wide")}),
                )
            )
            job = service.submit(service.draft(Request(tier="qpu", profile="production"), CELL))
            record = job.wait(180)
            assert record.state is State.COMPLETED, str(job)
            assert sum(job["counts"].values()) == 500
            (used,) = broker.ask("GET", "/v1/usage")["usage"]
            assert used["profile"] == "test", "the cluster's word counts, not the cell's"
            assert used["job"] == record.site_id
            assert used["user"] == pwd.getpwuid(os.getuid()).pw_name
            held = b"".join(path.read_bytes() for path in job.folder.path.rglob("*") if path.is_file())
            assert server.key.encode() not in held
            one_trace(trace_of(job.folder, record).trace, record.spec.traceparent)
            its_summary(job, broker)
        finally:
            broker.stop()
