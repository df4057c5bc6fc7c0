"""By how much clocks differ, as numbers: measured, written beside the spans, and taken out of the trace again."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.diagnosis.breakdown import break_down
from qhub_ext.diagnosis.evidence import Evidence
from qhub_ext.diagnosis.rules.doubts import clocks_differ
from qhub_ext.diagnosis.trace import NS, assemble
from qhub_ext.job.record import JobRecord
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.telemetry import recorder as recording
from qhub_ext.telemetry.clocks import TICK_S, Offset, ahead_of_files, from_answer
from qhub_ext.telemetry.otlp import RecordedSpan, read_spans
from tests.diagnosis.test_trace import ATTEMPT, CELL, DONE, ROOT, SPEC, recorded


@given(ahead=st.floats(-1e6, 1e6), there=st.floats(0, 30), back=st.floats(0, 30))
def test_the_offset_of_who_answers_is_right_within_its_error_however_long_each_way_takes(ahead: float, there: float, back: float) -> None:  # fmt: skip
    asked = 1_790_000_000.0
    found = from_answer(asked, asked + there + back, asked + there + ahead)
    assert abs(found.ahead_s - ahead) <= found.error_s + 1e-6
    assert found.error_s == pytest.approx((there + back) / 2, abs=1e-6)


@pytest.mark.parametrize("ahead", [90.0, -3600.0, 0.0])
def test_a_clock_is_held_against_that_of_the_files(ahead: float, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "spans", os.O_RDWR | os.O_CREAT)
    found = ahead_of_files(fd, lambda: time.time() + ahead)
    os.close(fd)
    assert found is not None
    assert abs(found.ahead_s - ahead) <= found.error_s
    assert found.error_s >= TICK_S
    assert found.matters == (ahead != 0.0)


def test_two_clocks_that_were_held_against_a_third_are_held_against_each_other() -> None:
    found = Offset(90.0, 0.02).since(Offset(-10.0, 0.03))
    assert (found.ahead_s, found.error_s) == (100.0, pytest.approx(0.05))


@pytest.mark.parametrize("ahead", [90.0, -60.0])
def test_what_a_node_asked_a_device_for_is_moved_with_what_it_recorded_itself(
    ahead: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's clock is off. It has brought the device's times onto its own clock; both come back by the same seconds."""
    monkeypatch.setattr(recording, "ahead_of_files", lambda _: Offset(ahead, 0.01))
    node = recording.Recorder(tmp_path / "kernel.jsonl", ATTEMPT, "qhub-kernel", qhub__job__attempt=1)
    node.add("cell", "classical", 114.0 + ahead, 129.0 + ahead, own=CELL)
    device = {"host.name": "fridge", "service.name": "qhub-virtual-qpu"}
    ran = RecordedSpan(ROOT.trace_id, "a" * 16, CELL.span_id, "on the device", int((120 + ahead) * NS), int((124 + ahead) * NS), {"qhub.kind": "quantum"}, device)  # fmt: skip
    node.adopt([ran])
    node.close()
    written = read_spans(tmp_path / "kernel.jsonl")
    told = next(span for span in written if span.name == "on the device")
    assert told.resource["host.name"] == "fridge"
    assert told.resource["qhub.clock.ahead"] == ahead
    assert told.resource["qhub.job.attempt"] == 1
    submitted = recorded("submit", "submit", 100.5, 101.0, attempt=0, host="login")
    trace = assemble(JobRecord(SPEC, DONE.state, (DONE,), submitted_at=101.0), [submitted, *written], {})
    at = {span.name: (span.begin_ns / NS, (span.end_ns or 0) / NS) for span in trace.spans}
    assert at["cell"] == pytest.approx((114.0, 129.0), abs=1e-3)
    assert at["on the device"] == pytest.approx((120.0, 124.0), abs=1e-3)
    assert {span.attempt for span in trace.spans if span.name in ("cell", "on the device")} == {1}
    assert break_down(trace).seconds("quantum") == pytest.approx(4.0, abs=1e-3)
    assert [(clock.host, clock.ahead_s) for clock in trace.clocks] == [(os.uname().nodename, pytest.approx(ahead))]
    assert f"{abs(ahead):.2f} s {'ahead of' if ahead > 0 else 'behind'}" in trace.clocks[0].sentence


@pytest.mark.parametrize(
    ("running_at", "ended_at", "seconds"),
    [(112.0, 130.0, None), (99.5, 130.0, None), (41.0, 130.0, "60"), (-3499.0, -3400.0, "3600"), (112.0, 12.0, "100")],
)
def test_clocks_that_put_an_end_before_its_begin_are_told_with_the_seconds(
    running_at: float, ended_at: float, seconds: str | None
) -> None:
    attempt = replace(DONE, queued_at=101.0, running_at=running_at, ended_at=ended_at)
    record = JobRecord(SPEC, DONE.state, (attempt,), submitted_at=101.0)
    found = clocks_differ(Evidence(JobFolder(Path("/jobs") / SPEC.id), record))
    assert (None if found is None else found.sentence) == (
        seconds and f"The clocks of its node and of the place of submission differ by {seconds} s at least: times between the two are wrong."
    )  # fmt: skip
