"""A full disk: one sentence, nothing half submitted, nothing lost."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.front.conftest import Place


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    target = tmp_path / "disk"
    target.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(target)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.decode().strip()}")
    yield target
    subprocess.run(["umount", "--lazy", str(target)], check=True)  # the runner may be about to leave


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


def elsewhere(place: Place, shelf: Path) -> Place:
    return replace(place, environment=place.environment | {"QHUB_SHELF": str(shelf)})


def test_a_full_disk_at_submission_is_one_sentence_and_leaves_nothing(place: Place, small_disk: Path) -> None:
    full = elsewhere(place, small_disk / "jobs")
    (small_disk / "jobs").mkdir()
    filler = small_disk / "filler"
    fill(filler)
    script = place.path / "tiny.py"
    script.write_text("print(1)")
    told = full.command("run", str(script), code=5)
    assert "is full: nothing was submitted. Free some space there, then submit again." in told
    assert len(told.splitlines()) == 1
    assert os.listdir(small_disk / "jobs") == []
    filler.unlink()
    full.command("run", str(script), "--wait")
    assert full.command("logs", "-1") == "1\n"


def test_a_shelf_that_may_not_be_written_is_one_sentence(place: Place, tmp_path: Path) -> None:
    script = place.path / "tiny2.py"
    script.write_text("print(1)")
    told = elsewhere(place, Path("/proc/qhub")).command("run", str(script), code=5)
    assert "/proc/qhub" in told
    assert len(told.splitlines()) == 1
