"""The corpus of faults, as far as a real Slurm makes them: what is said of each, in the same matrix as the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.diagnosis.corpus.cluster import ALONE, TOGETHER
from tests.diagnosis.corpus.cluster_place import run_on
from tests.diagnosis.matrix import Heard, hand_over, matrix
from tests.slurm.cluster import Cluster

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]


@pytest.fixture(scope="module")
def said(slurm_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Heard]:
    slurm_cluster.mend()
    return run_on(slurm_cluster, tmp_path_factory.mktemp("faults"), TOGETHER, ALONE, print)


def test_what_slurm_did_is_explained_and_nothing_is_explained_wrongly(
    said: Sequence[Heard], record_property: Callable[[str, Any], None]
) -> None:
    hand_over(record_property, said)
    assert [one for one in said if one.wrong] == [], matrix(said)
    assert sum(one.right for one in said) >= 0.95 * len(said), matrix(said)


def test_every_explanation_has_evidence_and_says_where_to_see_it(said: Sequence[Heard]) -> None:
    assert [one.name for one in said if one.told not in ("", "unknown") and not one.clues] == []
