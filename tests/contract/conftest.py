"""Every implementation of the site scheduler that the contract is tested with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.sites.workshop import Workshop, embedded_workshop
from tests.slurm.fixtures import slurm_workshop

# name -> (tmp_path, cpus=N) -> a workshop whose site has N CPUs
SITES: dict[str, Callable[..., AbstractContextManager[Workshop]]] = {
    "embedded": embedded_workshop,
    "slurm": slurm_workshop,
}

# (site, test) -> why this site has a test of its own for it
ELSEWHERE = {
    ("slurm", "test_the_wall_time_ends_a_job_and_its_outcome_says_so"): "Slurm counts minutes",
    (
        "slurm",
        "test_a_runner_reads_why_it_is_stopped_before_the_term_arrives",
    ): "Slurm says no word",
    ("slurm", "test_a_job_waits_for_those_it_depends_on"): "Slurm takes no dependency on a job that it does not have",
    ("slurm", "test_a_waiting_job_has_a_reason_and_an_estimate"): "limits of Slurm are in minutes",
}


@pytest.fixture(autouse=True)
def _elsewhere(request: pytest.FixtureRequest) -> None:
    parameters = getattr(getattr(request.node, "callspec", None), "params", {})
    for fixture in ("shop", "narrow"):
        why = ELSEWHERE.get((parameters.get(fixture, ""), request.node.originalname))
        if why:
            pytest.skip(why)


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
