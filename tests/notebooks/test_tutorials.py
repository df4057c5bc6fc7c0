"""Each tutorial runs from a clean kernel and keeps what it promises; the files themselves read well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from tests.notebooks.execution import NOTEBOOKS, Execution, execute
from tests.notebooks.told import stale

FILES = sorted(NOTEBOOKS.glob("*.ipynb"))
TUTORIALS = [path for path in FILES if not path.name.startswith("01-")]
AT_A_TIME = 2
LARGEST = 150_000
"""Bytes of a file: outputs are there to teach, and a repository keeps every version of them."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Execution]]]:
    """All of them, side by side: most of their time is waiting for jobs."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        places = {path: tmp_path_factory.mktemp(path.stem[:2]) for path in TUTORIALS}
        yield {path.name: pool.submit(execute, path, keep) for path, keep in places.items()}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [path.name for path in TUTORIALS])
def test_a_tutorial_runs_from_a_clean_kernel_and_keeps_what_it_promises(
    running: dict[str, Future[Execution]], name: str
) -> None:
    done = running[name].result()
    assert not done.failed, done.printed
    assert "✗" not in done.printed
    assert done.printed.count("✓") >= 3
    assert done.stray == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.name)
def test_what_a_tutorial_shows_in_its_file_is_what_it_prints(running: dict[str, Future[Execution]], path: Path) -> None:
    found = stale(nbformat.read(path, as_version=4), running[path.name].result().notebook)
    assert found == [], f"renew it: .venv/bin/python notebooks/run.py notebooks/{path.name} --teach"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_tutorial_has_one_promise_and_short_cells_and_keeps_only_outputs_that_teach(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.startswith(f"# {path.name[:2]} · ")
    assert text.count("**Promise of this notebook:**") == 1
    assert "## Where to go from here" in text
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert max(len(cell.source.splitlines()) for cell in code) <= 45
    assert path.stat().st_size < LARGEST
    for cell in code:
        assert cell.outputs == [] or "teaches" in cell.metadata.get("tags", []), cell.source
    shown = str([cell.outputs for cell in code])
    assert not re.search(r"/(home|root|work|tmp|Users)/|ghp_|token=", shown)
    assert "\x1b" not in shown
    assert [c.source for c in code if "teaches" in c.metadata.get("tags", []) and not c.outputs] == []


def test_the_numbers_of_the_tutorials_are_their_own_and_what_they_refer_to_is_there() -> None:
    numbers = [path.name[:2] for path in FILES]
    assert numbers == sorted(set(numbers))
    for path in FILES:
        text = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")
        for mentioned in re.findall(r"(?m)(?:^|\* |\. |, |see )(\d\d)(?= (?:takes|looks|is|runs|has|makes)\b)", text):
            assert mentioned in numbers, f"{path.name} sends its reader to {mentioned}"
