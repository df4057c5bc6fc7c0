"""`qhub tutorials DIR`: copies to work in, and work that is done is never lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qhub_ext import tutorials
from qhub_ext.errors import UserError
from qhub_ext.tutorials import COPIED, THERE, YOURS, copy_into, shipped, what_next
from tests.front.conftest import Place


def test_tutorials_are_copied_once_and_never_over_a_changed_one(tmp_path: Path) -> None:
    first = copy_into(tmp_path / "a" / "b")
    assert [copy.state for copy in first] == [COPIED] * len(shipped())
    assert [copy.path.read_bytes() for copy in first] == [path.read_bytes() for path in shipped()]
    first[0].path.write_text("my own work")
    first[1].path.unlink()
    first[2].path.unlink()
    first[2].path.symlink_to(tmp_path / "nowhere")
    assert [copy.state for copy in copy_into(tmp_path / "a" / "b")][:4] == [YOURS, COPIED, YOURS, THERE]
    assert first[0].path.read_text() == "my own work"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be copied to .*file/in"):
        copy_into(tmp_path / "file" / "in")


def test_packages_that_tutorials_need_and_are_not_here_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Not installed" not in what_next(tmp_path)
    monkeypatch.setattr(tutorials, "find_spec", lambda name: None if name == "sklearn" else object())
    assert "needed by some: scikit-learn. pip install 'qhub-ext[demo]'" in what_next(tmp_path)


def test_the_command_lists_and_copies_them(place: Place) -> None:
    assert "01 · A first job" in place.command("tutorials")
    assert "jupyter lab 'learn there/01-first-job.ipynb'" in place.command("tutorials", "learn there")
    rows = json.loads(place.command("tutorials", "learn here", "--json"))
    assert {row["here"] for row in rows} == {COPIED}
    assert (place.path / "learn here" / "01-first-job.ipynb").exists()
