"""Spans as they are written: one line each, whole, by one writer per file, whatever user code and disks do."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qhub_ext
from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.attributes import KINDS, known
from qhub_ext.telemetry.context import new_context
from qhub_ext.telemetry.otlp import RecordedSpan, decode, dumps, encode_span, parse_line, read_spans
from tests.telemetry.conftest import Recording


def test_each_line_is_a_whole_message_of_otlp(recording: Recording):
    with spans.recording("a", "classical"), spans.recording("b", "transpile"):
        pass
    lines = [json.loads(line) for line in recording.path.read_text().splitlines()]
    assert [line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in lines] == ["b", "a"]
    b, a = recording.spans
    assert (b.parent_id, a.parent_id) == (a.span_id, recording.root.span_id)
    assert a.begin_ns <= b.begin_ns <= b.end_ns <= a.end_ns
    assert b.resource["service.name"] == "qhub-test"


def test_a_file_tells_by_how_much_its_writer_and_the_disk_differ(recording: Recording):
    spans.finish(spans.begin("a", "classical"))
    told = recording.spans[0].resource
    assert abs(float(told["qhub.clock.ahead"])) <= float(told["qhub.clock.error"])


def test_users_spans_nest_in_threads_coroutines_and_generators(recording: Recording):
    @qhub_ext.span("decorated", depth=3)
    def outer() -> None:
        with qhub_ext.span("inner") as inner:
            inner.set(converged=True)

    @qhub_ext.span("coroutine")
    async def coroutine() -> int:
        await asyncio.sleep(0)
        return 7

    @qhub_ext.span("generator")
    def generator():
        yield 1
        yield 2

    outer()
    assert asyncio.run(coroutine()) == 7
    assert list(generator()) == [1, 2]
    thread = threading.Thread(target=outer)
    thread.start()
    thread.join()
    found = recording.spans
    inner, decorated = found[:2]
    assert inner.parent_id == decorated.span_id
    assert inner.attributes["qhub.user.converged"] is True
    assert decorated.attributes["qhub.user.depth"] == 3
    assert [s.name for s in found[2:4]] == ["coroutine", "generator"]
    assert found[5].parent_id == recording.root.span_id


def test_an_error_passes_through_and_only_its_class_is_told(recording: Recording):
    with pytest.raises(ValueError, match="secret"), qhub_ext.span("fails"):
        raise ValueError("secret")
    assert recording.spans[0].attributes["error.type"] == "ValueError"
    assert "secret" not in recording.path.read_text()


def test_a_value_that_is_no_plain_one_is_told_by_its_type(recording: Recording):
    with qhub_ext.span("x", token={"key": "hidden"}):
        pass
    assert recording.spans[0].attributes["qhub.user.token"] == "dict"


def test_outside_of_a_job_a_span_does_nothing():
    with qhub_ext.span("nobody listens") as nobody:
        nobody.set(a=1)
    assert spans.here() is None


def test_a_forked_child_writes_a_file_of_its_own(recording: Recording):
    spans.finish(spans.begin("parent", "classical"))
    child = os.fork()
    if child == 0:
        spans.finish(spans.begin("child", "classical"))
        os._exit(0)
    os.waitpid(child, 0)
    spans.finish(spans.begin("parent", "classical"))
    assert [s.name for s in recording.spans] == ["parent", "parent"]
    assert [s.name for s in read_spans(recording.path.with_name(f"test-{child}.jsonl"))] == ["child"]


def test_a_later_writer_carries_on_after_a_torn_line(recording: Recording):
    recording.path.parent.mkdir()
    recording.path.write_bytes(b'{"resourceSpans": [{')
    spans.finish(spans.begin("whole", "classical"))
    assert [s.name for s in recording.spans] == ["whole"]


def test_a_loop_without_an_end_does_not_fill_the_disk(recording: Recording, monkeypatch: pytest.MonkeyPatch):
    recording.recorder._left = 10
    for _ in range(25):
        spans.finish(spans.begin("again", "classical"))
    recording.recorder.close()
    assert len(recording.spans) == 11
    assert recording.spans[-1].attributes["qhub.spans.dropped"] == 15


def test_a_place_that_cannot_be_written_to_ends_the_recording_and_nothing_else(tmp_path: Path):
    (tmp_path / "file").touch()
    spans.install(spans.Recorder(tmp_path / "file" / "x.jsonl", new_context(), "qhub-test"))
    try:
        with qhub_ext.span("a"):
            pass
    finally:
        spans.install(None)


def test_a_trace_that_is_not_sampled_is_not_written(tmp_path: Path):
    quiet = spans.Recorder(tmp_path / "x.jsonl", new_context(sampled=False), "qhub-test")
    quiet.add("a", "submit", 1.0, 2.0)
    assert not quiet.on
    assert not (tmp_path / "x.jsonl").exists()


@given(st.binary() | st.text())
def test_nothing_that_stands_in_a_file_makes_reading_fail(line: bytes | str):
    parse_line(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceSpans", "scopeSpans", "spans", "resource", "attributes", "key", "value", "traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano", "intValue", "doubleValue"]),
        inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
def test_nothing_of_the_wrong_shape_makes_decoding_fail(value: object):
    for one in decode({"resourceSpans": [{"scopeSpans": [{"spans": [value]}]}, value]}):
        encode_span(one)


@given(
    st.text(),
    st.dictionaries(
        st.text(),
        st.text() | st.integers() | st.booleans() | st.floats(),
        max_size=5,
    ),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(["", "b" * 16]),
)
def test_the_quick_writer_says_what_the_plain_one_says(name: str, attributes: dict[str, Any], kind: str, parent: str):
    one = RecordedSpan("a" * 32, "c" * 16, parent, name, 1, 2, {"qhub.kind": kind, **attributes})
    assert json.loads(dumps(one)) == json.loads(json.dumps(encode_span(one)))


def test_every_kind_and_attribute_here_is_documented(recording: Recording):
    spans.recorder().add("a", "queue", 1.0, 2.0, qhub__task__polls=3)  # type: ignore[union-attr]
    for one in recording.spans:
        assert one.kind in KINDS
        assert all(known(name) for name in (*one.attributes, *one.resource))
