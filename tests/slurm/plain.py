"""For tests on a cluster without a database: it is restarted in a second. A module takes both names in the place of the usual ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, running_cluster, slurm_workshop


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    found = running_cluster(database=False)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def bench(cluster: Cluster, tmp_path: Path) -> Iterator[SlurmWorkshop]:
    with slurm_workshop(tmp_path, database=False) as workshop:
        assert isinstance(workshop, SlurmWorkshop)
        yield workshop
