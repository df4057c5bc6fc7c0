"""The corpus of faults runs once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.diagnosis.corpus.run import run
from tests.diagnosis.matrix import Heard


@pytest.fixture(scope="session")
def said(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Heard]:
    return run(tmp_path_factory.mktemp("faults") / "place")
