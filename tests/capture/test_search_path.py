"""What a person put into `sys.path` goes along with a job; what every Python has, does not."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.capture.search_path import add_folders, own_folders


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """As a kernel finds it, in a list of the test's own."""
    library = sysconfig.get_path("stdlib")
    plain = [
        "",
        f"{Path(library).parent}/python311.zip",
        library,
        f"{library}/lib-dynload",
        sysconfig.get_path("purelib"),
    ]
    monkeypatch.setattr(sys, "path", plain)
    return plain


def test_folders_are_told_by_the_side_on_which_they_stand(
    path: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert own_folders() == {"first": [], "last": []}
    path.insert(0, "../src")
    path += ["/elsewhere/", "/elsewhere", os.getcwd(), f"{sysconfig.get_path('purelib')}/some.egg"]
    assert own_folders() == {"first": [str(tmp_path / "src")], "last": ["/elsewhere"]}


def test_they_stand_on_the_same_side_in_a_job_where_they_are_there(path: list[str], tmp_path: Path) -> None:
    before, behind = tmp_path / "before", tmp_path / "behind"
    before.mkdir()
    behind.mkdir()
    wanted = {"first": [str(before), str(tmp_path / "gone")], "last": [str(behind), path[-1]]}
    plain = list(path)
    assert add_folders(wanted) == [str(before), str(behind)]
    assert sys.path == ["", str(before), *plain[1:], str(behind)]
    assert add_folders(wanted) == []


@pytest.mark.parametrize("odd", [None, 3, [], {"first": "/tmp"}, {"first": [None, "tmp", 4]}, {"last": {"a": 1}}])
def test_a_record_of_a_stranger_adds_nothing(path: list[str], odd: Any) -> None:
    plain = list(path)
    assert add_folders(odd) == []
    assert sys.path == plain
