"""What tracing costs a job and a span, and how quick a trace of ten thousand spans is drawn."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.bench_prompt import place_of_its_own
from tests.benchmarks.line import Line, seconds, take_turns

JOB_S, SHARE = 10.0, 0.02
"""Tracing may cost so much of a job of so many seconds."""
STEPS = 400
SPANS = 10_000
CELL = """
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend, span

bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
passes = generate_preset_pass_manager(1, backend=backend())
import time
began = time.process_time()
for _ in range({steps}):
    with span("step"):
        Sampler().run([passes.run(bell)], shots=100).result()
cpu_s = time.process_time() - began
"""


def job(steps: int, *, traced: bool) -> float:
    """Seconds of CPU of a cell with so many spans of the user's, and as many of a pass manager, of a task and of its simulation."""
    from qhub_ext.capture.request import Request
    from qhub_ext.service import JobService
    from qhub_ext.settings import load_settings

    settings = load_settings()
    settings = settings.model_copy(update={"telemetry": settings.telemetry.model_copy(update={"spans": traced})})
    service = JobService(settings)
    began = service.submit(service.draft(Request(tier="local", device="jakarta"), CELL.format(steps=steps)))
    record = began.wait(300)
    assert record.state.value == "completed", record
    return float(began["cpu_s"])


def per_span(count: int) -> float:
    """Seconds of CPU."""
    from qhub_ext.telemetry import recorder as spans
    from qhub_ext.telemetry.context import new_context
    from qhub_ext.telemetry.user import span

    with tempfile.TemporaryDirectory() as folder:
        spans.install(spans.Recorder(Path(folder) / "kernel.jsonl", new_context(), "qhub-kernel"))

        def many() -> None:
            for _ in range(count):
                with span("step", depth=3):
                    pass

        try:
            at = time.process_time()
            many()
            return (time.process_time() - at) / count
        finally:
            spans.install(None)


def outside(count: int) -> float:
    from qhub_ext.telemetry.user import span

    def many() -> None:
        for _ in range(count):
            with span("step"):
                pass

    return seconds(many) / count


def drawn(count: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """From the files of a job with so many spans to letters, and to a figure with its page."""
    from qhub_ext.service import submit
    from qhub_ext.verbs.trace_view import view_of

    told = submit(
        f"import qhub_ext\nfor k in range({count // 2}):\n    with qhub_ext.span('outer'), qhub_ext.span('inner'):\n        pass"
    )
    told.wait(120)
    assert len(view_of(told).told.trace.spans) > count
    return lambda: seconds(lambda: view_of(told).to_text()), lambda: seconds(lambda: view_of(told)._repr_mimebundle_())


def lines(quick: bool) -> list[Line]:
    rounds, count, steps = (3, 2_000, 40) if quick else (5, SPANS, STEPS)
    with place_of_its_own():
        job(1, traced=True)
        pairs = [(job(steps, traced=True), job(steps, traced=False)) for _ in range(rounds)]
        text, figure = drawn(count)
        as_text, as_figure = take_turns(text, figure, rounds=rounds)
    on, off = (statistics.median(side) for side in zip(*pairs, strict=True))
    each = statistics.median(per_span(count) for _ in range(rounds))
    nothing = statistics.median(outside(100_000) for _ in range(rounds))
    return [
        Line(
            f"CPU that tracing adds to a cell of {steps} tasks ({4 * steps} spans)",
            max(on - off, 0.0),
            "CPU of that cell untraced",
            off,
            at_most=SHARE * JOB_S,
        ),
        Line("one span of user code in a job, CPU", each, at_most=50e-6),
        Line("one span of user code outside of a job", nothing),
        Line(f"a trace of {count:,} spans as text, from its files", as_text, at_most=1.0),
        Line(f"a trace of {count:,} spans as a figure, from its files", as_figure, at_most=1.0),
    ]
