"""A full disk: one sentence, nothing half submitted, nothing lost."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tests.front.conftest import Place
from tests.small_disk import fill, small_disk


def elsewhere(place: Place, shelf: Path) -> Place:
    return replace(place, environment=place.environment | {"QHUB_SHELF": str(shelf)})


def test_a_full_disk_at_submission_is_one_sentence_and_leaves_nothing(place: Place, tmp_path: Path) -> None:
    with small_disk(tmp_path, 1024) as disk:
        shelf = disk / "jobs"
        shelf.mkdir()
        full = elsewhere(place, shelf)
        fill(disk)
        script = place.path / "tiny.py"
        script.write_text("print(1)")
        told = full.command("run", str(script), code=5)
        assert "is full: nothing was submitted. Free some space there, then submit again." in told
        assert len(told.splitlines()) == 1
        assert os.listdir(shelf) == []
        (disk / "filler").unlink()
        full.command("run", str(script), "--wait")
        assert full.command("logs", "-1") == "1\n"


def test_a_shelf_that_may_not_be_written_is_one_sentence(place: Place, tmp_path: Path) -> None:
    script = place.path / "tiny2.py"
    script.write_text("print(1)")
    told = elsewhere(place, Path("/proc/qhub")).command("run", str(script), code=5)
    assert "/proc/qhub" in told
    assert len(told.splitlines()) == 1
