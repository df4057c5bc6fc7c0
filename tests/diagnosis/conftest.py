"""The corpus of faults runs once; its confusion matrix stands at the end of the tests' report."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.diagnosis.corpus.case import Said
from tests.diagnosis.corpus.run import matrix, run

_said: list[Said] = []


@pytest.fixture(scope="session")
def said(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Said]:
    if not _said:
        _said.extend(run(tmp_path_factory.mktemp("faults") / "place"))
    return _said


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _said:
        terminalreporter.section("why jobs failed, as it was and as it was explained")
        terminalreporter.write_line(matrix(_said))
