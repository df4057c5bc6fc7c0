"""One trace from the cell to the device, through every process between them: one trace id, and each span below the one that caused it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.diagnosis.breakdown import break_down
from qhub_ext.diagnosis.trace import Trace
from qhub_ext.job.state import State
from qhub_ext.service.traces import trace_of
from qhub_ext.telemetry.context import new_context
from qhub_ext.telemetry.reading import read_recorded
from tests.broker.conftest import Broker
from tests.front.conftest import Place, set_up_place
from tests.qpu.conftest import VirtualQpu, server
from tests.qpu.test_jobs import CELL
from tests.telemetry.chain import chain, lost, of_writer

__all__ = ["server"]

pytestmark = pytest.mark.slow
NOTEBOOK = new_context()
"""A span of whoever carried the notebook out."""
TO_THE_TASK = ["job", "attempt", "qhub-kernel cell", "qhub-kernel sampler", "qhub-kernel device task"]
SENT = "qhub-helper QuantumResource.task_start"


@contextlib.contextmanager
def a_place(path: Path, server: VirtualQpu, **more: str) -> Iterator[Place]:
    """Whose settings are those of this process too: they travel with its jobs."""
    where = {"QHUB_QPU_VIRTUAL_DIRECTORY": str(server.directory), "TRACEPARENT": NOTEBOOK.traceparent, **more}
    with pytest.MonkeyPatch.context() as patch, set_up_place(path, **where) as place:
        for name, value in place.environment.items():
            if name.startswith("QHUB_") or name == "TRACEPARENT":
                patch.setenv(name, value)
        yield place


def carried_out(place: Place) -> Trace:
    service = place.service
    job = service.submit(service.draft(Request(tier="qpu"), CELL))
    record = job.wait(180)
    assert record.state is State.COMPLETED, str(job) + job.logs()
    assert {span.trace_id for span in read_recorded(job.folder)} == {NOTEBOOK.trace_id}
    return trace_of(job.folder, record).trace


@pytest.fixture(scope="module")
def direct(server: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    with a_place(tmp_path_factory.mktemp("direct"), server) as place:
        yield carried_out(place)


@pytest.fixture(scope="module")
def brokered(server: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    path = tmp_path_factory.mktemp("brokered")
    broker = Broker(path / "broker", server)
    try:
        broker.start()
        with a_place(path / "place", server, QHUB_BROKER_SOCKET=str(broker.socket)) as place:
            yield carried_out(place)
    finally:
        broker.stop()


@pytest.mark.parametrize("way", ["direct", "brokered"])
def test_every_process_on_the_way_tells_its_part_below_the_one_that_caused_it(
    way: str, request: pytest.FixtureRequest
) -> None:
    trace: Trace = request.getfixturevalue(way)
    assert trace.spans[0].parent == NOTEBOOK.span_id
    assert lost(trace, NOTEBOOK.span_id) == []
    for kind in ("capture", "submit"):
        assert [chain(trace, span) for span in of_writer(trace, "qhub-client", kind)] == [
            ["job", f"qhub-client {kind}"]
        ]
    assert {span.name for span in of_writer(trace, "", "queue")} == {"waiting for the site"}
    assert [chain(trace, span) for span in of_writer(trace, "qhub-runner", "start")] == [["job", "attempt", "qhub-runner start kernel"]]  # fmt: skip
    assert {span.name for span in of_writer(trace, "qhub-helper")} >= {"QuantumResource.task_start", "QuantumResource.task_result"}  # fmt: skip
    for span in of_writer(trace, "qhub-helper"):
        assert chain(trace, span)[:-1][: len(TO_THE_TASK)] == TO_THE_TASK
    assert break_down(trace).seconds("quantum") > 0
    assert sum(break_down(trace).parts_ns.values()) == break_down(trace).wall_ns


def test_what_a_device_tells_hangs_below_the_call_that_sent_the_task(direct: Trace) -> None:
    told = of_writer(direct, "qhub-virtual-qpu")
    assert {span.kind for span in told} >= {"quantum"}
    for span in told:
        assert chain(direct, span) == [*TO_THE_TASK, SENT, f"qhub-virtual-qpu {span.name}"]


def test_what_a_broker_tells_hangs_below_the_call_that_sent_the_task_to_it_and_its_device_s_words_below_its_slices(
    brokered: Trace,
) -> None:
    told = of_writer(brokered, "qhub-broker")
    assert {span.name for span in told} >= {"slice"}
    for span in told:
        assert chain(brokered, span) == [*TO_THE_TASK, SENT, f"qhub-broker {span.name}"]
    ran = of_writer(brokered, "qhub-virtual-qpu")
    assert {span.kind for span in ran} >= {"quantum"}
    for span in ran:
        assert chain(brokered, span) == [*TO_THE_TASK, SENT, "qhub-broker slice", SENT, f"qhub-virtual-qpu {span.name}"]
    assert len(of_writer(brokered, "", "quantum")) == 0


def test_the_steps_of_a_task_follow_each_other_in_time(direct: Trace) -> None:
    (task,) = [span for span in direct.spans if span.name == "device task"]
    steps = [next(span for span in direct.spans if span.name == name) for name in ("QuantumResource.task_start", "on the device", "QuantumResource.task_result")]  # fmt: skip
    assert all(a.begin_ns <= b.begin_ns for a, b in pairwise([task, *steps]))
    assert all(span.end_ns <= task.end_ns + 1000 for span in steps)  # a float of s since 1970 is that coarse
