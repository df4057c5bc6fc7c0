"""Nothing secret is told on: not in a log line, a span, a summary or a journal, whether it stood in the environment or in an error's words."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit

from qhub_ext.diagnosis.fleet.written import read_summary
from qhub_ext.job.context import using
from qhub_ext.primitives import Sampler
from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.logs import JsonLines
from qhub_ext.telemetry.secrets import HIDDEN, hide
from tests.broker.conftest import Broker
from tests.qpu.conftest import isa
from tests.runner.conftest import Workshop
from tests.telemetry.conftest import Recording

TOKEN = "planted-QWxhZGRpbjpvcGVu-letters"


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("qhub_ext.test", logging.WARNING, __file__, 1, message, arguments, None)
    vars(made).update(extra)
    return made


def test_a_log_line_is_one_object_with_the_ids_of_job_task_and_trace(recording: Recording) -> None:
    with spans.recording("step", "classical") as span:
        assert span is not None
        line = json.loads(JsonLines("qhub-broker").format(record("slice %d\nsent", 3, job="01kayt4w2-7qm3xd", task="b1")))  # fmt: skip
    assert (line["service"], line["level"], line["message"]) == ("qhub-broker", "warning", "slice 3\nsent")
    assert (line["job"], line["task"]) == ("01kayt4w2-7qm3xd", "b1")
    assert (line["trace_id"], line["span_id"]) == (span.context.trace_id, span.context.span_id)
    assert "trace_id" in line
    spans.install(None)
    assert "trace_id" not in json.loads(JsonLines().format(record("outside")))


def test_a_log_line_hides_a_token_of_the_environment_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_TOKEN", TOKEN)
    try:
        raise ValueError(f"refused: {TOKEN}")
    except ValueError:
        made = record("with %s", TOKEN, user=TOKEN, exc_info=sys.exc_info())
    text = JsonLines().format(made)
    assert TOKEN not in text
    assert text.count(HIDDEN) == 3  # the message, the user, and the words of the error
    assert json.loads(text)["error"] == "ValueError"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer"),
        (f'{{"access_token": "{TOKEN}", "kind": "x"}}', '"kind": "x"'),
        (f"https://me:{TOKEN}@host/path", "host/path"),
        (f"GET /x?api_key={TOKEN}&page=2", "page=2"),
        (f"password={TOKEN}; retry", "retry"),
    ],
)
def test_words_that_announce_a_secret_hide_what_follows_them(text: str, kept: str) -> None:
    assert TOKEN not in hide(text)
    assert kept in hide(text)


@pytest.mark.parametrize("text", ["the token expired", "Slurm refused the job: Invalid qos", "3 tokens left", "x = 1"])
def test_plain_sentences_stay_as_they_are(text: str) -> None:
    assert hide(text) == text


@given(st.text("abc"), st.sets(st.text("abc", min_size=8), max_size=3))
def test_hiding_leaves_none_of_the_values(text: str, values: set[str]) -> None:
    hidden = hide(text + "".join(values), values)
    assert all(value not in hidden for value in values)


def test_of_a_job_that_fails_with_a_token_in_its_error_nothing_leaves_its_outputs(shared_workshop: Workshop) -> None:
    """What the cell itself prints or raises is its owner's, and stays in outputs and outcome, which nobody else may read."""
    run = shared_workshop.run(
        "import os, qhub_ext\nwith qhub_ext.span('login', kind='x'):\n    int(os.environ['SOME_API_TOKEN'])",
        extra={"SOME_API_TOKEN": TOKEN},
    )
    assert TOKEN in run.outcome["message"]
    found = [p for p in run.folder.path.rglob("*") if p.is_file() and TOKEN.encode() in p.read_bytes()]
    assert {p.name for p in found} <= {"outcome.json", "outputs.jsonl", "outputs.ipynb"}
    summary = read_summary(run.attempt)
    assert summary is not None
    assert summary.signature
    assert "planted" not in summary.signature
    assert run.folder.path.stat().st_mode & 0o077 == 0


def test_the_brokers_log_is_json_and_names_job_and_task(
    new_broker: Callable[..., Broker], through_the_broker: Callable[[Broker], None], tmp_path: Path
) -> None:
    broker = new_broker(SOME_API_TOKEN=TOKEN)
    through_the_broker(broker)
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    with using(tier="qpu", device="kingston", job_id="01kayt4w2-7qm3xd", profile="test"):
        Sampler().run([isa(circuit)], shots=100).result()
    text = (broker.directory / "log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    sent = next(line for line in lines if line["message"].startswith("slice sent"))
    done = next(line for line in lines if line["message"] == "slice done")
    assert sent["job"].startswith("01kayt4w2-7qm3xd")
    assert (sent["task"], sent["device"]) == (done["task"], "kingston")
    assert TOKEN not in text
