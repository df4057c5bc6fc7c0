"""An embedded site in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sites.workshop import Workshop, embedded_workshop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with embedded_workshop(tmp_path) as workshop:
        yield workshop
