"""Older versions of JupyterLab than the one that we are built with, and the Notebook of each, in environments of their own.

`make test` tries the oldest that we say we work in; `pytest tests/browser/test_older_labs.py --labs 4.3,4.4,4.5` those between.
"""

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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "older" in metafunc.fixturenames:
        versions = metafunc.config.getoption("labs").split(",")
        metafunc.parametrize("older", versions, indirect=True, scope="module", ids=[f"Lab {v}" for v in versions])


def install(*words: str | Path) -> None:
    done = run_uv([str(word) for word in words])
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(front: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    install("build", "-q", "--python", sys.executable, "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def older(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with that JupyterLab, its Notebook and our wheel."""
    lab = request.param
    folder = tmp_path_factory.mktemp("older")
    python = folder / "venv" / "bin" / "python"
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    (folder / "pins.txt").write_text("\n".join(line for line in pins if not re.match(r"(jupyterlab|notebook)==", line)))
    install("venv", "-q", "--python", sys.executable, python.parents[1])
    versions = (f"jupyterlab=={lab}.*", f"notebook==7.{lab.partition('.')[2]}.*")
    install("pip", "install", "-q", "--python", python, "-c", folder / "pins.txt", wheel, *versions)
    return python.parent


@pytest.mark.parametrize(("app", "path"), [("jupyterlab", "lab/tree"), ("notebook", "notebooks")])
def test_a_cell_becomes_a_job_in_an_older_version(
    app: str, path: str, older: Path, new_lab: Callable[..., Lab], desk_at: Callable[[Lab], Desk]
) -> None:
    lab = new_lab(app=app, python=str(older / "python"))
    desk = desk_at(lab)
    desk.expect_errors(
        r"reading 'last_modified'\)(.|\n)*static/notebook"
    )  # older Notebooks' own, where there is no checkpoint
    run_first_cell(desk, path)
