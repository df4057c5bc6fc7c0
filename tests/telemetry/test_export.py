"""Spans at a collector: a real process on loopback that speaks OTLP; and jobs that do not care whether it is there."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.telemetry.context import new_context
from qhub_ext.telemetry.export import JSON, PROTOBUF, ExportError, bodies, read_headers, target_of
from tests.runner.conftest import Workshop

Collect = Callable[..., contextlib.AbstractContextManager[tuple[str, Path]]]


@contextlib.contextmanager
def collecting(file: Path, *options: str) -> Iterator[tuple[str, Path]]:
    process = subprocess.Popen([sys.executable, "-m", "tests.telemetry.collector", str(file), *options], stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", file
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def received(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize("protocol", [PROTOBUF, JSON])
def test_a_collector_gets_the_whole_trace_and_the_key_that_it_asks_for(
    shared_workshop: Workshop, tmp_path: Path, protocol: str
):
    trace = new_context()
    with collecting(tmp_path / "spans") as (url, file):
        folder = shared_workshop.folder("import qhub_ext\nwith qhub_ext.span('mine'): pass", traceparent=trace.traceparent, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url})  # fmt: skip
        run = shared_workshop.run(folder, extra={"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=very%20secret"})  # fmt: skip
        assert run.outcome["state"] == "completed"
        found = received(file)
    assert {one["trace"] for one in found} == {trace.trace_id}
    assert {"job", "attempt", "start kernel", "cell", "mine", "put away"} <= {one["name"] for one in found}
    assert {one["key"] for one in found} == {"very secret"}
    assert {one["service"] for one in found} >= {"qhub-runner", "qhub-kernel", "qhub-job"}
    ids = {one["id"] for one in found}
    if protocol == PROTOBUF:
        assert {one["parent"] for one in found} <= ids | {""}, "each span has its parent, up to the job"
    for path in folder.path.rglob("*"):
        assert path.is_dir() or b"very secret" not in path.read_bytes(), path


@pytest.mark.parametrize("trouble", ["down", "refuses", "hangs"])
def test_a_collector_in_trouble_neither_fails_nor_slows_a_job(shared_workshop: Workshop, tmp_path: Path, trouble: str):
    options = {"refuses": ("--refuse",), "hangs": ("--slow", "60")}.get(trouble, ())
    with collecting(tmp_path / "spans", *options) as (url, _):
        endpoint = "http://127.0.0.1:9" if trouble == "down" else url
        run = shared_workshop.start("print('done')", extra={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        run.wait()
        gone_at = time.time()
    assert run.outcome["state"] == "completed"
    assert run.text == "done\n"
    assert run.outcome["ended_at"] <= gone_at
    if trouble != "hangs":
        assert "spans were not exported" in run.console


def test_without_a_collector_no_process_is_begun(shared_workshop: Workshop):
    run = shared_workshop.run("1", extra={"OTEL_EXPORTER_OTLP_HEADERS": "a=b"})
    assert "export" not in run.console


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/x"}, "http://c:4318/x"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, None),
    ],
)
def test_the_standard_variables_say_where_to(environment: dict[str, str], url: str | None):
    target = target_of(environment)
    assert (target.url if target else None) == url


@pytest.mark.parametrize(
    "environment", [{"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4318"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}]
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(environment: dict[str, str]):
    with pytest.raises(ExportError, match=r"\.$"):
        target_of(environment)


@given(st.text())
def test_headers_are_read_whatever_they_say(text: str):
    read_headers(text)


def test_headers_are_those_of_the_standard():
    assert read_headers("api-key=a%20b, Tenant = x ,broken") == {"api-key": "a b", "tenant": "x"}


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_lines_that_are_torn_are_left_out(lines: list[bytes]):
    for body in bodies(lines, JSON):
        json.loads(body)
