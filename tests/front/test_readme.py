"""What the README shows is what happens: its cells are run as they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.front.conftest import Notebook, Place

README = (Path(__file__).parents[2] / "README.md").read_text()


def cells() -> list[str]:
    """Of "A cell that works"."""
    section = README.partition("## A cell that works")[2].partition("\n## ")[0]
    return re.findall(r"(?ms)^```python\n(.*?)^```", section)


def test_the_cells_of_the_readme_do_what_stands_beside_them(
    new_notebook: Callable[..., Notebook], place: Place
) -> None:
    load, bell, cell, *asked = cells()
    notebook = new_notebook(load=False)
    notebook.run(load)
    notebook.run(bell)
    card = notebook.run(cell).plain
    assert "state" in card
    assert "emulation · kingston · 4000 shots" in card
    for lines in asked:
        notebook.run(lines)
    assert notebook.ask("sum(counts.values()), counts == job.result()['counts']") == "(4000, True)"
    assert "'00'" in notebook.run("job.show()").plain
    # without its first line it runs here
    here = notebook.run(cell.partition("\n")[2])
    assert notebook.ask("sorted(counts)") == "['00', '11']", here


def test_the_same_as_a_file_runs_by_the_command_that_stands_there(place: Place) -> None:
    (words,) = re.findall(r"`qhub (run \S+\.py [^`]*)`", README)
    verb, file, *options = words.split()
    _, bell, cell, *_ = cells()
    (place.path / file).write_text(f"{bell}\n{cell.partition(chr(10))[2]}\nprint(sum(counts.values()))\n")
    assert place.command(verb, file, *options).startswith("4096\n")
