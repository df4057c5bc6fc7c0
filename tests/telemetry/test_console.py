"""What runner, embedded site and launcher say on their consoles: sentences, or lines of JSON with the ids of job and trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.capture.command import parse_words
from qhub_ext.capture.options import OPTIONS
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.settings import Settings, TelemetrySettings
from qhub_ext.sites.embedded import launch
from qhub_ext.telemetry.console import Console, introduce, wanted
from qhub_ext.telemetry.context import new_context
from qhub_ext.telemetry.secrets import HIDDEN
from tests.front.conftest import set_up_place
from tests.runner.conftest import Workshop
from tests.waiting import wait_until

JSON = {"QHUB_TELEMETRY_LOGS": "json"}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("of_the_submission", [False, True])
def test_a_runner_tells_begin_and_end_of_its_attempt_in_json(
    shared_workshop: Workshop, of_the_submission: bool
) -> None:
    """Where the site's environment asks for it, or that of the submission."""
    trace = new_context()
    captured, extra = (JSON, {}) if of_the_submission else ({}, JSON)
    folder = shared_workshop.folder("1 / 0", traceparent=trace.traceparent, environment=captured)
    run = shared_workshop.run(folder, extra={**extra, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    wait_until(lambda: "spans were not exported" in run.console, what="what the runner need not wait for")
    told = lines(run.console)
    assert [line["message"] for line in told if line["level"] == "info"] == ["attempt begun", "attempt ended"]
    assert (told[-1]["level"], "spans were not exported" in told[-1]["message"]) == ("warning", True)
    ended = next(line for line in told if line["message"] == "attempt ended")
    assert (ended["state"], ended["cause"], ended["attempt"]) == ("failed", "code", 1)
    assert {(line["service"], line["job"], line["trace_id"]) for line in told} == {("qhub-runner", folder.id, trace.trace_id)}  # fmt: skip


def test_a_runner_that_is_not_asked_for_json_says_nothing_of_a_job_that_goes_well(shared_workshop: Workshop) -> None:
    assert shared_workshop.run("1").console == ""


def test_a_token_in_a_sentence_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", "planted-letters")
    line = json.loads(Console("qhub-runner", as_json=True).line("refused: planted-letters", "error", job="a"))
    assert (line["message"], line["level"], line["job"]) == (f"refused: {HIDDEN}", "error", "a")
    assert not wanted({"QHUB_TELEMETRY_LOGS": "text"})
    introduce("qhub", {})


def test_the_daemon_of_an_embedded_site_names_job_and_trace(tmp_path: Path) -> None:
    with set_up_place(tmp_path, **JSON) as place:
        request, _ = parse_words(["--tier=local"], None, OPTIONS)
        job = place.service.submit(place.service.draft(request, "x = 1", {}))
        job.wait(120)
        log = tmp_path / "site"

        def told() -> list[dict[str, Any]]:
            return [
                line for path in log.rglob("*.log") for line in lines(path.read_text()) if line.get("job") == job.id
            ]

        wait_until(lambda: any("ended" in line["message"] for line in told()), what="the end in the log")
        trace = job.record.spec.traceparent.split("-")[1]
        assert {line["trace_id"] for line in told()} == {trace}
        assert {line["service"] for line in told()} <= {"qhub-site", "qhub-launcher"}
        assert "attempt 1 started" in {line["message"] for line in told()}
        console = job.folder.attempt(1).console.read_text()
        assert [line["message"] for line in lines(console)][-1] == "attempt ended"


@pytest.mark.parametrize("asked", [True, False])
def test_a_launcher_whose_folder_is_gone_says_so_for_its_job(asked: bool, tmp_path: Path) -> None:
    folder = tmp_path / "01kayt4w2-7qm3xd"
    folder.mkdir()
    trace = new_context()
    write_json(folder / "spec.json", {"traceparent": trace.traceparent})
    (folder / "attempts").write_text("a file where a folder should be")
    attempt = str(folder / "attempts" / "3")
    command = [sys.executable, "-I", "-S", launch.__file__, "run", attempt, "/no/script", str(tmp_path)]
    environment = {**os.environ, **(JSON if asked else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in (66, 74)
    if asked:
        (line,) = lines(done.stderr)
        assert (line["service"], line["job"], line["attempt"], line["trace_id"]) == ("qhub-launcher", folder.name, 3, trace.trace_id)  # fmt: skip
    else:
        assert done.stderr.startswith(f"launcher: {attempt}: ")


def test_the_setting_travels_with_a_job(tmp_path: Path) -> None:
    from qhub_ext.capture.runtime import record_runtime

    told = record_runtime(Settings(telemetry=TelemetrySettings(logs="json")))
    assert told["environment"]["QHUB_TELEMETRY_LOGS"] == "json"
    assert "QHUB_TELEMETRY_LOGS" not in record_runtime(Settings())["environment"]


def test_every_process_writes_the_same_fields(tmp_path: Path) -> None:
    from qhub_ext.sites.embedded import launcher_log
    from qhub_ext.telemetry.logs import line_of

    folder = tmp_path / "01kayt4w2-7qm3xd"
    folder.mkdir()
    write_json(folder / "spec.json", {"traceparent": new_context().traceparent})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*next(iter(JSON.items())))
        theirs = json.loads(launcher_log.line("x", f"{folder}/attempts/1"))
    ours = json.loads(line_of("qhub-site", "error", "x", job="j", attempt=1, trace_id="t"))
    assert list(theirs) == list(ours)
    assert len(theirs["at"]) == len(ours["at"])
