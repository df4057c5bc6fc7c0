"""The spans of tasks on devices: by the device's own time where it tells, through the broker, and with a clock that differs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit

from qhub_ext.errors import DeviceError
from qhub_ext.job import context
from qhub_ext.primitives import Sampler
from qhub_ext.settings import current_settings
from qhub_ext.telemetry.answers import Piece, answer_spans, clipped
from qhub_ext.telemetry.attributes import KINDS, known
from qhub_ext.telemetry.context import new_context
from qhub_ext.telemetry.otlp import RecordedSpan, decode
from qhub_ext.tiers.qpu import pool
from qhub_ext.tiers.qpu.task_spans import MOST_INTERVALS, Moments, _on_device, ask_clock, device_clock, joined
from qhub_ext.tiers.qpu.virtual import virtual_resource
from tests.broker.conftest import Broker
from tests.qpu.conftest import VirtualQpu
from tests.telemetry.conftest import Recording


def test_a_task_on_a_device_is_told_from_its_sending_to_its_result(
    qpu: VirtualQpu, bell: QuantumCircuit, recording: Recording
):
    with context.using(tier="qpu", device="kingston"):
        Sampler().run([bell], shots=64).result()
    by_name = {span.name: span for span in recording.spans}
    task = by_name["device task"]
    start = by_name["QuantumResource.task_start"]
    assert {start.resource["service.name"], by_name["QuantumResource.task_result"].resource["service.name"]} == {"qhub-helper"}  # fmt: skip
    above = {"on the device": start.span_id}
    for name in ("send", "on the device", "fetch", "QuantumResource.task_start", "QuantumResource.task_result"):
        assert by_name[name].parent_id == above.get(name, task.span_id)
        begin, end = by_name[name].begin_ns, by_name[name].end_ns
        assert task.begin_ns - 1000 <= begin <= end <= task.end_ns + 1000  # a float of s since 1970 is that coarse
    assert by_name["sampler"].span_id == task.parent_id
    ran = by_name["on the device"]
    assert ran.resource["service.name"] == "qhub-virtual-qpu"
    assert ran.trace_id == recording.root.trace_id
    assert ran.attributes["qhub.task.vendor_id"] == task.attributes["qhub.task.vendor_id"]
    assert task.attributes["qhub.device.virtual"] is True
    for span in recording.spans:
        assert span.kind in KINDS
        assert [name for name in (*span.attributes, *span.resource) if not known(name)] == []
    assert qpu.key not in recording.path.read_text()


def test_a_call_that_fails_is_told_by_its_helper_with_the_class_of_the_error(
    qpu: VirtualQpu, bell: QuantumCircuit, recording: Recording
):
    qpu.fault("503", where="/jobs", method="POST")
    with context.using(tier="qpu", device="kingston"), pytest.raises(DeviceError):
        Sampler().run([bell], shots=64).result()
    failed = next(span for span in recording.spans if span.name == "QuantumResource.task_start")
    assert failed.attributes["error.type"]
    assert "503" not in str(failed.attributes["error.type"])
    assert next(span for span in recording.spans if span.name == "device task").span_id == failed.parent_id


def test_a_helper_that_nobody_traces_tells_nothing(qpu: VirtualQpu, bell: QuantumCircuit):
    with context.using(tier="qpu", device="kingston"):
        Sampler().run([bell], shots=64).result()
    (process,) = pool._processes.values()
    told: list[RecordedSpan] = []
    process.call("status", deadline_s=60, told=told)
    assert told == []
    above = new_context()
    process.call("status", deadline_s=60, told=told, traceparent=above.traceparent)
    assert [(span.name, span.trace_id, span.parent_id) for span in told] == [("QuantumResource.status", above.trace_id, above.span_id)]  # fmt: skip


def test_a_virtual_qpu_tells_nothing_without_its_key(qpu: VirtualQpu):
    answer = httpx.get(f"{qpu.url}/spans/v123", trust_env=False, timeout=60)
    assert answer.status_code == 401
    assert abs(float(answer.headers["x-qhub-time"]) - time.time()) < 60


def test_the_clock_of_a_service_is_measured_by_a_question_that_carries_no_key(qpu: VirtualQpu):
    offset = device_clock(virtual_resource("kingston", current_settings().qpu))
    assert offset is not None
    assert not offset.matters


class _Ahead(BaseHTTPRequestHandler):
    """A service whose clock is 90 s ahead, and that says no."""

    def do_GET(self) -> None:
        self.send_response_only(401)
        self.send_header("Date", formatdate(time.time() + 90, usegmt=True))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def ahead() -> Iterator[str]:
    service = HTTPServer(("127.0.0.1", 0), _Ahead)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_address[1]}"
    service.shutdown()
    service.server_close()


def test_a_clock_that_is_ahead_is_told_by_the_date_of_any_answer(ahead: str):
    offset = ask_clock(ahead)
    assert offset is not None
    assert offset.matters
    assert abs(offset.ahead_s - 90) <= offset.error_s + 0.01


def test_a_service_that_does_not_answer_has_no_clock_and_costs_nothing_more():
    assert ask_clock("http://127.0.0.1:9") is None
    assert ask_clock("file:///etc/hostname") is None


def test_the_times_of_a_device_whose_clock_differs_are_moved(ahead: str):
    class Real:
        virtual = brokered = False
        config = {"QRMI_IBM_QCS_ENDPOINT": ahead}  # noqa: RUF012

    now = time.time()
    moments = Moments(sent_at=now, accepted_at=now + 0.5, running_at=now + 1, ended_at=now + 9, fetched_at=now + 10)
    moments.intervals = [(now + 92, now + 97)]
    ((begin, end, offset),) = _on_device(moments, Real(), whole=True)  # type: ignore[arg-type]
    assert offset is not None
    assert begin - now == pytest.approx(2, abs=offset.error_s + 0.1)
    assert end - begin == pytest.approx(5, abs=0.01)
    moments.intervals = [(now + 5000, now + 5001)]  # nonsense of the device: then it is what was seen from here
    assert _on_device(moments, Real(), whole=True) == [(now + 1, now + 9, None)]  # type: ignore[arg-type]


def test_the_broker_answers_with_its_own_spans_below_the_one_that_asks(
    new_broker: Callable[..., Broker],
    through_the_broker: Callable[[Broker], None],
    bell: QuantumCircuit,
    recording: Recording,
):
    through_the_broker(new_broker())
    with context.using(tier="qpu", device="kingston"):
        Sampler().run([bell], shots=64).result()
    told = [span for span in recording.spans if span.resource["service.name"] == "qhub-broker"]
    assert {"slice", "wait at the broker"} >= {span.name for span in told} >= {"slice"}
    task = next(span for span in recording.spans if span.name == "device task")
    sent = next(span for span in recording.spans if span.name == "QuantumResource.task_start")
    assert sent.parent_id == task.span_id
    assert {span.parent_id for span in told} == {sent.span_id}
    assert {span.trace_id for span in recording.spans} == {recording.root.trace_id}
    assert any(span.kind == "quantum" for span in recording.spans)


def test_spans_that_are_asked_for_again_are_the_same():
    above = new_context()
    pieces = [Piece("a", "broker_queue", 1.0, 2.0), Piece("open", "transport", 2.0, None)]
    first, again = (answer_spans("qhub-broker", above.traceparent, "t", pieces) for _ in range(2))
    assert first["resourceSpans"] == again["resourceSpans"]
    (only,) = decode(json.loads(json.dumps(first)))
    assert (only.parent_id, only.trace_id) == (above.span_id, above.trace_id)
    assert list(decode(answer_spans("qhub-broker", "nonsense", "t", pieces)))


def test_spans_are_cut_to_the_task_that_they_are_of():
    spans = list(decode(answer_spans("qhub-broker", "", "t", [Piece("a", "quantum", 1.0, 5.0), Piece("b", "quantum", 8.0, 9.0)])))  # fmt: skip
    (cut,) = clipped(spans, 2 * 10**9, 4 * 10**9)
    assert (cut.begin_ns, cut.end_ns) == (2 * 10**9, 4 * 10**9)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=200))
def test_thousands_of_intervals_are_few_in_order_and_apart(intervals: list[tuple[float, float]]):
    found = joined(intervals)
    assert len(found) <= MOST_INTERVALS
    assert all(a[1] <= b[0] for a, b in pairwise(found))
    for begin, end in intervals:
        if begin <= end:
            assert any(b <= begin and end <= e for b, e in found)
