"""Spans at a collector: a real process on loopback that speaks OTLP; and jobs that do not care whether it is there."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.runner.export import send_rest
from qhub_ext.telemetry.context import new_context
from qhub_ext.telemetry.export import JSON, PROTOBUF, ExportError, bodies, read_headers, target_of
from qhub_ext.telemetry.unsent import Unsent
from tests.runner.conftest import Workshop
from tests.waiting import wait_until

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
    """The whole lines: the collector may be writing."""
    whole, _, _ = (file.read_text() if file.exists() else "").rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def names(file: Path) -> list[str]:
    return [one["name"] for one in received(file)]


@pytest.mark.parametrize("protocol", [PROTOBUF, JSON])
def test_a_collector_gets_the_whole_trace_and_the_key_that_it_asks_for(
    shared_workshop: Workshop, tmp_path: Path, protocol: str
):
    trace = new_context()
    with collecting(tmp_path / "spans") as (url, file):
        folder = shared_workshop.folder("import qhub_ext\nwith qhub_ext.span('mine'): pass", traceparent=trace.traceparent, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": url})  # fmt: skip
        run = shared_workshop.run(folder, extra={"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=very%20secret"})  # fmt: skip
        assert run.outcome["state"] == "completed"
        wait_until(lambda: "job" in names(file), what="the last of them, which the runner need not wait for")
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
        if trouble != "hangs":
            wait_until(lambda: "spans were not exported" in run.console, what="the word that nobody has them")
    assert run.outcome["state"] == "completed"
    assert run.text == "done\n"
    assert run.outcome["ended_at"] <= gone_at


LONG = """
import pathlib, time
from qhub_ext import span
for n in range(2):
    with span(f"step {n}"):
        print(n, flush=True)
    while not pathlib.Path(f"FOLDER/go-{n}").exists():
        time.sleep(0.02)
"""


def test_a_long_job_is_seen_at_the_collector_while_it_runs_and_each_span_comes_once(shared_workshop: Workshop, tmp_path: Path):  # fmt: skip
    with collecting(tmp_path / "spans") as (url, file):
        run = shared_workshop.start(LONG.replace("FOLDER", str(tmp_path)), extra={"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"})  # fmt: skip
        wait_until(lambda: "step 0" in names(file), what="the first step")
        assert not run.attempt.outcome.exists()
        (tmp_path / "go-0").touch()
        wait_until(lambda: "step 1" in names(file), what="the second step")
        (tmp_path / "go-1").touch()
        run.wait()
        wait_until(lambda: "job" in names(file), what="the end")
    for once in ("start kernel", "step 0", "step 1", "cell", "put away"):
        assert names(file).count(once) == 1


def test_a_collector_that_comes_late_gets_all_that_it_missed(shared_workshop: Workshop, tmp_path: Path):
    with collecting(tmp_path / "spans", "--refuse-until", str(tmp_path / "open")) as (url, file):
        run = shared_workshop.start(LONG.replace("FOLDER", str(tmp_path)), extra={"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"})  # fmt: skip
        run.until_it_prints("0")
        wait_until(lambda: "spans wait for their collector" in run.console, what="a refusal")
        (tmp_path / "open").touch()
        wait_until(lambda: "step 0" in names(file), what="the first step")
        for n in range(2):
            (tmp_path / f"go-{n}").touch()
        run.wait()
        wait_until(lambda: "job" in names(file), what="the end")
    assert names(file).count("start kernel") == 1


def test_what_a_collector_missed_for_good_is_sent_by_hand_and_only_that(shared_workshop: Workshop, tmp_path: Path):
    with collecting(tmp_path / "spans", "--refuse-until", str(tmp_path / "open")) as (url, file):
        run = shared_workshop.start("1", extra={"OTEL_EXPORTER_OTLP_ENDPOINT": url}).wait()
        wait_until(lambda: "`qhub trace JOB --export` sends them" in run.console, what="the word that nobody has them")
        (tmp_path / "open").touch()
        target = target_of({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
        assert target is not None
        send_rest(run.folder, target)
        send_rest(run.folder, target)
    assert names(file).count("cell") == 1


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(0, 10))
def test_what_is_unsent_is_every_whole_line_once_in_whatever_pieces_it_is_written(pieces: list[int], torn: int):
    with tempfile.TemporaryDirectory() as path:
        folder = JobFolder(Path(path))
        spans = folder.attempt(1).spans / "kernel.jsonl"
        spans.parent.mkdir(parents=True)
        written, sent = 0, []
        for piece in pieces:
            with spans.open("ab") as file:
                file.writelines(b"%d\n" % (written + n) for n in range(piece))
                file.write(b"x" * torn)
            for lines, arrived in Unsent(folder).batches():
                sent += lines
                arrived()
            with spans.open("r+b") as file:
                file.truncate(file.seek(0, 2) - torn)
            written += piece
        assert [int(line) for line in sent] == list(range(written))


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
