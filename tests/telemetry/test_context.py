"""W3C's trace context: what is one, and that a job has one whatever it was submitted with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.telemetry.context import context_of_job, new_context, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_the_example_of_the_standard_is_read_and_written_back():
    found = parse_traceparent(f"00-{TRACE}-{SPAN}-01")
    assert found is not None
    assert (found.trace_id, found.span_id, found.sampled) == (TRACE, SPAN, True)
    assert found.traceparent == f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_what_the_standard_refuses_is_no_context(text: str):
    assert parse_traceparent(text) is None


def test_a_version_from_the_future_is_read_as_far_as_it_is_known():
    found = parse_traceparent(f"cc-{TRACE}-{SPAN}-00-what-the-future-brings")
    assert found is not None
    assert not found.sampled


@given(st.text())
def test_no_text_makes_reading_fail(text: str):
    parse_traceparent(text)


def test_a_job_joins_the_trace_of_who_submitted_it():
    outer = new_context()
    assert new_context(outer.traceparent).trace_id == outer.trace_id
    assert new_context(outer.traceparent).span_id != outer.span_id


def test_a_job_of_an_older_version_has_the_same_trace_whoever_looks():
    assert context_of_job("01kayt4w2-7qm3xd", "") == context_of_job("01kayt4w2-7qm3xd", "")
    assert context_of_job("01kayt4w2-7qm3xd", "") != context_of_job("01kayt4w2-7qm3xe", "")
