"""A notebook as a job: which of its cells run, in which order, and the executed copy. Notebook format 4, as plain JSON.

Two tags of a cell count, as nbclient reads them: `raises-exception` (an error of it does not stop the notebook) and
`skip-execution`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Notebook = dict[str, Any]


@dataclass(frozen=True)
class CodeCell:
    """`place` counts all cells of the notebook from 0 on, `number` those that run from 1 on (its execution count)."""

    place: int
    number: int
    source: str
    may_raise: bool = False


def code_cells(notebook: Notebook) -> list[CodeCell]:
    """Those that run: code that is not blank and not tagged to be skipped."""
    found: list[CodeCell] = []
    for place, cell in enumerate(notebook["cells"]):
        source, tags = source_of(cell), (cell.get("metadata") or {}).get("tags") or []
        if cell.get("cell_type") == "code" and source.strip() and "skip-execution" not in tags:
            found.append(CodeCell(place, len(found) + 1, source, "raises-exception" in tags))
    return found


def first_cell(notebook: Notebook) -> str:
    """The first that is more than magics: where imports stand."""
    sources = (cell.source for cell in code_cells(notebook))
    return next((s for s in sources if not s.lstrip().startswith("%")), "")


def source_of(cell: Mapping[str, Any]) -> str:
    source = cell.get("source") or ""
    return source if isinstance(source, str) else "".join(map(str, source))


def without_outputs(notebook: Notebook) -> Notebook:
    """What goes along: the same notebook before it ran."""
    return executed(notebook, {}, {}, {k: v for k, v in (notebook.get("metadata") or {}).items() if k != "widgets"})


def executed(
    notebook: Notebook,
    outputs: Mapping[int, list[dict[str, Any]]],
    counts: Mapping[int, int | None],
    metadata: dict[str, Any],
) -> Notebook:
    """A copy with these outputs and execution counts, by the place of the cell. Cells that did not run have none."""
    cells = []
    for place, cell in enumerate(notebook["cells"]):
        if cell.get("cell_type") == "code":
            cell = {**cell, "outputs": outputs.get(place, []), "execution_count": counts.get(place)}  # noqa: PLW2901
        cells.append(cell)
    minor = notebook.get("nbformat_minor", 0)
    if minor >= 5:  # from there on each cell has an id
        cells = [{"id": secrets.token_hex(4), **cell} for cell in cells]
    return {**notebook, "cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": minor}


def one_cell(source: str) -> Notebook:
    """A lone cell in the shape of a notebook."""
    cell = {"cell_type": "code", "id": "cell", "metadata": {}, "source": source}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def percent_text(notebook: Notebook) -> str:
    """The code as one text to read, cells divided by `# %%` lines."""
    return "\n\n".join(f"# %% [{cell.number}]\n{cell.source.rstrip()}" for cell in code_cells(notebook)) + "\n"
