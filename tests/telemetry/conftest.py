from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.context import TraceContext, new_context
from qhub_ext.telemetry.otlp import RecordedSpan, read_spans
from tests.broker.conftest import new_broker, through_the_broker
from tests.qpu.conftest import bell, qpu, server
from tests.runner.conftest import shared_workshop

__all__ = ["bell", "new_broker", "qpu", "server", "shared_workshop", "through_the_broker"]


class Recording:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.root: TraceContext = new_context()
        self.recorder = spans.Recorder(path, self.root, "qhub-test")

    @property
    def spans(self) -> list[RecordedSpan]:
        return read_spans(self.path) if self.path.exists() else []


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    made = Recording(tmp_path / "spans" / "test.jsonl")
    spans.install(made.recorder)
    yield made
    spans.install(None)
    made.recorder.close()
