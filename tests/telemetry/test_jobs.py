"""The spans that a real job leaves in its folder."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qhub_ext.telemetry.attributes import KINDS, known
from qhub_ext.telemetry.context import new_context
from qhub_ext.telemetry.otlp import RecordedSpan, read_spans
from tests.runner.conftest import Run, Workshop

CELL = """
import os
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
import qhub_ext
from qhub_ext import Sampler, backend

secret_of_mine = "not to be told"
with qhub_ext.span("build bell"):
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
isa = generate_preset_pass_manager(1, backend=backend()).run([bell, bell])
counts = Sampler().run(isa).result()[0].data.meas.get_counts()
print(os.environ["TRACEPARENT"])
"""
TRACE = new_context()


def spans_of(run: Run) -> list[RecordedSpan]:
    return [span for path in sorted(run.attempt.spans.glob("*.jsonl")) for span in read_spans(path)]


@pytest.fixture(scope="module")
def told(shared_workshop: Workshop) -> Run:
    run = shared_workshop.run(CELL, device="jakarta", traceparent=TRACE.traceparent, profile_classical=True)
    assert run.outcome["state"] == "completed", run.text + run.console
    return run


def named(run: Run, name: str) -> RecordedSpan:
    """The last of this name: making a pass manager may run a small one."""
    return [span for span in spans_of(run) if span.name == name][-1]


def test_all_spans_of_a_job_are_of_the_trace_that_its_submission_made(told: Run):
    assert {span.trace_id for span in spans_of(told)} == {TRACE.trace_id}
    assert {"start", "environment", "classical", "transpile", "quantum", "return"} <= {s.kind for s in spans_of(told)}


def test_what_the_cell_does_hangs_below_the_cell(told: Run):
    cell = named(told, "cell")
    for name in ("build bell", "transpile", "sampler"):
        assert named(told, name).parent_id == cell.span_id
    assert named(told, "simulate").parent_id == named(told, "sampler").span_id
    assert named(told, "transpile").attributes["qhub.transpile.circuits"] == 2
    assert named(told, "sampler").attributes["qhub.task.circuits"] == 2


def test_user_code_finds_the_context_of_its_cell_in_the_environment(told: Run):
    assert named(told, "cell").span_id in told.text
    assert TRACE.trace_id in told.text


def test_no_code_and_no_values_are_in_the_spans_and_every_attribute_is_documented(told: Run):
    texts = "".join(path.read_text() for path in told.attempt.spans.glob("*.jsonl"))
    for word in ("secret_of_mine", "not to be told", "QuantumCircuit", "get_counts"):
        assert word not in texts
    for span in spans_of(told):
        assert span.kind in KINDS
        assert [name for name in (*span.attributes, *span.resource) if not known(name)] == []


def test_a_profile_that_was_asked_for_names_the_functions(told: Run):
    rows: list[dict[str, Any]] = json.loads(told.attempt.profile.read_text())["functions"]
    assert rows[0]["own_s"] >= rows[-1]["own_s"]
    assert any(row["file"] == "the cell" for row in rows) or any("qiskit" in row["file"] for row in rows)


def test_a_kernel_that_dies_leaves_its_cell_to_the_runner(shared_workshop: Workshop):
    run = shared_workshop.run("import os\nos.kill(os.getpid(), 9)")
    cell = named(run, "cell")
    assert cell.resource["service.name"] == "qhub-runner"
    assert cell.end_ns > cell.begin_ns


def test_a_cell_that_fails_is_told_with_the_class_of_its_error(shared_workshop: Workshop):
    run = shared_workshop.run("raise KeyError('x')")
    assert named(run, "cell").attributes["error.type"] == "KeyError"


def test_a_job_that_is_not_sampled_leaves_none(shared_workshop: Workshop):
    run = shared_workshop.run("1 + 1", traceparent=new_context(sampled=False).traceparent)
    assert run.outcome["state"] == "completed"
    assert spans_of(run) == []
