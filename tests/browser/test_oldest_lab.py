"""The oldest JupyterLab and Notebook that we say we work in, in an environment of their own."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qhub_ext.reproduce.uv import run_uv
from tests.browser.desk import Desk
from tests.browser.lab import Lab
from tests.browser.test_first_run import run_first_cell

ROOT = Path(__file__).parents[2]
OLDEST = ("jupyterlab==4.2.*", "notebook==7.2.*")


@pytest.fixture(scope="module")
def oldest(front: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with them and our wheel."""
    folder = tmp_path_factory.mktemp("oldest")
    python = folder / "venv" / "bin" / "python"
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    (folder / "pins.txt").write_text("\n".join(line for line in pins if not re.match(r"(jupyterlab|notebook)==", line)))
    for words in (
        ["build", "-q", "--python", sys.executable, "--wheel", "--out-dir", folder, ROOT],
        ["venv", "-q", "--python", sys.executable, python.parents[1]],
    ):
        done = run_uv([str(word) for word in words])
        assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("*.whl")
    done = run_uv(
        ["pip", "install", "-q", "--python", str(python), "-c", str(folder / "pins.txt"), str(wheel), *OLDEST]
    )
    assert done.returncode == 0, done.stderr
    return python.parent


@pytest.mark.parametrize(("app", "path"), [("jupyterlab", "lab/tree"), ("notebook", "notebooks")])
def test_a_cell_becomes_a_job_in_the_oldest_version(
    app: str, path: str, oldest: Path, new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]
) -> None:
    lab = new_lab(app=app, python=str(oldest / "python"))
    desk = desk_at(lab)
    desk.expect_errors(
        r"reading 'last_modified'\)(.|\n)*static/notebook"
    )  # Notebook 7.2's own, where there is no checkpoint
    run_first_cell(desk, path)
