"""The corpus of faults, as far as a real Slurm makes them: what is said of each, in the same matrix as the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.broker.summaries import SummaryBody
from qhub_ext.diagnosis.breakdown import PARTS
from qhub_ext.diagnosis.fleet.written import read_summary, write_summary
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.jobfolder.shelf import Shelf
from tests.diagnosis.corpus.cluster import ROUNDS, TOGETHER
from tests.diagnosis.corpus.cluster_place import run_on
from tests.diagnosis.matrix import Heard, hand_over, matrix
from tests.slurm.cluster import Cluster

pytestmark = [pytest.mark.timeout(1200), pytest.mark.slow]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def said(slurm_cluster: Cluster, root: Path) -> Sequence[Heard]:
    slurm_cluster.mend()
    return run_on(slurm_cluster, root, TOGETHER, ROUNDS, print)


def test_what_slurm_did_is_explained_and_nothing_is_explained_wrongly(
    said: Sequence[Heard], record_property: Callable[[str, Any], None]
) -> None:
    hand_over(record_property, said)
    assert [one for one in said if one.wrong] == [], matrix(said)
    assert sum(one.right for one in said) >= 0.95 * len(said), matrix(said)


def test_every_explanation_has_evidence_and_says_where_to_see_it(said: Sequence[Heard]) -> None:
    assert [one.name for one in said if one.told not in ("", "unknown") and not one.clues] == []


def test_what_ended_on_slurm_has_a_summary_with_its_cause_and_words_that_name_no_job(said: Sequence[Heard], root: Path) -> None:  # fmt: skip
    """Those whose runner lived to tell, and those that Slurm or a power cut took away, which whoever looks next tells of."""
    shelf = Shelf(root / "shelf")
    found = []
    for job_id in shelf.ids():
        folder = shelf.folder(job_id)
        record = read_record(folder)
        for attempt in record.attempts:
            if attempt.state.final and record.spec.size is None:
                known = read_summary(folder.attempt(attempt.number))
                summary = known or write_summary(folder, attempt.number)
                assert summary is not None, record
                assert (summary.state, summary.cause) == (attempt.state.value, attempt.cause or "")
                assert (summary.site, summary.parts_ns.keys()) == ("slurm", PARTS.keys())
                assert sum(summary.parts_ns.values()) == summary.wall_ns
                SummaryBody.model_validate(summary.to_json())
                found.append(summary)
    failed = [one for one in found if one.state != "completed"]
    assert len(failed) >= 12
    assert [one for one in failed if not one.signature] == []
    assert [one.signature for one in failed if re.search(r"\d{3,}", one.signature)] == []
    assert {one.cause for one in failed} >= {"code", "resources", "queue policy", "integration", "user"}
