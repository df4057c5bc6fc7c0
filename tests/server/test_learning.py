"""POST tutorials: copies below the server's root, and nothing that somebody wrote is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qhub_ext.tutorials import COPIED, THERE, YOURS, name_of, shipped


async def test_the_tutorials_come_to_where_the_files_are(api, jp_root_dir: Path):
    answer = await api.post("tutorials")
    assert answer.status == 200
    assert answer["path"] == "qhub-tutorials"
    first, *_ = notebooks = answer["notebooks"]
    assert first == {"path": "qhub-tutorials/01-first-job.ipynb", "title": "01 · A first job", "here": COPIED}
    files = shipped()
    assert [one["path"].rpartition("/")[2] for one in notebooks] == [f.name for f in files if f.suffix == ".ipynb"]
    copies = [jp_root_dir / "qhub-tutorials" / name_of(file) for file in files]
    assert [copy.read_bytes() for copy in copies] == [file.read_bytes() for file in files], "workflows too"


async def test_what_was_changed_stays_as_it_is(api, jp_root_dir: Path):
    first, second, *_ = (await api.post("tutorials", path="learn/here"))["notebooks"]
    (jp_root_dir / first["path"]).write_text("my own work")
    (jp_root_dir / second["path"]).unlink()
    states = [one["here"] for one in (await api.post("tutorials", path="/learn/here"))["notebooks"]]
    assert states[:3] == [YOURS, COPIED, THERE]
    assert (jp_root_dir / first["path"]).read_text() == "my own work"


@pytest.mark.parametrize(
    "path", ["..", "../elsewhere", "/", "", " ", "a\0b", "out", "out/in", 5, ["a"], "x" * 5000, "\ud800"]
)
async def test_no_other_place_is_written_to(api, jp_root_dir: Path, tmp_path: Path, path):
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", jp_root_dir / "out")
    answer = await api.post("tutorials", path=path)
    assert answer.status == 400, answer
    assert len(answer["message"]) < 500
    assert not list((tmp_path / "outside").iterdir())


async def test_a_file_in_the_way_is_one_sentence(api, jp_root_dir: Path):
    (jp_root_dir / "taken").touch()
    answer = await api.post("tutorials", path="taken")
    assert answer.status == 400
    assert "cannot be copied to" in answer["message"]
    assert answer["advice"]
