"""What people also write in cells. Each job here holds as many of these things as get along with each other."""

from __future__ import annotations

from pathlib import Path

from tests.front.conftest import Notebook


def test_a_module_of_a_folder_that_the_notebook_added_to_its_path_is_imported_in_the_job(
    notebook: Notebook, tmp_path: Path
) -> None:
    (tmp_path / "of_my_own.py").write_text("class Thing:\n    size = 5\n")
    notebook.run(f"import sys; sys.path.append({str(tmp_path)!r})\nimport of_my_own\nthing = of_my_own.Thing()")
    cell = "from of_my_own import Thing\nprint(type(thing) is Thing, of_my_own.Thing.size)\nother = Thing()"
    try:
        assert "True 5" in notebook.run(f"%%qpu --wait\n{cell}").text
        assert notebook.ask("type(other) is of_my_own.Thing") == "True"
    finally:
        notebook.run("sys.path.pop()")
