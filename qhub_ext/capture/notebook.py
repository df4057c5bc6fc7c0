"""A notebook file that is to run as a job: read, and refused with one sentence where it cannot."""

from __future__ import annotations

import json
from typing import Any

from qhub_ext.capture.keywords import request_from_json
from qhub_ext.capture.request import Request
from qhub_ext.errors import CaptureError
from qhub_ext.job.notebook import Notebook, code_cells, without_outputs

FORMAT = 4


def parse_notebook(text: str, file: str) -> Notebook:
    """Without its outputs. `file` is how the sentences call it. Raises CaptureError."""
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise CaptureError(f"{file} is not a notebook: it is not JSON.") from None
    number = notebook.get("nbformat") if isinstance(notebook, dict) else None
    if not isinstance(number, int):
        raise CaptureError(f"{file} is not a notebook: it names no notebook format.")
    if number < FORMAT:
        raise CaptureError(
            f"{file} is in notebook format {number}, which is too old: jobs run format {FORMAT}.",
            advice=f"`jupyter nbconvert --to notebook --inplace {file}` brings it up to date.",
        )
    if number > FORMAT:
        raise CaptureError(f"{file} is in notebook format {number}, newer than this version knows ({FORMAT}).")
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise CaptureError(f"{file} is not a notebook: it has no list of cells.")
    language = language_of(notebook)
    if language not in ("", "python"):
        raise CaptureError(f"{file} is a notebook of {language}; jobs run notebooks of Python.")
    if not code_cells(notebook):
        raise CaptureError(f"{file} has no code cell to run: nothing was submitted.")
    return without_outputs(notebook)


def language_of(notebook: Notebook) -> str:
    """In small letters; "" where the notebook does not say."""
    metadata = _dict(notebook.get("metadata"))
    said = (
        _dict(metadata.get("kernelspec")).get("language")
        or _dict(metadata.get("language_info")).get("name")
        or ("r" if _dict(metadata.get("kernelspec")).get("name") == "ir" else "")
    )
    return "python" if str(said).lower() in ("ipython", "python3") else str(said).lower()


def over_choice(request: Request, notebook: Notebook) -> Request:
    """The request, and where it says nothing, what the notebook chose in its metadata: {"qhub": {"tier": "emulation"}}."""
    said = _dict(_dict(notebook.get("metadata")).get("qhub"))
    open_ = {name: value for name, value in said.items() if name not in request.given}
    return request.over(request_from_json(open_, strict=False).given)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
