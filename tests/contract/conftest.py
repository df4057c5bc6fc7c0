"""Every implementation of the site scheduler that the contract is tested with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.sites.workshop import Workshop, embedded_workshop

# name -> (tmp_path, cpus=N) -> a workshop whose site has N CPUs
SITES: dict[str, Callable[..., AbstractContextManager[Workshop]]] = {"embedded": embedded_workshop}


@pytest.fixture(params=sorted(SITES))
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    """A site with two CPUs."""
    with SITES[request.param](tmp_path, cpus=2) as workshop:
        yield workshop


@pytest.fixture(params=sorted(SITES))
def narrow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    """A site with one CPU, so that a second job waits."""
    with SITES[request.param](tmp_path, cpus=1) as workshop:
        yield workshop
