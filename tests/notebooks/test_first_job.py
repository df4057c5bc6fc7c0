"""The main job: the notebook runs from a clean kernel, and every line of its table is as expected."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from qhub_ext.job.context import TIERS
from tests.notebooks.execution import NOTEBOOKS, execute
from tests.notebooks.told import stale

NOTEBOOK = NOTEBOOKS / "01-first-job.ipynb"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_notebook_runs_on_three_tiers_and_gives_what_is_known(tmp_path: Path) -> None:
    done = execute(NOTEBOOK, tmp_path / "demo")
    assert not done.failed, done.printed
    lines = [line for line in done.printed.splitlines() if "✓ completed" in line]
    assert {tier: sum(f" {tier} " in line for line in lines) for tier in TIERS} == dict.fromkeys(TIERS, 9)
    assert "✗" not in done.printed
    assert any("image/png" in o.get("data", {}) for cell in done.notebook.cells for o in cell.get("outputs", []))
    assert done.stray == []
    found = stale(nbformat.read(NOTEBOOK, as_version=4), done.notebook)
    assert found == [], f"renew it: .venv/bin/python notebooks/run.py notebooks/{NOTEBOOK.name} --teach"
