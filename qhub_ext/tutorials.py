"""The tutorial notebooks and workflows, which come with the package: where they are, and a copy of them to work in."""

from __future__ import annotations

import ast
import json
import os
import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from qhub_ext.errors import UserError
from qhub_ext.jobfolder.atomic import write_beside

HERE = Path(__file__).parent
WORKFLOWS = "workflows"
NEEDED = {
    "matplotlib": "matplotlib",
    "mqt": "mqt-bench",
    "sklearn": "scikit-learn",
    "qrmi": "qrmi",
    "fastapi": "fastapi",
}
"""Module -> the package that has it: of the extra `demo`, what tutorials and workflows cannot do without."""
COPIED, THERE, YOURS = "copied", "there already", "changed, and stays as it is"


@dataclass(frozen=True)
class Copy:
    """`state` is one of COPIED, THERE, YOURS."""

    path: Path
    title: str
    state: str


def shipped() -> list[Path]:
    """In a wheel beside this module; in a checkout they are `notebooks/`."""
    places = (HERE / "notebooks", HERE.parent / "notebooks")
    found: list[Path] = next((files for place in places if (files := sorted(place.glob("[0-9][0-9]-*.ipynb")))), [])
    return [*found, *(sorted((found[0].parent / WORKFLOWS).glob("*.py")) if found else ())]


def name_of(tutorial: Path) -> str:
    """Below the folder that they are copied into."""
    return f"{WORKFLOWS}/{tutorial.name}" if tutorial.parent.name == WORKFLOWS else tutorial.name


def title_of(notebook: Path) -> str:
    if notebook.suffix == ".py":
        return (ast.get_docstring(ast.parse(notebook.read_text())) or notebook.stem).partition("\n")[0]
    cells = json.loads(notebook.read_text())["cells"]
    return "".join(cells[0]["source"]).partition("\n")[0].removeprefix("# ") if cells else notebook.stem


def copy_into(directory: Path) -> list[Copy]:
    """Never over a file that is there with other contents. Raises UserError where it cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / WORKFLOWS).mkdir(exist_ok=True)
        return [_copy(tutorial, directory / name_of(tutorial)) for tutorial in shipped()]
    except OSError as error:
        raise UserError(
            f"The tutorials cannot be copied to {directory}: {error.strerror}.",
            advice="Name another folder, one in which you can write.",
        ) from error


def what_next(directory: Path) -> str:
    """How the first one is opened, and what has to be installed before where something is missing."""
    lines = [f"Open the first one: jupyter lab {shlex.quote(str(directory / shipped()[0].name))}"] if shipped() else []
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        lines.append(f"Not installed here, and needed by some: {', '.join(missing)}. pip install 'qhub-ext[demo]'")
    return "\n".join(lines)


def _copy(source: Path, target: Path) -> Copy:
    contents = source.read_bytes()
    if os.path.lexists(target):
        same = target.is_file() and target.read_bytes() == contents
        return Copy(target, title_of(source), THERE if same else YOURS)
    write_beside(target, contents)
    return Copy(target, title_of(source), COPIED)
